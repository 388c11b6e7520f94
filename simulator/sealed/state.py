"""What a log says so far: states of rows, gauges, counts, times; and the names of expressions.

The broker keeps one from everything, a policy's side keeps one from what the policy may see.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from simulator.errors import InputError
from simulator.sealed.expressions import Getter, Missing, Resolve, compile_expression
from simulator.sealed.shapes import SealedSpec

Args = Sequence[int]
"""The fields of an event or a decision, in the order of the contract."""
T = TypeVar("T")


class Refused(Exception):
    """An event or a decision that the states or the gauges do not allow."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"{found}, expected {expected}")
        self.expected = expected
        self.found = found


@dataclass(slots=True)
class Gauge:
    """An amount, or one for each row of a table."""

    name: str
    values: Any
    total: int | float = 0
    area: int | float = 0
    """The total, summed over time."""
    since: int = 0
    peak: int | float = 0

    def change(self, row: int, by: int | float, now: int) -> int | float:
        """Return what the amount is after a change at the time ``now``."""
        self.area += self.total * (now - self.since)
        self.since = now
        self.total += by
        value: int | float = self.values[row] + by
        self.values[row] = value
        if value > self.peak:
            self.peak = value
        return value

    def saved(self, row: int) -> tuple[Any, ...]:
        return (self, row, self.values[row], self.total, self.area, self.since, self.peak)

    def restore(self, row: int, value: Any, total: Any, area: Any, since: int, peak: Any) -> None:
        self.values[row] = value
        self.total, self.area, self.since, self.peak = total, area, since, peak


@dataclass(slots=True)
class _Move:
    place: int
    table: str
    states: Any
    inside: dict[str, int]
    sources: frozenset[str]
    target: str


@dataclass(slots=True)
class _Change:
    gauge: Gauge
    row: Getter | None
    amount: Getter
    sign: int
    at_most: Getter | None


@dataclass(slots=True)
class _Rule:
    """What an event does to the state."""

    moves: list[_Move] = field(default_factory=list)
    changes: list[_Change] = field(default_factory=list)
    seen: list[tuple[int, dict[int, int], dict[int, Args]]] = field(default_factory=list)


