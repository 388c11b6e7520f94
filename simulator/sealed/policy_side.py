"""What a policy of a sealed domain sees and answers: generic code over the public contract."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from simulator.contract import Contract, Dialogue, no_modules, refuse, shown
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import public
from simulator.sealed.state import State

INIT = "register_policy_init"
STEP = "register_policy"


class Setup(msgspec.Struct, frozen=True, array_like=True):
    """What a policy may know before the first event: numbers in the order of the contract."""

    values: list[int]
    parameters: list[int]
    tables: dict[str, list[tuple[int, ...]]]
    """The visible columns of tables that are known from the start."""


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """What became visible since the last turn."""

    step: int
    quiet_until: int
    events: list[tuple[int, int, tuple[int, ...]]]
    """By the number of the kind among the visible ones."""
    revealed: list[tuple[int, int, tuple[int, ...]]]
    """The number of the table, that of the row, and its visible columns."""


class Decided(msgspec.Struct, frozen=True, array_like=True):
    """What a policy decides in one turn, by the number of the kind of decision."""

    step: int
    calls: int
    decisions: list[tuple[int, tuple[int, ...]]]

    @property
    def size(self) -> int:
        return len(self.decisions)


class Row:
    """A row that a policy knows: its ``number``, its visible columns, and ``at(event)``."""

    __slots__ = ("_at", "_states", "number")

    def __init__(self, number: int, at: Mapping[str, dict[int, int]], states: Any) -> None:
        self.number = number
        self._at = at
        self._states = states

    def at(self, event: str) -> int | None:
        """Return the time in us of the row's latest event of a kind, None if none came."""
        if event not in self._at:
            raise KeyError(f"{event!r} is no event of this row, expected {', '.join(self._at)}")
        return self._at[event].get(self.number)

    @property
    def state(self) -> str | None:
        """The state of the row, None where its table has no states."""
        return None if self._states is None else self._states[self.number]

    def __index__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.number})"


class Seen:
    """An event that a policy sees: ``kind``, ``time`` in us, and its fields by name."""

    __slots__ = ("__dict__", "kind", "time")
    kind: str
    time: int

    def __init__(self, kind: str, time: int, fields: Mapping[str, int]) -> None:
        self.kind = kind
        self.time = time
        self.__dict__.update(fields)

    def __repr__(self) -> str:
        fields = "".join(f", {name}={value}" for name, value in vars(self).items())
        return f"{self.kind}({self.time}{fields})"


class Choice:
    """A decision, as the functions of the contract return it."""

    __slots__ = ("args", "kind")

    def __init__(self, kind: int, args: tuple[int, ...]) -> None:
        self.kind = kind
        self.args = args


class Numbers:
    """Numbers by name."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self.__dict__.update(numbers)

    def __repr__(self) -> str:
        return f"Numbers({vars(self)})"


class View:
    """The argument of a policy's functions; times are in us."""

    def __init__(self, mirror: "Mirror") -> None:
        self._mirror = mirror
        self.now = 0
        self.events: list[Seen] = []
        self.values = Numbers(mirror.seen.values)
        self.parameters = Numbers(mirror.seen.parameters)

    def rows(self, table: str, state: str | None = None) -> list[Row]:
        """Return the known rows of a table, or those in a state, by number."""
        return self._mirror.listed(table, state)

    def row(self, table: str, number: int) -> Row:
        """Return a known row by its number."""
        return self._mirror.rows_of(table)[number]

    def gauge(self, name: str, row: Any = None) -> int | float:
        """Return the amount of a gauge, or that of a row."""
        gauges = self._mirror.seen.gauges
        if name not in gauges:
            raise KeyError(f"{name!r} is no gauge here, expected one of {', '.join(gauges)}")
        amount: int | float = gauges[name].values[0 if row is None else row.__index__()]
        return amount


