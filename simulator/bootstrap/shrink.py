"""Makes a scenario in which something goes wrong smaller, as long as it still goes wrong.

Delta debugging: parts of the rows of each table are left out, then the numbers that are left are
brought closer to their lowest. The number of tries is bounded, so the result need not be minimal.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

Fails = Callable[[Any], bool]
"""Runs a scenario and returns whether it still goes wrong."""


def shrink(spec: Any, scenario: Any, fails: Fails, tries: int) -> Any:
    """Return a scenario that fails too and has fewer rows and smaller numbers, if one is found."""
    left = tries

    def attempt(changed: Any) -> bool:
        nonlocal left
        if left <= 0 or changed == found:
            return False
        left -= 1
        return fails(changed)

    found = scenario
    for name in sorted(spec.tables, key=lambda name: -len(found.tables[name])):
        parts = 2
        while left > 0 and (count := len(found.tables[name])) > 0:
            parts = min(parts, count)
            edges = [count * part // parts for part in range(parts + 1)]
            for first, end in pairwise(edges):
                smaller = without_rows(spec, found, name, range(first, end))
                if attempt(smaller):
                    found, parts = smaller, max(2, parts - 1)
                    break
            else:
                if parts == count:
                    break
                parts *= 2
    for change in _smaller_numbers(spec, found):
        while left > 0:
            smaller = change(found)
            if smaller is None or not attempt(smaller):
                break
            found = smaller
    return found


def without_rows(spec: Any, scenario: Any, table: str, gone: Sequence[int]) -> Any:
    """Return the scenario without some rows of a table, and without rows that refer to them."""
    tables = {name: list(rows) for name, rows in scenario.tables.items()}
    waiting = {table: set(gone)}
    while waiting:
        name, numbers = waiting.popitem()
        kept = [number for number in range(len(tables[name])) if number not in numbers]
        moved = {number: place for place, number in enumerate(kept)}
        tables[name] = [tables[name][number] for number in kept]
        for other, place in referring(spec, name):
            lost = {number for number, row in enumerate(tables[other]) if row[place] in numbers}
            if lost:
                waiting[other] = waiting.get(other, set()) | lost
            tables[other] = [
                [*row[:place], moved.get(row[place], 0), *row[place + 1 :]] for row in tables[other]
            ]
    return replace(scenario, tables=tables)


def referring(spec: Any, table: str) -> Iterator[tuple[str, int]]:
    """Yield the columns that hold numbers of rows of a table, as (their table, their place)."""
    for name, declared in spec.tables.items():
        for place, column in enumerate(declared.columns.values()):
            if column.refers == table:
                yield name, place


def _smaller_numbers(spec: Any, scenario: Any) -> list[Callable[[Any], Any]]:
    """Return ways to make one number of a scenario smaller; each returns None when it is done."""
    changes: list[Callable[[Any], Any]] = []
    for name, declared in spec.tables.items():
        if declared.sorted_by:
            key = list(declared.columns).index(declared.sorted_by)
            changes.append(_sorted_change(name, key, declared.columns[declared.sorted_by].low))
        for row in range(len(scenario.tables[name])):
            for place, (key, column) in enumerate(declared.columns.items()):
                if not column.refers and key != declared.sorted_by:
                    changes.append(_cell_change(name, row, place, column.low))
    for name, value in spec.values.items():
        changes.append(_value_change(name, value.low))
    return changes


def _cell_change(table: str, row: int, place: int, low: int) -> Callable[[Any], Any]:
    def smaller(scenario: Any) -> Any:
        rows = scenario.tables[table]
        now = rows[row][place]
        then = _closer(now, low)
        if then == now:
            return None
        changed = [*rows[row][:place], then, *rows[row][place + 1 :]]
        return replace(
            scenario, tables=scenario.tables | {table: [*rows[:row], changed, *rows[row + 1 :]]}
        )

    return smaller


def _sorted_change(table: str, place: int, low: int) -> Callable[[Any], Any]:
    """Bring a whole column closer to its lowest, so that its order stays."""

    def smaller(scenario: Any) -> Any:
        rows = scenario.tables[table]
        changed = [[*row[:place], _closer(row[place], low), *row[place + 1 :]] for row in rows]
        return (
            None
            if changed == rows
            else replace(scenario, tables={**scenario.tables, table: changed})
        )

    return smaller


def _value_change(name: str, low: int) -> Callable[[Any], Any]:
    def smaller(scenario: Any) -> Any:
        now = scenario.values[name]
        then = _closer(now, low)
        return None if then == now else replace(scenario, values=scenario.values | {name: then})

    return smaller


def _closer(now: int, low: int) -> int:
    return low + (now - low) // 2
