"""How the search went: the improvement curve, and which attempt was made from which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flows.history.records import CandidateRow
from flows.names import name_of
from flows.report import charts
from flows.report.compare import ScoreAxis, score_axis
from flows.report.data import ReportData, Slot, geometric_mean, parent_rows, slot_name, slot_of
from flows.report.text import one_line, score_text, short

Table = dict[str, Any]
"""``columns`` and ``rows``: the page's script makes an object of each row."""


def improvement_curve(data: ReportData) -> dict[str, Any]:
    """A chart of the search, empty if no attempt was made."""
    attempts = data.attempts
    if not attempts:
        return {}
    validation = validation_scores(data)
    scores = [row.score for row in data.candidates if row.score is not None]
    axis = _with_room(score_axis([*scores, *validation.values()]))
    number_of = {slot_of(row): number for number, row in enumerate(attempts, start=1)}
    best = _until([(number_of[slot], score) for slot, score in running_best(data)], len(attempts))
    confirmed = _confirmed(data, validation, number_of)
    above, below = _ends(best, confirmed)
    return {
        "spec": charts.improvement(axis.low, axis.high, axis.log),
        "data": {
            "attempts": _table(
                (
                    "number",
                    "score",
                    "kind",
                    "slot",
                    "attempt",
                    "title",
                    "outcome",
                    "standing",
                    "why",
                ),
                [_mark(row, number_of[slot_of(row)], axis.low) for row in attempts],
            ),
            "baselines": _table(
                ("score", "place", "name"),
                [
                    (row.score, baseline_place(index), one_line(row.title, 40))
                    for index, row in enumerate(data.baselines, start=1)
                    if row.score is not None
                ],
            ),
            "names": _table(("score", "words", "place"), _baseline_names(data, axis)),
            "best": _table(("number", "score"), best),
            "confirmed": _table(("number", "score"), confirmed),
            "above": _table(("number", "score", "words", "place"), above),
            "below": _table(("number", "score", "words", "place"), below),
            "validated": _table(
                ("number", "score", "slot", "attempt", "validation score"),
                [
                    (number_of[slot], score, slot_name(slot), slot_name(slot), score_text(score))
                    for slot, score in validation.items()
                ],
            ),
        },
    }


def baseline_place(index: int) -> int:
    """The colour of the baseline of that number, counted from 1."""
    return min(index, charts.COLOURS - 1)


LEGEND = (
    ("improved", "promoted: the best so far"),
    ("tried", "not better on train"),
    ("refused", "better on train, but refused"),
    ("barred", "barred: nothing is made from it"),
    ("stopped", "stopped before all scenarios"),
    ("failed", "failed"),
    ("validated", "its score on validation"),
    ("baselines", "baseline"),
)
"""Each kind of mark in the chart of the search, and what it says."""


def curve_legend(data: ReportData) -> tuple[tuple[str, str], ...]:
    """The marks that are in the chart of the search, each with what it says."""
    kinds = {_kind_of(row) for row in data.attempts}
    kinds |= {"validated"} if validation_scores(data) else set()
    kinds |= {"baselines"} if any(row.score is not None for row in data.baselines) else set()
    return tuple((kind, words) for kind, words in LEGEND if kind in kinds)


LABEL_SHARE = 0.055
"""How much of the height of the chart a line of text takes."""


def _with_room(axis: ScoreAxis) -> ScoreAxis:
    """The axis with room for the name of its highest line."""
    if axis.log:
        return replace(axis, high=axis.high * (axis.high / axis.low) ** LABEL_SHARE)
    return replace(axis, high=axis.high + (axis.high - axis.low) * LABEL_SHARE)


def _baseline_names(data: ReportData, axis: ScoreAxis) -> list[tuple[float, str, int]]:
    """Names with scores beside the lines of baselines; of lines too close, the best one's."""
    rows = [
        (baseline_place(index), row)
        for index, row in enumerate(data.baselines, start=1)
        if row.score is not None
    ]
    rows.sort(key=lambda each: (each[1].title != data.reference, -(each[1].score or 0.0)))
    kept: list[int] = []
    names = []
    for place, row in rows:
        score = row.score or 0.0
        at = axis.percent(score)
        if all(abs(at - other) >= 100 * LABEL_SHARE for other in kept):
            kept.append(at)
            names.append((score, f"{short(row.title, 18)} {score_text(score)}", place))
    return names