class Mirror:
    """Keeps what a policy knows up to date and turns its answers into decisions."""

    def __init__(self, spec: SealedSpec, setup: Setup, _key: str) -> None:
        self._spec = spec
        self.step: int | None = None
        self._columns: dict[str, dict[str, Any]] = {
            table: {name: {} for name in rows.columns} for table, rows in spec.tables.items()
        }
        known = {table: len(rows) for table, rows in setup.tables.items()}
        self.seen = State(
            spec,
            dict(zip(spec.values, setup.values, strict=True)),
            dict(zip(spec.parameters, setup.parameters, strict=True)),
            self._columns,
            known,
        )
        self._classes = {table: _row_class(table, self._columns[table]) for table in spec.tables}
        self._at = {
            table: {name: at[table] for name, at in self.seen.at.items() if table in at}
            for table in spec.tables
        }
        self._rows: dict[str, dict[int, Row]] = {table: {} for table in spec.tables}
        self._order: dict[str, list[Row] | None] = dict.fromkeys(spec.tables)
        self._inside: dict[str, dict[str, dict[int, Row]]] = {
            table: {state: {} for state in cycle.states} for table, cycle in spec.lifecycles.items()
        }
        self._tables, self._kinds = list(spec.tables), list(spec.events)
        self._fields = [list(kind.fields) for kind in spec.events.values()]
        self._moved = [
            [
                (place, table, table not in known)
                for place, table in enumerate(kind.fields.values())
                if table != "int"
            ]
            for kind in spec.events.values()
        ]
        for table, rows in setup.tables.items():
            for number, row in enumerate(rows):
                self._add(table, number, row)
        self.state = View(self)

    def decide(
        self, step: Callable[..., Any], told: Observation, _answer: Callable[[Any], Any]
    ) -> Decided:
        """Call the policy once and return its typed decisions."""
        view, self.step = self.state, told.step
        for table, number, row in told.revealed:
            name = self._tables[table]
            self.seen.reveal(name, number)
            self._add(name, number, row)
        view.events = [self._take(*event) for event in told.events]
        view.now = self.seen.now = told.step
        answer = step(view)
        if isinstance(answer, Choice):
            answer = [answer]
        if answer is None:
            answer = ()
        if not isinstance(answer, list | tuple) or not all(isinstance(c, Choice) for c in answer):
            names = ", ".join(self._spec.decisions)
            refuse(f"decide returned {shown(answer)}, expected a list of {names}", told.step)
        decided = [(choice.kind, choice.args) for choice in answer]
        return Decided(step=told.step, calls=1, decisions=decided)

    def rows_of(self, table: str) -> dict[int, Row]:
        """Return the known rows of a table by number."""
        if table not in self._rows:
            raise KeyError(f"{table!r} is no table, expected one of {', '.join(self._rows)}")
        return self._rows[table]

    def listed(self, table: str, state: str | None) -> list[Row]:
        """Return the known rows of a table, or those in a state, by number."""
        if state is None:
            rows = self.rows_of(table)
            return [rows[number] for number in sorted(rows)]
        inside = self._inside.get(table, {})
        if state not in inside:
            raise KeyError(f"{state!r} is no state of {table}, expected one of {', '.join(inside)}")
        return [inside[state][number] for number in sorted(inside[state])]

    def _add(self, table: str, number: int, row: Any) -> None:
        for column, value in zip(self._columns[table].values(), row, strict=True):
            column[number] = value
        states = self.seen.states.get(table)
        made = self._classes[table](number, self._at[table], states)
        self._rows[table][number] = made
        if states is not None:
            self._inside[table][states[number]][number] = made

    def _take(self, kind: int, time: int, args: tuple[int, ...]) -> Seen:
        name, state = self._kinds[kind], self.seen
        state.now = time
        before = []
        for place, table, grows in self._moved[kind]:
            row = args[place]
            if grows:
                state.reveal(table, row)
            if table in self._inside:
                before.append((table, row, state.states[table][row]))
        state.apply(name, args)
        state.note(name, args)
        for table, row, old in before:
            known, new = self._rows[table].get(row), state.states[table][row]
            if known is not None and new != old:
                self._inside[table][old].pop(row, None)
                self._inside[table][new][row] = known
        return Seen(name, time, dict(zip(self._fields[kind], args, strict=True)))


def contract_of(spec: SealedSpec) -> Contract:
    """Return the contract between the broker and a policy."""
    seen = public(spec)
    return Contract(
        dialogue=Dialogue(setup=Setup, observation=Observation, decision=Decided),
        init=INIT,
        step=STEP,
        names=partial(_decision_functions, seen),
        modules=no_modules,
        mirror=partial(Mirror, seen),
        needs_init=False,
    )


def _row_class(table: str, columns: Mapping[str, dict[int, int]]) -> type[Row]:
    """Return the class of a table's rows, whose attributes read the columns."""

    def reader(column: dict[int, int]) -> property:
        return property(lambda row: column[row.number])

    members = {name: reader(column) for name, column in columns.items()}
    return type(table.capitalize(), (Row,), {"__slots__": (), **members})


def _decision_functions(spec: SealedSpec) -> dict[str, Any]:
    return {
        name: _maker(number, name, tuple(kind.fields))
        for number, (name, kind) in enumerate(spec.decisions.items())
    }


def _maker(number: int, name: str, fields: tuple[str, ...]) -> Callable[..., Choice]:
    def make(**given: Any) -> Choice:
        if given.keys() != set(fields):
            refuse(f"{name}() takes {', '.join(fields) or 'nothing'}, got {sorted(given)}", None)
        args = []
        for field in fields:
            value = given[field]
            if not hasattr(value, "__index__"):
                refuse(f"{name}: {field}={shown(value)}, expected a row or a whole number", None)
            args.append(int(value.__index__()))
        return Choice(number, tuple(args))

    make.__name__ = name
    return make
