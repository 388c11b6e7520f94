"""Relations between runs: how a scenario is changed, and what the log must then be.

Each function returns the changed scenario and what the log of the first run becomes under the same
change. A log is a list of (event, time, fields); fields are row numbers or plain whole numbers.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from simulator.bootstrap.shrink import referring
from simulator.errors import InputError

Event = tuple[str, int, tuple[int, ...]]
Log = Sequence[Event]
Change = Callable[[Log], list[Event]]
TIME = "us"


def scaled(spec: Any, scenario: Any, factor: int) -> tuple[Any, Change]:
    """Make all that is measured in us ``factor`` times as long; all times are as much later."""
    values = {
        name: _within(
            value * factor if spec.values[name].unit == TIME else value, spec.values[name], name
        )
        for name, value in scenario.values.items()
    }
    parameters = {
        name: value * factor if spec.parameters[name].unit == TIME else value
        for name, value in scenario.parameters.items()
    }
    tables = {
        name: [
            [
                cell * factor if column.unit == TIME else cell
                for cell, column in zip(row, spec.tables[name].columns.values(), strict=True)
            ]
            for row in rows
        ]
        for name, rows in scenario.tables.items()
    }
    changed = replace(scenario, values=values, parameters=parameters, tables=tables)
    times = {
        name: [factor if field in kind.times else 1 for field in kind.fields]
        for name, kind in spec.events.items()
    }

    def later(log: Log) -> list[Event]:
        return [
            (event, time * factor, tuple(map(operator.mul, fields, times[event])))
            for event, time, fields in log
        ]

    return changed, later


def shifted(spec: Any, scenario: Any, by: int, columns: Sequence[str]) -> tuple[Any, Change]:
    """Let everything begin ``by`` us later: the columns that hold moments, and the horizon."""
    tables = {name: [list(row) for row in rows] for name, rows in scenario.tables.items()}
    for table, place in _moments(spec, columns):
        for row in tables[table]:
            row[place] += by
    values = scenario.values | {"horizon": scenario.values["horizon"] + by}
    changed = replace(scenario, values=values, tables=tables)
    return changed, lambda log: [(event, time + by, fields) for event, time, fields in log]


def relabelled(spec: Any, scenario: Any, table: str, seed: int) -> tuple[Any, Change]:
    """Give the rows of a table other numbers. Of a sorted table, only equal rows change places."""
    rows = scenario.tables[table]
    order = list(range(len(rows)))  # the old number of each new row
    Random(f"relabel/{seed}").shuffle(order)
    key = spec.tables[table].sorted_by
    if key:
        place = list(spec.tables[table].columns).index(key)
        order.sort(key=lambda number: rows[number][place])
    number = {old: new for new, old in enumerate(order)}
    tables = dict(scenario.tables)
    tables[table] = [rows[old] for old in order]
    for other, place in referring(spec, table):
        tables[other] = [
            [*row[:place], number[row[place]], *row[place + 1 :]] for row in tables[other]
        ]
    return replace(scenario, tables=tables), _renumbered(spec, {table: number})


def duplicated(
    spec: Any, scenario: Any, tables: Sequence[str], values: Sequence[str]
) -> tuple[Any, list[tuple[Change, Callable[[Event], bool]]]]:
    """Put two copies side by side that share nothing; return how the log of each one looks.

    For each copy: how the first log is renumbered, and which events of the second log are its own.
    """
    changed = dict(scenario.tables)
    orders: dict[str, list[tuple[int, int]]] = {}  # (copy, old number) of each new row
    for table in tables:
        rows = scenario.tables[table]
        order = [(copy, old) for copy in (0, 1) for old in range(len(rows))]
        key = spec.tables[table].sorted_by
        if key:
            place = list(spec.tables[table].columns).index(key)
            order.sort(key=lambda pair: rows[pair[1]][place])
        orders[table] = order
        changed[table] = [list(rows[old]) for _, old in order]
    numbers = {
        table: {pair: new for new, pair in enumerate(order)} for table, order in orders.items()
    }
    for table in tables:
        for other, place in referring(spec, table):
            if other not in orders:
                raise InputError(f"duplicate: {other} refers to {table}, so name both under tables")
            for (copy, old), row in zip(orders[other], changed[other], strict=True):
                row[place] = numbers[table][copy, scenario.tables[other][old][place]]
    doubled = scenario.values | {name: 2 * scenario.values[name] for name in values}
    halves = []
    for copy in (0, 1):
        own = {
            table: {old: new for (which, old), new in known.items() if which == copy}
            for table, known in numbers.items()
        }
        halves.append((_renumbered(spec, own), _mentions(spec, own)))
    return replace(scenario, values=doubled, tables=changed), halves


def disguised(
    spec: Any, scenario: Any, log: Log, moment: int, columns: Sequence[str], seed: int
) -> Any:
    """Change what cannot have shown by a moment: the log up to it must stay as it is.

    These are the rows that no event has revealed yet, and hidden times of rows with later events,
    which become longer. ``columns`` bounds the latter; empty means all.
    """
    rng = Random(f"disguise/{seed}")
    tables = dict(scenario.tables)
    for name, declared in spec.tables.items():
        seen = _rows_with(spec, name, log, lambda time: time <= moment)
        later = _rows_with(spec, name, log, lambda time: time > moment)
        tables[name] = [
            _other_row(declared, name, row, number in seen, number in later, columns, rng)
            for number, row in enumerate(scenario.tables[name])
        ]
    return replace(scenario, tables=tables)


def sorted_log(log: Log) -> list[Event]:
    """Return a log in which events of one moment have one order, whatever numbers rows have."""
    return sorted(log, key=lambda event: (event[1], event[0], event[2]))


def first_difference(log: Log, other: Log) -> tuple[Event | None, Event | None] | None:
    """Return the first events that differ, None for the end of a log; None where none differ."""
    for place in range(max(len(log), len(other))):
        one = log[place] if place < len(log) else None
        two = other[place] if place < len(other) else None
        if one != two:
            return one, two
    return None


def _other_row(
    declared: Any,
    table: str,
    row: Sequence[int],
    seen: bool,
    later: bool,
    columns: Sequence[str],
    rng: Random,
) -> list[int]:
    """Return a row with other numbers where nothing of them can have shown."""
    unknown = declared.revealed_by is not None and not seen
    changed = []
    for (name, column), value in zip(declared.columns.items(), row, strict=True):
        hidden_time = column.hidden and column.unit == TIME and later
        wanted = not columns or f"{table}.{name}" in columns
        if column.refers or name == declared.sorted_by or not (unknown or (hidden_time and wanted)):
            changed.append(value)
        elif column.unit == TIME:
            changed.append(min(column.high, value + rng.randrange(1, max(2, value + 2))))
        else:
            changed.append(
                rng.randint(column.low, min(column.high, 2 * max(value, column.low) + 1))
            )
    return changed


def _rows_with(spec: Any, table: str, log: Log, when: Callable[[int], bool]) -> set[int]:
    """Return the rows of a table that events at such times name."""
    places = {
        name: [place for place, kind in enumerate(event.fields.values()) if kind == table]
        for name, event in spec.events.items()
    }
    return {fields[place] for name, time, fields in log if when(time) for place in places[name]}


def _moments(spec: Any, columns: Sequence[str]) -> list[tuple[str, int]]:
    wanted = columns or [
        f"{name}.{table.sorted_by}" for name, table in spec.tables.items() if table.sorted_by
    ]
    found = []
    for text in wanted:
        table, _, column = text.partition(".")
        if table not in spec.tables or column not in spec.tables[table].columns:
            raise InputError(f"shift: there is no column {text}, expected TABLE.COLUMN")
        found.append((table, list(spec.tables[table].columns).index(column)))
    return found


def _renumbered(spec: Any, numbers: Mapping[str, Mapping[int, int]]) -> Change:
    """Return what a log becomes when rows of these tables have other numbers."""
    kinds = {name: list(event.fields.values()) for name, event in spec.events.items()}

    def renumber(log: Log) -> list[Event]:
        return [
            (
                name,
                time,
                tuple(
                    numbers[kind][value] if kind in numbers else value
                    for kind, value in zip(kinds[name], fields, strict=True)
                ),
            )
            for name, time, fields in log
        ]

    return renumber


def _mentions(spec: Any, numbers: Mapping[str, Mapping[int, int]]) -> Callable[[Event], bool]:
    """Return whether an event names rows of one copy, by their new numbers."""
    own = {table: set(known.values()) for table, known in numbers.items()}
    kinds = {name: list(event.fields.values()) for name, event in spec.events.items()}

    def mentions(event: Event) -> bool:
        name, _, fields = event
        return any(
            kind in own and value in own[kind]
            for kind, value in zip(kinds[name], fields, strict=True)
        )

    return mentions


def _within(value: int, declared: Any, name: str) -> int:
    if value > declared.high:
        raise InputError(f"{name} would be {value}, above its high of {declared.high}")
    return int(value)