def _ends(
    best: list[tuple[int, float]], confirmed: list[tuple[int, float]]
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The names of the lines of the best at their right ends: the upper one's above, the other's
    below."""
    lines = [
        (best, "best on train", charts.TRAIN_PLACE),
        (confirmed, "best on validation", charts.VALIDATION_PLACE),
    ]
    ends = [
        (*line[-1], f"{words} {score_text(line[-1][1])}", place)
        for line, words, place in lines
        if line
    ]
    ends.sort(key=lambda end: -end[1])
    return ends[:1], ends[1:]


def running_best(data: ReportData) -> list[tuple[Slot, float]]:
    """The attempts the search accepted as the best so far, with their scores."""
    accepted = [row for row in data.attempts if row.improved]
    rows = accepted or [row for row in (data.best,) if row is not None and not data.guarded]
    return [(slot_of(row), row.score) for row in rows if row.score is not None]


def validation_scores(data: ReportData) -> dict[Slot, float]:
    """The score on the validation scenarios, for attempts that were tried on all of them."""
    names = [row.scenario for row in data.scenarios if row.split == "validation"]
    scores: dict[Slot, float] = {}
    for row in data.attempts if names else ():
        score = row.validation_score
        if score is None:
            found = [data.scored.get((slot_of(row), name)) for name in names]
            score = geometric_mean(item.score if item else None for item in found)
        if score is not None:
            scores[slot_of(row)] = score
    return scores


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    return {"columns": list(columns), "rows": [list(row) for row in rows]}


def _until(steps: list[tuple[int, float]], end: int) -> list[tuple[int, float]]:
    """The steps of a line that goes on to the last attempt."""
    return [*steps, (end, steps[-1][1])] if steps and steps[-1][0] < end else steps


def _confirmed(
    data: ReportData, scores: Mapping[Slot, float], number_of: Mapping[Slot, int]
) -> list[tuple[int, float]]:
    """The line of the best so far on validation; it begins with the best baseline."""
    if not scores:
        return []
    steps = [(number_of[slot], scores[slot]) for slot, _ in running_best(data) if slot in scores]
    bar = data.best_baseline
    if bar is not None and bar.validation_score is not None:
        steps.insert(0, (1, bar.validation_score))
    return _until(steps, len(data.attempts))


def _mark(row: CandidateRow, number: int, lowest: float) -> tuple[Any, ...]:
    slot = slot_name(slot_of(row))
    return (
        number,
        lowest if row.score is None else max(row.score, lowest),
        _kind_of(row),
        slot,
        f"{slot} {one_line(name_of(row), 40)}",
        one_line(row.title, 80),
        one_line(row.outcome, 30)
        + ("" if row.score is None else f", score {score_text(row.score)}"),
        one_line(row.standing, 20),
        one_line(row.standing_detail, 200),
    )


def _kind_of(row: CandidateRow) -> str:
    """The kind of mark of an attempt."""
    failed = row.outcome != "ok"
    kind = "failed" if failed else "improved" if row.improved else row.standing or "tried"
    return kind if kind in charts.KINDS else "tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One ancestor of the best attempt, or the best attempt itself."""

    slot: str
    name: str
    difference: str
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


def _step(data: ReportData, row: CandidateRow) -> Step:
    parents = parent_rows(data, row)
    before = max((item.score for item in parents if item.score is not None), default=None)
    change = "" if before is None or row.score is None else f"{row.score - before:+.2f}"
    return Step(
        slot=slot_name(slot_of(row)),
        name=one_line(name_of(row), 60),
        difference=one_line(data.differences.get(slot_of(row), "")),
        operator=one_line(row.operator, 40),
        parents=", ".join(slot_name(slot_of(item)) for item in parents),
        score=score_text(row.score),
        change=change,
    )


COLUMN, ROW, MARGIN = 96, 27, 20
"""Pixels of a generation, of a line of descent, and around the tree."""
NAMES = 36
"""What the first column is wider by: baselines are there, with their names."""


def lineage_tree(data: ReportData) -> dict[str, Any]:
    """A chart: generations from left to right, the best attempt's line on top and straight."""
    if not data.attempts:
        return {}
    first_parent = {
        slot_of(row): slot_of(parents[0]) if (parents := parent_rows(data, row)) else None
        for row in data.candidates
    }
    places = place(first_parent, slot_of(data.best) if data.best else None)
    line = {step.slot for step in ancestry(data)}
    columns = max(column for column, _ in places.values()) + 1
    rows = max(row for _, row in places.values()) + 1
    edges = [point for row in data.candidates for point in _edges(data, row, places, line)]
    return {
        "spec": charts.lineage(columns * COLUMN + NAMES + 2 * MARGIN, rows * ROW + MARGIN),
        "data": {
            "edges": _table(("edge", "order", "x", "y", "strong", "second"), edges),
            "nodes": _table(
                ("x", "y", "kind", "label", "slot", "attempt", "title", "outcome", "score"),
                [_node(row, places[slot_of(row)], line) for row in data.candidates],
            ),
        },
    }


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


def _point(place_of: tuple[int, int]) -> tuple[int, int]:
    column, row = place_of
    return MARGIN + column * COLUMN + (NAMES if column else 0), MARGIN + row * ROW


def _edges(
    data: ReportData, row: CandidateRow, places: Mapping[Slot, tuple[int, int]], line: set[str]
) -> list[tuple[Any, ...]]:
    """The points of the lines from the parents: down and then across, for the first of them."""
    x, y = _point(places[slot_of(row)])
    points = []
    for index, parent in enumerate(parent_rows(data, row)):
        from_x, from_y = _point(places[slot_of(parent)])
        strong = slot_name(slot_of(row)) in line and slot_name(slot_of(parent)) in line
        path = [(from_x, from_y), (from_x, y), (x, y)] if index == 0 else [(from_x, from_y), (x, y)]
        name = f"{slot_name(slot_of(row))} {index}"
        points += [(name, order, *point, strong, index > 0) for order, point in enumerate(path)]
    return points


def _node(row: CandidateRow, at: tuple[int, int], line: set[str]) -> tuple[Any, ...]:
    x, y = _point(at)
    slot = slot_name(slot_of(row))
    kind = "baseline" if row.origin == "baseline" else "ok" if row.outcome == "ok" else "failed"
    name = short(row.title, 11) if row.origin == "baseline" else slot
    return (
        x,
        y,
        "line" if slot in line else kind,
        f"{name} · {score_text(row.score)}",
        slot,
        f"{slot} {one_line(name_of(row), 40)}",
        one_line(row.title, 80),
        one_line(row.outcome, 30),
        score_text(row.score),
    )
