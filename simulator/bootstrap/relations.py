"""Relations between runs: how a scenario is changed, and what the log must then be.

Each function returns the changed scenario and what the log of the first run becomes under the same
change. A log is a list of (event, time, fields); fields are row numbers or plain whole numbers.
"""

import operator
import re
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
    spec: Any,
    scenario: Any,
    log: Log,
    moment: int,
    columns: Sequence[str],
    seed: int,
    laws: Sequence[Any] = (),
) -> Any:
    """Change what cannot have shown by a moment: the log up to it must stay as it is.

    These are the rows that no event has revealed yet; hidden numbers of rows that nothing but their
    reveal is known of; and hidden times of rows whose life goes on, which become longer: rows with
    later events, and those whose state is none that lasts. A number that a law or a gauge has read
    at an event so far has shown. ``columns`` bounds the hidden ones; empty means all.
    """
    rng = Random(f"disguise/{seed}")
    tables = dict(scenario.tables)
    so_far = [event for event in log if event[1] <= moment]
    read = _read(spec, scenario, so_far, laws)
    for name, declared in spec.tables.items():
        events = _events_of(spec, name, so_far)
        later = _events_of(spec, name, [event for event in log if event[1] > moment])
        wanted = {
            key
            for key, column in declared.columns.items()
            if column.hidden and (not columns or f"{name}.{key}" in columns)
        }
        tables[name] = []
        for number, row in enumerate(scenario.tables[name]):
            own = events.get(number, [])
            may_change = set(declared.columns)
            if declared.revealed_by is None or own:
                may_change = {key for key in wanted if (name, number, key) not in read}
                if own != [declared.revealed_by]:
                    goes_on = number in later or _goes_on(spec.lifecycles.get(name), own)
                    times = {k for k in may_change if declared.columns[k].unit == TIME}
                    may_change = times if goes_on else set()
            tables[name].append(_other_row(declared, row, may_change, rng))
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


def _other_row(declared: Any, row: Sequence[int], may_change: set[str], rng: Random) -> list[int]:
    """Return a row with other numbers in these columns, times longer."""
    changed = []
    for (name, column), value in zip(declared.columns.items(), row, strict=True):
        if column.refers or name == declared.sorted_by or name not in may_change:
            changed.append(value)
        elif column.unit == TIME:
            changed.append(min(column.high, value + rng.randrange(1, max(2, value + 2))))
        else:
            changed.append(
                rng.randint(column.low, min(column.high, 2 * max(value, column.low) + 1))
            )
    return changed


def _events_of(spec: Any, table: str, log: Log) -> dict[int, list[str]]:
    """Return the kinds of events that name each row of a table, in their order."""
    places = {
        name: [place for place, kind in enumerate(event.fields.values()) if kind == table]
        for name, event in spec.events.items()
    }
    found: dict[int, list[str]] = {}
    for name, _, fields in log:
        for place in places[name]:
            found.setdefault(fields[place], []).append(name)
    return found


def _goes_on(cycle: Any, events: Sequence[str]) -> bool:
    """Return whether a row is in a state that something leads out of, after these events."""
    if cycle is None:
        return False
    state = cycle.begin
    for event in events:
        if event in cycle.moves:
            state = cycle.moves[event][-1]
    return any(state in sources for *sources, _ in cycle.moves.values())


def _read(spec: Any, scenario: Any, log: Log, laws: Sequence[Any]) -> set[tuple[str, int, str]]:
    """Return what laws and gauges have read of tables at these events: table, row, column."""
    texts: dict[str, list[str]] = {name: [] for name in spec.events}
    for law in laws:
        for key in ("time", "where", "condition"):
            if getattr(law, key, None) and getattr(law, "event", None):
                texts[law.event].append(getattr(law, key))
    for kind in spec.decisions.values():
        if kind.needs and kind.causes:
            texts[kind.causes].append(kind.needs)
    for gauge in spec.gauges.values():
        for event, amount in (*gauge.add.items(), *gauge.take.items()):
            texts[event] += [amount, gauge.at_most or "", f"{gauge.per}.row" if gauge.per else ""]
    paths = {name: _paths(spec, name, " ".join(found)) for name, found in texts.items()}
    read = set()
    for name, _, fields in log:
        for place, table, columns in paths[name]:
            row, at = fields[place], table
            for column in columns:
                read.add((at, row, column))
                declared = spec.tables[at].columns
                if declared[column].refers is None:
                    break
                row = scenario.tables[at][row][list(declared).index(column)]
                at = declared[column].refers
    return read


def _paths(spec: Any, event: str, text: str) -> list[tuple[int, str, list[str]]]:
    """Return the paths to columns in expressions about an event: place, table, columns."""
    found = []
    fields = spec.events[event].fields
    for path in sorted(set(re.findall(r"[a-z_]\w*(?:\.\w+)+", text))):
        first, *names = path.split(".")
        table, columns = fields.get(first, "int"), list[str]()
        at = table
        for name in names:
            column = spec.tables[at].columns.get(name) if at in spec.tables else None
            if column is None:
                break
            columns.append(name)
            at = column.refers
        if columns:
            found.append((list(fields).index(first), table, columns))
    return found


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