class State:
    """Follows a log. ``columns`` has the numbers of each table by column, then by row.

    ``rows`` counts the rows of each table; a table that it leaves out grows by ``reveal``.
    """

    def __init__(
        self,
        spec: SealedSpec,
        values: Mapping[str, int],
        parameters: Mapping[str, int],
        columns: Mapping[str, Mapping[str, Any]],
        rows: Mapping[str, int],
    ) -> None:
        self.now = 0
        self.spec = spec
        self.values = values
        self.parameters = parameters
        self.columns = columns
        self.rows = rows
        self.counts = dict.fromkeys(spec.events, 0)
        self.states: dict[str, Any] = {}
        self.inside: dict[str, dict[str, int]] = {}
        for table, cycle in spec.lifecycles.items():
            self.inside[table] = dict.fromkeys(cycle.states, 0)
            self.inside[table][cycle.begin] = rows.get(table, 0)
            self.states[table] = [cycle.begin] * rows[table] if table in rows else {}
        self.at: dict[str, dict[str, dict[int, int]]] = {
            event: {table: {} for table in kind.fields.values() if table != "int"}
            for event, kind in spec.events.items()
        }
        self.last: dict[str, dict[str, dict[int, Args]]] = {
            event: {table: {} for table in tables} for event, tables in self.at.items()
        }
        """The fields of the latest event of a kind, by the table and the row that it named."""
        self.gauges: dict[str, Gauge] = {}
        for name, gauge in spec.gauges.items():
            some = next(iter(gauge.add), None)
            per = (
                table_at(spec, spec.events[some].fields, gauge.per) if gauge.per and some else None
            )
            grows = per is not None and per not in rows
            count = 1 if per is None else rows.get(per, 0)
            self.gauges[name] = Gauge(name, defaultdict(int) if grows else [0] * count)
        self._rules = {event: self._rule(event) for event in spec.events}

    def reveal(self, table: str, row: int) -> None:
        """Let a row of a growing table begin."""
        cycle = self.spec.lifecycles.get(table)
        if cycle is not None and row not in self.states[table]:
            self.states[table][row] = cycle.begin
            self.inside[table][cycle.begin] += 1

    def apply(
        self,
        event: str,
        args: Args,
        undo: list[tuple[Any, ...]] | None = None,
        bounded: bool = True,
    ) -> None:
        """Carry an event out at ``now``; raise ``Refused`` where state or gauge do not allow it.

        With ``undo`` it is only tried: ``revert`` takes it back, also after ``Refused``. Without
        ``bounded`` gauges may exceed their ``at_most``.
        """
        rule = self._rules[event]
        for move in rule.moves:
            row = args[move.place]
            old = move.states[row]
            if old not in move.sources:
                expected = " or ".join(sorted(move.sources))
                raise Refused(expected, f"row {row} of {move.table} is {old}")
            if undo is not None:
                undo.append((move, row, old))
            move.states[row] = move.target
            move.inside[old] -= 1
            move.inside[move.target] += 1
        for change in rule.changes:
            row = 0 if change.row is None else change.row(args)
            gauge, by = change.gauge, change.sign * change.amount(args)
            if undo is not None:
                undo.append(gauge.saved(row))
            value = gauge.change(row, by, self.now)
            if value < 0:
                raise Refused("at least 0", f"{gauge.name} is {value}")
            if bounded and change.at_most is not None and value > (most := change.at_most(args)):
                raise Refused(f"at most {most}", f"{gauge.name} is {value}")
        if undo is None:
            self.counts[event] += 1

    def note(self, event: str, args: Args) -> None:
        """Keep the time and the fields of an event for the rows that it names."""
        for place, times, latest in self._rules[event].seen:
            times[args[place]] = self.now
            latest[args[place]] = args

    def revert(self, undo: list[tuple[Any, ...]]) -> None:
        """Take back what was tried."""
        for what, *rest in reversed(undo):
            if isinstance(what, Gauge):
                what.restore(*rest)
            else:
                row, old = rest
                what.states[row] = old
                what.inside[old] += 1
                what.inside[what.target] -= 1

    def expression(self, text: str, names: Resolve, where: str) -> Getter:
        """Compile an expression with one of the sets of names below."""
        return compile_expression(text, names, where)

    def of_event(self, fields: Mapping[str, str]) -> Resolve:
        """Return the names of an event's or a decision's fields; the context is ``Args``."""
        places = {name: place for place, name in enumerate(fields)}

        def names(path: tuple[str, ...]) -> Getter | None:
            place = places.get(path[0])
            if place is None:
                return self._general(path, fields, places)
            if len(path) == 1:
                return lambda args: args[place]
            return self._of_row(fields[path[0]], path[1:], lambda args: args[place])

        return names

    def of_row(self, table: str) -> Resolve:
        """Return the names of a row's columns and times; the context is the row's number."""

        def names(path: tuple[str, ...]) -> Getter | None:
            found = self._of_row(table, path, None)
            return found if found is not None else self._general(path, {}, {})

        return names

    def of_run(self) -> Resolve:
        """Return the names that need neither row nor event; the context is None."""
        return lambda path: self._general(path, {}, {})

    def _of_row(self, table: str, path: tuple[str, ...], row: Getter | None) -> Getter | None:
        if path == ("number",):
            return row or (lambda context: context)
        if len(path) == 2 and path[0] == "at" and table in self.at.get(path[1], ()):
            times, event = self.at[path[1]][table], path[1]
            return lambda context: _there(times, context if row is None else row(context), event)
        if len(path) >= 3 and path[0] == "last" and table in self.last.get(path[1], ()):
            return self._of_last(self.last[path[1]][table], path[1], path[2:], row)
        column = self.columns.get(table, {}).get(path[0])
        if column is None:
            return None
        if len(path) > 1:
            other = self.spec.tables[table].columns[path[0]].refers
            if other is None:
                return None
            index = self._of_row(table, path[:1], row)
            return self._of_row(other, path[1:], index)
        if row is None:
            return lambda context: column[context]
        return lambda context: column[row(context)]

    def _of_last(
        self, latest: Mapping[int, Args], event: str, path: tuple[str, ...], row: Getter | None
    ) -> Getter | None:
        """Return what the row's latest event of a kind had in a field, or beyond it."""
        fields = self.spec.events[event].fields
        if path[0] not in fields:
            return None
        place = list(fields).index(path[0])

        def value(context: Any) -> int:
            return _there(latest, context if row is None else row(context), event)[place]

        return value if len(path) == 1 else self._of_row(fields[path[0]], path[1:], value)

    def _row_at(
        self, per: str, fields: Mapping[str, str], places: Mapping[str, int]
    ) -> Getter | None:
        """Return the row that a path like ``slot.node`` leads to from the fields of an event."""
        first, *path = per.split(".")
        if first not in places:
            return None
        place = places[first]

        def row(args: Args) -> int:
            return args[place]

        return self._of_row(fields[first], tuple(path), row) if path else row

    def _general(
        self, path: tuple[str, ...], fields: Mapping[str, str], places: Mapping[str, int]
    ) -> Getter | None:
        match path:
            case ("now",):
                return lambda _: self.now
            case ("count", event) if event in self.counts:
                return lambda _: self.counts[event]
            case ("in_", table, state) if state in self.inside.get(table, ()):
                inside = self.inside[table]
                return lambda _: inside[state]
            case (name,) if name in self.values:
                value = self.values[name]
                return lambda _: value
            case (name,) if name in self.parameters:
                parameter = self.parameters[name]
                return lambda _: parameter
            case (name,) if name in self.gauges:
                amounts, per = self.gauges[name].values, self.spec.gauges[name].per
                if per is None:
                    return lambda _: amounts[0]
                row = self._row_at(per, fields, places)
                return None if row is None else lambda args: amounts[row(args)]
        return None

    def _rule(self, event: str) -> _Rule:
        rule, fields = _Rule(), self.spec.events[event].fields
        for place, (_, table) in enumerate(fields.items()):
            if table == "int":
                continue
            rule.seen.append((place, self.at[event][table], self.last[event][table]))
            cycle = self.spec.lifecycles.get(table)
            if cycle is not None and event in cycle.moves:
                *sources, target = cycle.moves[event]
                states, inside = self.states[table], self.inside[table]
                rule.moves.append(_Move(place, table, states, inside, frozenset(sources), target))
        for name in list(self.gauges):
            self._add_changes(rule, name, event)
        return rule

    def _add_changes(self, rule: _Rule, name: str, event: str) -> None:
        kind, fields = self.spec.gauges[name], self.spec.events[event].fields
        if event not in kind.add and event not in kind.take:
            return
        where, names = f"gauges.{name}", self.of_event(fields)
        places = {field: place for place, field in enumerate(fields)}
        row = None if kind.per is None else self._row_at(kind.per, fields, places)
        if kind.per is not None and row is None:
            raise InputError(f"{where}.per: {kind.per} leads to no row from {event}")
        most = kind.at_most and self.expression(kind.at_most, names, f"{where}.at_most")
        for sign, parts in ((-1, kind.take), (1, kind.add)):
            if event in parts:
                amount = self.expression(parts[event], names, f"{where}.{event}")
                rule.changes.append(_Change(self.gauges[name], row, amount, sign, most or None))


def table_at(spec: SealedSpec, fields: Mapping[str, str], per: str) -> str | None:
    """Return the table of the row that a path leads to from these fields, None if it leads to none.

    ``slot.node`` is the row that the column ``node`` of the field ``slot`` refers to.
    """
    first, *columns = per.split(".")
    table = fields.get(first)
    for name in columns:
        column = spec.tables[table].columns.get(name) if table in spec.tables else None
        table = None if column is None else column.refers
    return None if table == "int" else table


def _there(found_by: Mapping[int, T], row: int, event: str) -> T:
    found = found_by.get(row)
    if found is None:
        raise Missing(event)
    return found
