"""Lineage: which attempt was made from which, as a tree, and how the best one came about."""

from collections.abc import Mapping
from dataclasses import dataclass

from flows.history.records import CandidateRow
from flows.report.data import ReportData, Slot, slot_name, slot_of
from flows.report.svg import element, picture, text, tooltip
from flows.report.text import one_line, score_text, short

COLUMN, ROW, MARGIN = 96, 27, 20
NAMES = 36
"""What the first column is wider by: baselines are there, with their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One ancestor of the best attempt, or the best attempt itself."""

    slot: str
    title: str
    operator: str
    parents: str
    score: str
    change: str


def ancestry(data: ReportData) -> tuple[Step, ...]:
    """The best attempt and all its ancestors in the order in which they were made."""
    if data.best is None:
        return ()
    found: dict[Slot, CandidateRow] = {}
    waiting = [data.best]
    while waiting:
        row = waiting.pop()
        if slot_of(row) not in found:
            found[slot_of(row)] = row
            waiting += parent_rows(data, row)
    return tuple(_step(data, found[slot]) for slot in sorted(found))


def parent_rows(data: ReportData, row: CandidateRow) -> list[CandidateRow]:
    """The attempts that a candidate was made from; only earlier ones, so there is no circle."""
    found = [data.by_candidate.get(parent) for parent in row.parents]
    return [item for item in found if item is not None and slot_of(item) < slot_of(row)]


def _step(data: ReportData, row: CandidateRow) -> Step:
    parents = parent_rows(data, row)
    before = max((item.score for item in parents if item.score is not None), default=None)
    change = "" if before is None or row.score is None else f"{row.score - before:+.2f}"
    return Step(
        slot=slot_name(slot_of(row)),
        title=one_line(row.title, 100),
        operator=one_line(row.operator, 40),
        parents=", ".join(slot_name(slot_of(item)) for item in parents),
        score=score_text(row.score),
        change=change,
    )


def lineage_tree(data: ReportData) -> str:
    """A drawing: generations from left to right, the best attempt's line on top and straight."""
    if not data.attempts:
        return ""
    first_parent = {
        slot_of(row): slot_of(parents[0]) if (parents := parent_rows(data, row)) else None
        for row in data.candidates
    }
    places = place(first_parent, slot_of(data.best) if data.best else None)
    line = {step.slot for step in ancestry(data)}
    parts = [_edges(data, row, places, line) for row in data.candidates]
    parts += [_node(row, places[slot_of(row)], line) for row in data.candidates]
    columns = max(column for column, _ in places.values()) + 1
    rows = max(row for _, row in places.values()) + 1
    return picture(
        columns * COLUMN + NAMES + 2 * MARGIN,
        rows * ROW + MARGIN,
        parts,
        label="Which attempt was made from which",
        class_="chart tree",
    )


def place(parent_of: Mapping[Slot, Slot | None], best: Slot | None) -> dict[Slot, tuple[int, int]]:
    """(column, row) of each attempt: a first child stays on its parent's row, others do not."""
    children: dict[Slot | None, list[Slot]] = {}
    for slot in sorted(parent_of):
        children.setdefault(parent_of[slot], []).append(slot)
    favoured = set()
    walk = best
    while walk is not None:
        favoured.add(walk)
        walk = parent_of[walk]
    places: dict[Slot, tuple[int, int]] = {}
    next_row = 0
    roots = _last_first(children.get(None, []), favoured)
    todo: list[tuple[Slot, int, int | None]] = [(slot, 0, None) for slot in roots]
    while todo:
        slot, column, row = todo.pop()
        if row is None:
            row, next_row = next_row, next_row + 1
        places[slot] = (column, row)
        below = _last_first(children.get(slot, []), favoured)
        todo += [(child, column + 1, None) for child in below[:-1]]
        todo += [(child, column + 1, row) for child in below[-1:]]
    return places


def _last_first(slots: list[Slot], favoured: set[Slot]) -> list[Slot]:
    return sorted(slots, key=lambda slot: (slot not in favoured, slot), reverse=True)


def _point(place_of: tuple[int, int]) -> tuple[float, float]:
    column, row = place_of
    return MARGIN + column * COLUMN + (NAMES if column else 0), MARGIN + row * ROW


def _edges(
    data: ReportData, row: CandidateRow, places: Mapping[Slot, tuple[int, int]], line: set[str]
) -> str:
    x, y = _point(places[slot_of(row)])
    parts = []
    for index, parent in enumerate(parent_rows(data, row)):
        from_x, from_y = _point(places[slot_of(parent)])
        on_line = slot_name(slot_of(row)) in line and slot_name(slot_of(parent)) in line
        kind = ("edge" if index == 0 else "edge second") + (" strong" if on_line else "")
        bend = x - COLUMN * 0.4
        path = f"M{from_x:.0f} {from_y:.0f}"
        if from_y != y and index == 0:
            path += f"V{y - 6:.0f}q0 6 6 6H{x:.0f}"
        else:
            path += f"C{bend:.0f} {from_y:.0f} {bend:.0f} {y:.0f} {x:.0f} {y:.0f}"
        parts.append(element("path", d=path, class_=kind))
    return "".join(parts)


def _node(row: CandidateRow, at: tuple[int, int], line: set[str]) -> str:
    x, y = _point(at)
    slot = slot_name(slot_of(row))
    kind = "baseline" if row.origin == "baseline" else "ok" if row.outcome == "ok" else "failed"
    if slot in line:
        kind += " strong"
    name = short(row.title, 11) if row.origin == "baseline" else slot
    words = f"{slot} {one_line(row.title, 80)}: {row.outcome}, score {score_text(row.score)}"
    return element(
        "g",
        tooltip(words)
        + element("circle", cx=x, cy=y, r=5)
        + text(x + 4, y - 8, f"{name} · {score_text(row.score)}", class_="node-label"),
        class_=f"node {kind}",
        data_open=slot,
    )
