"""What ``contract.toml`` may say, as types; ``spec.py`` reads it and checks how its parts fit."""

from typing import Annotated, Literal

import msgspec

from simulator.domain_spec import Calls, DomainSpec, Word

MOST_ROWS = 1_000_000
MOST_ACCEPTED = 16
"""Simulators that can be accepted for one contract."""
MOST_SIMULATOR_BYTES = 1 << 20
MOST_CERTIFICATE_BYTES = 4 << 20
MOST_NUMBER = 1 << 53
"""The largest number in a scenario or an event; times are whole us from 0."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
Number = Annotated[int, msgspec.Meta(ge=-MOST_NUMBER, le=MOST_NUMBER)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
"""An expression."""
RowPath = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39}){0,4}\Z")
]
"""A field that is a row, or a row that its columns refer to: ``slot.node``."""
Unit = Annotated[str, msgspec.Meta(max_length=40)]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file; unknown keys are refused by name."""


class Value(_Table, frozen=True, kw_only=True):
    """One whole number for each scenario."""

    low: Number
    high: Number
    unit: Unit = ""
    hidden: bool = False
    """Whether policies are never told of it."""

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError(f"low is {self.low}, more than high, {self.high}")


class Parameter(_Table, frozen=True, kw_only=True):
    """A number that calibration may choose."""

    low: Number
    high: Number
    default: Number
    unit: Unit = ""
    hidden: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high:
            raise ValueError(f"default is {self.default}, not from {self.low} to {self.high}")


class Column(_Table, frozen=True, kw_only=True):
    """One whole number for each row; ``refers`` makes it a row's number in another table."""

    low: Number = 0
    high: Number | None = None
    unit: Unit = ""
    hidden: bool = False
    refers: Name | None = None

    def __post_init__(self) -> None:
        if (self.refers is None) == (self.high is None):
            raise ValueError("expected either low and high, or refers")
        if self.high is not None and self.low > self.high:
            raise ValueError(f"low is {self.low}, more than high, {self.high}")


class Rows(_Table, frozen=True, kw_only=True):
    """A table of a scenario; its rows are numbered from 0."""

    most: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)]
    columns: dict[Name, Column] = {}
    revealed_by: Name | None = None
    """The event that tells a policy of a row; without it rows are known from the start."""
    sorted_by: Name | None = None


class EventKind(_Table, frozen=True, kw_only=True):
    """What a simulator may log; a field is a row's number in a table, or ``int``."""

    fields: dict[Name, Name] = {}
    asks: bool = False
    """Whether the policy gets its turn before time moves on."""
    times: list[Name] = []
    """Fields that are so many us; of other numbers nothing is known."""
    hidden: bool = False
    hidden_fields: list[Name] = []


class DecisionKind(_Table, frozen=True, kw_only=True):
    """What a policy may decide."""

    fields: dict[Name, Name] = {}
    when: dict[Name, Word | list[Word]] = {}
    """By field: the states that its row must be in."""
    needs: Text | None = None
    causes: Name | None = None
    """The event that must be logged, with these fields, before time moves on; it has no other
    cause."""


class Lifecycle(_Table, frozen=True, kw_only=True):
    """The states of the rows of a table. In ``moves`` the last state is the new one."""

    begin: Name
    moves: dict[Name, Annotated[list[Name], msgspec.Meta(min_length=2, max_length=20)]]

    @property
    def states(self) -> list[str]:
        """All states, in the order in which they are named."""
        return list(dict.fromkeys([self.begin, *(s for move in self.moves.values() for s in move)]))


class GaugeKind(_Table, frozen=True, kw_only=True):
    """An amount that events add to and take from; it is never below 0."""

    add: dict[Name, Text]
    take: dict[Name, Text] = {}
    at_most: Text | None = None
    per: RowPath | None = None
    """A row that all these events name: there is one amount for each. In an expression over an
    event or a decision the gauge is the amount of the row that it names."""


