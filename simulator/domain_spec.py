"""``domain.toml``: what of a domain is data, checked when it is read.

A *figure* is named by its path: ``latency.query.p99`` is in the metrics of a run, ``stats.x`` in
its exact statistics. A *known* figure is one of ``Scenario.figures``: it needs no run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from simulator.errors import InputError
from simulator.textfile import one_line, read_toml

MAX_SPEC_BYTES = 1 << 16
"""The largest ``domain.toml``; a reader of TOML may take the square of it in time."""
WORD = r"^[a-z][a-z0-9_-]{0,59}\Z"
Word = Annotated[str, msgspec.Meta(pattern=WORD)]
Path_ = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*\Z", max_length=200)]
Label = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]+\Z", max_length=120)]
Version = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]{0,39}\Z")]


class _Table(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """A table of the file; unknown keys are refused by name."""


class Calls(_Table, frozen=True, kw_only=True):
    """When a policy is called: the mode that is scored, and the one of the audit."""

    scored: Word
    audit: Word
    modes: list[Word]

    def __post_init__(self) -> None:
        for mode in (self.scored, self.audit):
            if mode not in self.modes:
                raise ValueError(f"calls: {mode!r} is none of modes ({', '.join(self.modes)})")


class Objective(_Table, frozen=True, kw_only=True):
    """What a search improves: one figure per scenario, against the reference policy's.

    A run that failed or has no such figure counts as ``failed``, a known figure; without one it
    counts as 0. Values below ``least``, a known figure, count as ``least``, so that no ratio is
    taken with zero; without it a zero on either side counts as equal, score 1.
    """

    name: Word
    label: Label
    figure: Path_
    unit: str = ""
    better: Literal["less", "more"] = "less"
    failed: Path_ | None = None
    least: Path_ | None = None
    bound: Path_ | None = None
    """A figure that no policy can beat."""
    explanation: str = ""
    """What the figure is and what follows for a policy, for prompts; else label and unit say it."""
    guards: list[Path_] = []
    """Figures that may not get worse when a candidate is promoted by this objective."""
    note: str = ""
    """What a reader should know about it, in a sentence."""

    def __post_init__(self) -> None:
        if self.better == "less" and self.failed is None:
            raise ValueError(f"objective {self.name}: less is better, so failed must be given")
        if self.better == "more" and self.least is None:
            raise ValueError(f"objective {self.name}: more is better, so least must be given")


class Metric(_Table, frozen=True, kw_only=True):
    """A figure that people are shown."""

    key: Path_
    label: Label
    unit: str = ""
    over: Literal["mean", "sum", "max"] = "mean"
    """How the scenarios of a candidate are put together."""
    better: Literal["less", "more", ""] = ""
    out_of: Path_ | None = None
    """The figure that it is a part of: it is shown as 12/14."""
    brief: str = ""
    """The head of its column in small tables; without one they leave it out."""


class Class(_Table, frozen=True, kw_only=True):
    """One row of the table by class: a priority, a tenant."""

    key: Path_
    label: Label


class Classes(_Table, frozen=True, kw_only=True):
    """A table of figures by class: ``figure`` holds one table for each class by its key."""

    figure: Path_
    label: Label
    name: Label = "class"
    """What one of them is called, as in "tenant"."""
    unit: str = ""
    """Of the columns that are drawn."""
    columns: list[Path_]
    rows: list[Class] = []
    """Empty where the classes differ from scenario to scenario; then each key is a row, and no
    scenarios are put together."""
    counts: list[Path_] = []
    """The columns that count: they are added up over scenarios and have no unit."""
    weight: Path_ | None = None
    """The count that weighs scenarios in means of other columns; without it they weigh alike."""
    drawn: list[Path_] = []
    """What is drawn: a bar, and a mark on it. By default the first column that is no count."""
    note: str = ""
    """What a reader should know about the figures, in a sentence."""

    def __post_init__(self) -> None:
        for name in (*self.counts, *self.drawn, *([self.weight] if self.weight else [])):
            if name not in self.columns:
                raise ValueError(
                    f"classes: {name!r} is none of columns ({', '.join(self.columns)})"
                )


class Listing(_Table, frozen=True, kw_only=True):
    """A table that a run lists itself: ``figure`` holds rows with these columns.

    The last column is a number; over scenarios it is added up where the other columns are equal.
    """

    figure: Path_
    label: Label
    columns: list[Label]


class Channel(_Table, frozen=True, kw_only=True):
    """A curve over time: a list of numbers in the timeline."""

    key: Path_
    label: Label
    unit: str = ""
    capacity: Path_ | None = None
    """A known figure: the most that there can be."""
    thin: Literal["max", "sum", "mean"] = "max"
    """What stands for several samples where there are more than can be drawn."""
    drawn: bool = True
    """Whether the report has a chart of it; without, it only says where costs arise."""


class Timeline(_Table, frozen=True, kw_only=True):
    """Curves over time: ``figure`` holds a list of numbers for each channel."""

    figure: Path_
    seconds_per_sample: Path_
    channels: list[Channel]


class Cost(_Table, frozen=True, kw_only=True):
    """A part of an objective, and the curves that say when in a run it arises.

    ``figure`` is the part, in the unit of the objective's figure; the parts of an objective add up
    to its figure. A part is spread over the run in proportion to the sum of its channels. Where an
    objective charges waiting, that is how many wait or run (Little's law); where it charges
    memory, how much is held.
    """

    objective: Word
    figure: Path_
    label: Label
    """What is counted, as in "invocations waiting"; of a part without channels, what is charged."""
    channels: list[Path_] = []
    """Keys of the timeline, all in one unit; none: the part is charged when the run ends."""


class Spans(_Table, frozen=True, kw_only=True):
    """What ran where and when: ``figure`` holds a list of rows with these columns."""

    figure: Path_
    created: Path_
    """A figure: how many there were, also those that were not kept."""
    label: Label
    """What one of them is called, as in "container"."""
    lane_label: Label
    """What they run on, as in "pool"."""
    columns: list[Word]
    """Among them start, end (both in seconds), lane, class and outcome; the unit of another one
    stands in its name, as in memory_mb.

    A class is a key of the table by class, or the place of one in its rows, counted from 1.
    """
    outcomes: list[str]
    """The first one is the good one."""
    lanes: Path_ | None = None
    """A known figure: how many lanes there are."""

    def __post_init__(self) -> None:
        for needed in ("start", "end", "lane", "class", "outcome"):
            if needed not in self.columns:
                raise ValueError(f"spans: columns lack {needed!r}")


class DomainSpec(_Table, frozen=True, kw_only=True):
    """A domain as data."""

    name: Word
    version: Version
    title: Label
    summary: Label
    unit_of_step: Word
    """What a step of the simulation is called, as in "tick"."""
    reference: Word
    """The library policy with score 1.0."""
    example: Word
    """The library policy that prompts and guides show."""
    baselines: list[Word] = []
    """The library policies that a search tries first, beside the reference."""
    suite: Label = "smoke"
    """The suite that is taken where none is named."""
    calls: Calls
    promotion: Literal["interval", "no_scenario_worse"] = "interval"
    """When a candidate that was confirmed becomes the best: when the interval of its gain is above
    0, as scenarios are a sample of many; or when it is worse in no scenario, as each one counts by
    itself, whatever the others are."""
    groups: Word | None = None
    """A setting of scenarios: where they differ in it, a candidate has to be better among those
    with each of its values to be promoted."""
    sizes: dict[Word, Label]
    """The counts of a scenario, and what each counts."""
    objectives: list[Objective]
    """The first is the default."""
    metrics: list[Metric] = []
    classes: Classes | None = None
    listings: list[Listing] = []
    timeline: Timeline | None = None
    costs: list[Cost] = []
    """What the objectives with ``less`` are made of, over time; an objective may have none."""
    spans: Spans | None = None
    policy_modules: list[Word] = []
    """The packages that a policy may import beside the standard library."""
    system: str = ""
    """What policies are for, as in "a simulated data platform"; by default the title says it."""
    traces: str = ""
    """For shipped domains: the folder in ``traces/`` with their suites, by default their name."""

    def __post_init__(self) -> None:
        names = [objective.name for objective in self.objectives]
        if not names or len(names) > len(set(names)):
            raise ValueError("objectives: expected at least one, each with a name of its own")
        for objective in self.objectives:
            self.guarded(objective)
        known = {each.key for each in self.timeline.channels} if self.timeline else set()
        for cost in self.costs:
            if cost.objective not in names or self.objective(cost.objective).better != "less":
                raise ValueError(
                    f"costs: {cost.objective!r} is no objective of which less is better"
                )
            for key in cost.channels:
                if key not in known:
                    raise ValueError(f"costs: {key!r} is no channel of the timeline")

    def objective(self, name: str | None = None) -> Objective:
        """Return an objective by its name, the default one without; raise ``InputError``."""
        for objective in self.objectives:
            if name in (None, objective.name):
                return objective
        known = ", ".join(each.name for each in self.objectives)
        raise InputError(f"unknown objective {name!r} of domain {self.name}, expected {known}")

    def brief(self) -> list[Metric]:
        """Return the metrics that small tables show."""
        return [each for each in self.metrics if each.brief]

    def guarded(self, objective: Objective) -> list[Metric]:
        """Return the figures that may not get worse by an objective, with the better direction."""
        known = {each.key: each for each in self.metrics if each.better}
        for each in self.objectives:
            known[each.figure] = Metric(
                key=each.figure, label=each.label, unit=each.unit, better=each.better
            )
        for path in objective.guards:
            if path not in known:
                raise ValueError(
                    f"objective {objective.name}: guards has {path!r}, which is neither the figure "
                    "of an objective nor a metric that says what is better"
                )
        return [known[path] for path in objective.guards]


def read_spec(path: Path) -> DomainSpec:
    """Return what a ``domain.toml`` says; raise ``InputError`` with the file and the key."""
    return spec_from(read_toml(path, InputError, MAX_SPEC_BYTES), str(path))


def spec_from(values: Mapping[str, Any], where: str) -> DomainSpec:
    """Return a spec from plain values; raise ``InputError`` that begins with ``where``."""
    try:
        return msgspec.convert(values, DomainSpec)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {one_line(str(error))}") from None


def plain_spec(spec: DomainSpec) -> dict[str, Any]:
    """Return a spec as plain values for JSON, from which ``spec_from`` makes it again."""
    own = {name: getattr(spec, name) for name in DomainSpec.__struct_fields__}
    plain: dict[str, Any] = msgspec.to_builtins(DomainSpec(**own))  # with its defaults, not theirs
    return plain


def figure(path: str, metrics: Any, stats: Any = None) -> Any:
    """Return the figure at a path, None where there is none."""
    names = path.split(".")
    value = metrics
    if names[0] == "stats":
        value, names = stats, names[1:]
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
