"""``[[checks]]`` of ``laws.toml``: what a simulator is put to, each kind with its own keys."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from simulator.bootstrap.theory import THEORIES
from simulator.domain_spec import Label
from simulator.errors import InputError
from simulator.textfile import one_line, read_toml, show

SPLITS = {"shown": "train", "held": "validation", "final": "test"}
"""What a proposer is told of, what decides and is never told, and what is touched once."""
RANDOM = "random"
"""The policy that takes random legal decisions."""
MAX_LAWS_BYTES = 1 << 18
MAX_CHECKS = 500


class Check(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"
):
    """What all checks say. One scenario is run for each seed, or the one of a file."""

    name: Label
    split: Literal["shown", "held", "final"]
    generator: str = ""
    scenario: str = ""
    """A file in the folder, instead of a generator."""
    seeds: list[int] = msgspec.field(default_factory=lambda: [1])
    policy: str = RANDOM
    set: dict[str, int] = {}
    """Values and parameters that differ from the generator's."""
    cpu_seconds: float = 10.0
    draw: dict[str, list[int]] = {}
    """What the random policy draws a plain number from, by the field of the decision."""

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)

    @property
    def policies_used(self) -> list[str]:
        """The policies of the library that it names."""
        named = [self.policy, *getattr(self, "policies", ())]
        return [name for name in dict.fromkeys(named) if name != RANDOM]

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError(f"check {self.name}: seeds is empty, expected at least one")
        if not 0.0 < self.cpu_seconds <= 60.0:
            raise ValueError(
                f"check {self.name}: cpu_seconds is {self.cpu_seconds:g}, expected up to 60"
            )


class Run(Check, frozen=True, kw_only=True, tag="run"):
    """Every event has the declared form, and all laws hold."""


class Robust(Check, frozen=True, kw_only=True, tag="random"):
    """Random legal decisions never break it."""


class Determinism(Check, frozen=True, kw_only=True, tag="determinism"):
    """Two runs have the same log."""


class Causality(Check, frozen=True, kw_only=True, tag="causality"):
    """What comes later, or is hidden and has not shown, changes nothing that was logged before."""

    columns: list[str] = []
    """Hidden numbers that may change, as TABLE.COLUMN; by default all. Times become longer."""
    moments: int = 2
    """How many moments are tried for each seed."""


class TimeScale(Check, frozen=True, kw_only=True, tag="time_scale"):
    """With all times longer by a factor, everything happens as much later."""

    factor: int = 3


class Relabel(Check, frozen=True, kw_only=True, tag="relabel"):
    """With other numbers for the rows of a table, the same happens to the same rows."""

    table: str


class Shift(Check, frozen=True, kw_only=True, tag="shift"):
    """When everything begins later, everything happens as much later."""

    by: int = 1_000_000
    columns: list[str] = []


class Duplicate(Check, frozen=True, kw_only=True, tag="duplicate"):
    """Two copies that share nothing do not disturb each other."""

    tables: list[str]
    values: list[str] = []


class Monotone(Check, frozen=True, kw_only=True, tag="monotone"):
    """More of a value never makes a figure worse."""

    value: str
    by: int = 1
    figure: str
    direction: Literal["falls", "rises"]


class Zero(Check, frozen=True, kw_only=True, tag="zero"):
    """In a limiting case a figure is known: what must come out stands in ``equals``.

    ``zero`` sets columns of all rows, as TABLE.COLUMN; ``set`` sets values and parameters.
    """

    zero: dict[str, int] = {}
    figure: str
    equals: str


