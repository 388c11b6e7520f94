"""Reads ``laws.toml``: what must hold in every run, and the checks that a simulator is put to."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from simulator.errors import InputError
from simulator.sealed.expressions import compile_expression
from simulator.sealed.shapes import Name, Number, SealedSpec, Text
from simulator.sealed.spec import empty_state
from simulator.textfile import one_line, read_toml

LAWS_FILE = "laws.toml"
MAX_LAWS_BYTES = 1 << 18
Label = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z", max_length=120)]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*\Z", max_length=120)]
Comparison = Literal["equal", "at_least", "at_most"]


class _Law(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """Something that holds in every run."""

    name: Label


class At(_Law, frozen=True, kw_only=True, tag="at"):
    """The time of an event; where ``where`` holds."""

    event: Name
    time: Text
    compare: Comparison = "equal"
    where: Text | None = None


class Lasts(_Law, frozen=True, kw_only=True, tag="lasts"):
    """The time between a row's latest event ``after`` and this one."""

    event: Name
    after: Name
    row: Name
    time: Text
    compare: Comparison = "equal"
    where: Text | None = None


class Complete(_Law, frozen=True, kw_only=True, tag="complete"):
    """Every row for which ``where`` holds has had the event when the run ends."""

    event: Name
    row: Name
    where: Text | None = None


class Never(_Law, frozen=True, kw_only=True, tag="never"):
    """The condition holds at no such event, seen after the event has had its effect."""

    event: Name
    condition: Text


class Balance(_Law, frozen=True, kw_only=True, tag="balance"):
    """Holds whenever time moves on, and when the run ends."""

    holds: Text


Law = At | Lasts | Complete | Never | Balance


class _Check(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"
):
    """A question to a simulator. Scenarios come from a generator with seeds, or from a file."""

    name: Label
    split: Literal["shown", "held", "final"]
    generator: Name | None = None
    scenario: FileName | None = None
    seeds: Annotated[
        list[Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]], msgspec.Meta(max_length=1000)
    ] = []
    policy: Label = "random"
    """A name of the library, or ``random``."""
    set: dict[str, Number] = {}
    """Values, parameters and TABLE.rows that differ from the generator's."""
    cpu_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0

    def __post_init__(self) -> None:
        if self.generator is not None and self.scenario is not None:
            raise ValueError(f"check {self.name}: expected generator or scenario, not both")
        if self.generator is not None and not self.seeds:
            raise ValueError(f"check {self.name}: seeds is missing")


class Runs(_Check, frozen=True, kw_only=True, tag="run"):
    """Every run keeps the contract and all laws."""


class Determinism(_Check, frozen=True, kw_only=True, tag="determinism"):
    """The same run twice gives equal logs."""


class Causality(_Check, frozen=True, kw_only=True, tag="causality"):
    """What cannot have shown before a moment changes nothing of the log up to it."""


class TimeScale(_Check, frozen=True, kw_only=True, tag="time_scale"):
    """All that is in us times a factor: so are all times of the log."""

    factor: Annotated[int, msgspec.Meta(ge=2, le=1000)]


class Relabel(_Check, frozen=True, kw_only=True, tag="relabel"):
    """The rows of a table in another order: the log is equal under the mapping."""

    table: Name


class Shift(_Check, frozen=True, kw_only=True, tag="shift"):
    """All times of the scenario later by ``by`` us: so are all times of the log."""

    by: Annotated[int, msgspec.Meta(ge=1, le=1 << 40)]


class Duplicate(_Check, frozen=True, kw_only=True, tag="duplicate"):
    """Two copies that share nothing: the log of each is as it is alone."""

    tables: list[Name]
    values: list[Name] = []


class Monotone(_Check, frozen=True, kw_only=True, tag="monotone"):
    """A figure gets no worse when a value grows by ``by``."""

    value: Name
    by: Number
    figure: Name
    direction: Literal["up", "down"]


class Zero(_Check, frozen=True, kw_only=True, tag="zero"):
    """With ``set`` a figure equals an expression over values and parameters."""

    figure: Name
    equals: Text


class Analytic(_Check, frozen=True, kw_only=True, tag="analytic"):
    """The mean of a figure over replications agrees with a formula of queueing theory."""

    theory: Literal[
        "mm1_wait", "mmc_wait", "mmcc_loss", "mginf_mean", "md1_wait", "mg1_wait", "ttl_cold"
    ]
    arguments: dict[Name, float]
    figure: Name
    replications: Annotated[int, msgspec.Meta(ge=2, le=1000)]


class Worked(_Check, frozen=True, kw_only=True, tag="worked"):
    """A file holds a scenario, a policy and the whole expected log."""

    file: FileName


class Figures(_Check, frozen=True, kw_only=True, tag="figures"):
    """Recorded figures of the real system."""

    figure: Name
    file: FileName = "figures.csv"


class Reference(_Check, frozen=True, kw_only=True, tag="reference"):
    """Figures agree with those of the person's ``reference.py``."""

    figures: list[Name]


class Ranking(_Check, frozen=True, kw_only=True, tag="ranking"):
    """Policies come out in nearly the same order as in the recorded figures."""

    policies: list[Label]
    figure: Name
    least_tau: Annotated[float, msgspec.Meta(ge=-1, le=1)]
    file: FileName = "figures.csv"


class Robust(_Check, frozen=True, kw_only=True, tag="random"):
    """Random legal decisions: each run comes to its end, and all laws hold."""


Check = (
    Runs
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
    | Robust
)


class Laws(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file as a whole."""

    laws: list[Law] = []
    checks: list[Check] = []


def read_laws(path: Path, spec: SealedSpec) -> Laws:
    """Return what a ``laws.toml`` says; raise ``InputError`` with the file and the law."""
    try:
        laws = msgspec.convert(read_toml(path, InputError, MAX_LAWS_BYTES), Laws)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {one_line(str(error))}") from None
    for what, things in (("laws", laws.laws), ("checks", laws.checks)):
        names = [each.name for each in things]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"{path}: two {what} are named {name!r}, rename one")
    for law in laws.laws:
        _check_law(law, spec, f"{path}: law {law.name!r}")
    for check in laws.checks:
        if check.generator is not None and check.generator not in spec.generators:
            raise InputError(
                f"{path}: check {check.name!r}: generator is {check.generator}, "
                f"expected {', '.join(spec.generators)}"
            )
    return laws


def _check_law(law: Law, spec: SealedSpec, where: str) -> None:
    state = empty_state(spec)
    if isinstance(law, Balance):
        compile_expression(law.holds, state.of_run(), f"{where}: holds")
        return
    for event in (law.event, law.after) if isinstance(law, Lasts) else (law.event,):
        if event not in spec.events:
            raise InputError(f"{where}: {event} is no event of the contract")
    fields = spec.events[law.event].fields
    names = state.of_event(fields)
    if isinstance(law, Lasts | Complete):
        table = fields.get(law.row, "int")
        if table == "int":
            raise InputError(f"{where}: row is {law.row}, which is no row in {law.event}")
        if isinstance(law, Complete):
            names = state.of_row(table)
        elif table not in spec.events[law.after].fields.values():
            raise InputError(f"{where}: {law.after} names no row of {table}")
    for key in ("time", "where", "condition"):
        text = getattr(law, key, None)
        if text is not None:
            compile_expression(text, names, f"{where}: {key}")