class Reduction(_Table, frozen=True, kw_only=True):
    """A figure of a run: over the rows of a table, over the time of a gauge, or of other figures.

    An ``expression`` has the names of other figures, counts of events, values and parameters.
    """

    over: Name | None = None
    expression: Text | None = None
    value: Text | None = None
    otherwise: Text | None = None
    where: Text | None = None
    gauge: Name | None = None
    reduce: (
        Literal["sum", "mean", "max", "min", "count", "p50", "p90", "p99", "time_mean"] | None
    ) = None

    def __post_init__(self) -> None:
        if [self.over, self.gauge, self.expression].count(None) != 2:
            raise ValueError("expected one of over, gauge and expression")
        if (self.reduce is None) != (self.expression is not None):
            raise ValueError("expected reduce, or else an expression")
        if self.gauge is not None and self.reduce not in ("time_mean", "max"):
            raise ValueError(f"reduce is {self.reduce}, expected time_mean or max for a gauge")
        if self.over is not None and self.reduce == "time_mean":
            raise ValueError("reduce is time_mean, which is for gauges only")
        if self.over is not None and self.value is None and self.reduce != "count":
            raise ValueError(f"value is missing, which {self.reduce} needs")


class _Draw(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="draw"
):
    """How a column of a generated scenario is drawn."""


class Constant(_Draw, frozen=True, kw_only=True, tag="constant"):
    value: Number


class Uniform(_Draw, frozen=True, kw_only=True, tag="uniform"):
    """From ``low`` to ``high``, by default the bounds of what is drawn."""

    low: Number | None = None
    high: Number | None = None


class Choice(_Draw, frozen=True, kw_only=True, tag="choice"):
    of: Annotated[list[Number], msgspec.Meta(min_length=1, max_length=10_000)]


class Cycle(_Draw, frozen=True, kw_only=True, tag="cycle"):
    """One after the other, again and again."""

    of: Annotated[list[Number], msgspec.Meta(min_length=1, max_length=10_000)]


class Exponential(_Draw, frozen=True, kw_only=True, tag="exponential"):
    mean: Annotated[float, msgspec.Meta(gt=0, le=MOST_NUMBER)]


class Poisson(_Draw, frozen=True, kw_only=True, tag="poisson"):
    """Cumulated exponential gaps of this mean."""

    mean: Annotated[float, msgspec.Meta(gt=0, le=MOST_NUMBER)]


class Pareto(_Draw, frozen=True, kw_only=True, tag="pareto"):
    shape: Annotated[float, msgspec.Meta(ge=0.1, le=1000)]
    least: Annotated[float, msgspec.Meta(gt=0, le=MOST_NUMBER)]


class Same(_Draw, frozen=True, kw_only=True, tag="same"):
    """As an earlier column of the row."""

    as_: Name = msgspec.field(name="as")


class Computed(_Draw, frozen=True, kw_only=True, tag="expression"):
    """An expression over earlier columns of the row and its ``number``."""

    of: Text


Draw = Constant | Uniform | Choice | Cycle | Exponential | Poisson | Pareto | Same | Computed


class Generator(_Table, frozen=True, kw_only=True):
    """How scenarios are made from a seed; each table also has ``rows``.

    What is no column of a table is drawn for later expressions of the row, and dropped.
    """

    values: dict[Name, Number | Draw] = {}
    tables: dict[Name, dict[Name, Number | Draw]] = {}


class SealedSpec(DomainSpec, frozen=True, kw_only=True):
    """A sealed domain as data."""

    unit_of_step: Word = "us"
    groups: Word | None = "simulator"
    calls: Calls = Calls(scored="on_event", audit="on_event", modes=["on_event"])
    sizes: dict[Word, Annotated[str, msgspec.Meta(max_length=120)]] = {}
    values: dict[Name, Value]
    parameters: dict[Name, Parameter] = {}
    tables: dict[Name, Rows] = {}
    events: Annotated[dict[Name, EventKind], msgspec.Meta(min_length=1, max_length=100)]
    decisions: dict[Name, DecisionKind] = {}
    lifecycles: dict[Name, Lifecycle] = {}
    gauges: dict[Name, GaugeKind] = {}
    reductions: dict[Name, Reduction] = {}
    known: dict[Name, Reduction] = {}
    generators: dict[Name, Generator] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sizes:
            msgspec.structs.force_setattr(self, "sizes", {name: name for name in self.tables})

    def column_names(self, table: str) -> list[str]:
        """Return the columns of a table, in the order in which rows have them."""
        return list(self.tables[table].columns)