class Analytic(Check, frozen=True, kw_only=True, tag="analytic"):
    """The mean of a figure over the seeds is what theory says, within what chance allows."""

    theory: str
    arguments: dict[str, float]
    figure: str
    unit: float = 1.0
    """One unit of the theory in units of the figure."""
    replications: int = 0
    """How many seeds there are, from the first one on, where they are not all listed."""
    bias: float = 0.0
    """The share by which the figure may differ because runs start empty and end."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.theory not in THEORIES:
            raise ValueError(
                f"check {self.name}: theory is {show(self.theory)}, expected one of "
                f"{', '.join(THEORIES)}"
            )
        if max(len(self.seeds), self.replications) < 2:
            raise ValueError(f"check {self.name}: one seed gives no tolerance, expected more")

    @property
    def all_seeds(self) -> list[int]:
        """Return the seeds of all replications."""
        first = self.seeds[0]
        return list(range(first, first + self.replications)) if self.replications else self.seeds


class Worked(Check, frozen=True, kw_only=True, tag="worked"):
    """The whole log of a scenario that a person worked out by hand."""

    file: str


class Figures(Check, frozen=True, kw_only=True, tag="figures"):
    """Figures that were measured, each within its spread."""

    figure: str
    file: str = "figures.csv"


class Reference(Check, frozen=True, kw_only=True, tag="reference"):
    """The same figures as the person's own simulator, ``reference.py``."""

    figures: list[str] = []
    share: float = 0.0
    """The share by which they may differ."""
    log: bool = False
    """Whether the logs must be equal too, but for the order within a moment."""


class Ranking(Check, frozen=True, kw_only=True, tag="ranking"):
    """Policies come in the order in which ``reference.py`` or measured figures have them."""

    policies: list[str]
    figure: str
    least_tau: float = 0.8
    file: str = ""
    """Measured figures; without it the reference decides."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.policies) < 2:
            raise ValueError(f"check {self.name}: policies are fewer than 2, so there is no order")


class Measure(Check, frozen=True, kw_only=True, tag="measure"):
    """No check: reports figures of runs, one for each seed. Not for ``laws.toml``."""

    figures: list[str]


_Declared = (
    Run
    | Robust
    | Determinism
    | Causality
    | TimeScale
    | Relabel
    | Shift
    | Duplicate
    | Monotone
    | Zero
    | Analytic
    | Worked
    | Figures
    | Reference
    | Ranking
)
AnyCheck = _Declared | Measure


class _Entry(msgspec.Struct, frozen=True):
    checks: list[_Declared] = []


def read_checks(path: Path) -> list[Check]:
    """Return the checks of a ``laws.toml``; raise ``InputError`` with the file and the key."""
    table = read_toml(path, InputError, MAX_LAWS_BYTES)
    raw = table.get("checks", [])
    try:
        checks: list[Check] = list(msgspec.convert(table, _Entry).checks)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {one_line(str(error))}") from None
    if len(raw) > MAX_CHECKS:
        raise InputError(f"{path}: {len(raw)} checks, expected at most {MAX_CHECKS}")
    names = [each.name for each in checks]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two checks are named {show(name)}, rename one")
    return checks


def problems_of(
    checks: Sequence[Check], spec: Any, policies: Sequence[str], files: Any
) -> list[str]:
    """Return a sentence for each name in a check that the folder does not have.

    ``files`` are the names of the files in the folder.
    """
    found = []
    figures = set(spec.reductions)
    for each in checks:
        where = f"check {show(each.name)}"
        named = [each.figure] if hasattr(each, "figure") else []
        if isinstance(each, Reference):
            named = each.figures
        found += [
            f"{where}: figure is {show(name)}, expected one of {', '.join(sorted(figures))}"
            for name in named
            if name not in figures
        ]
        by = each.policies if isinstance(each, Ranking) else [each.policy]
        found += [
            f"{where}: policy is {show(name)}, expected {RANDOM} or one of {', '.join(policies)}"
            for name in by
            if name not in (RANDOM, *policies)
        ]
        if each.generator and each.generator not in spec.generators:
            known = ", ".join(spec.generators) or "none is declared"
            found.append(f"{where}: generator is {show(each.generator)}, expected one of {known}")
        own_scenario = isinstance(each, Worked | Figures) or (
            isinstance(each, Ranking) and each.file
        )
        if not own_scenario and bool(each.generator) == bool(each.scenario):
            found.append(f"{where}: expected a generator or a scenario")
        wanted = [name for name in (each.scenario, getattr(each, "file", "")) if name]
        if isinstance(each, Reference) or (isinstance(each, Ranking) and not each.file):
            wanted.append("reference.py")
        found += [f"{where}: there is no file {name}" for name in wanted if name not in files]
        if isinstance(each, Relabel) and each.table not in spec.tables:
            found.append(
                f"{where}: table is {show(each.table)}, expected one of {', '.join(spec.tables)}"
            )
        for key in each.set:
            if key not in spec.values and key not in spec.parameters:
                found.append(f"{where}: set has {show(key)}, which is no value and no parameter")
    return found
