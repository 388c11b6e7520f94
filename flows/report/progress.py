"""How the search went: the improvement curve, and which attempt was made from which."""

from collections.abc import Mapping
from dataclasses import dataclass

from flows.history.records import CandidateRow
from flows.report.data import ReportData, Slot, geometric_mean, parent_rows, slot_name, slot_of
from flows.report.svg import (
    Scale,
    element,
    line_path,
    picture,
    score_scale,
    spread_labels,
    step_path,
    text,
    tooltip,
    x_axis,
    y_axis,
)
from flows.report.text import one_line, score_text, short

KINDS = ("failed", "improved", "refused", "barred")
WIDTH, HEIGHT = 960, 340
LEFT, RIGHT, TOP, BOTTOM = 44, 800, 16, 290


def improvement_curve(data: ReportData) -> str:
    """A drawing of the search, or nothing if no attempt was made."""
    attempts = data.attempts
    if not attempts:
        return ""
    validation = validation_scores(data)
    best = running_best(data)
    scale = score_scale(
        [score for row in data.candidates if (score := row.score) is not None]
        + list(validation.values()),
        BOTTOM,
        TOP,
    )
    across = Scale(low=1, high=max(2, len(attempts)), start=LEFT + 12, end=RIGHT - 12)
    places = {slot_of(row): across(index) for index, row in enumerate(attempts, start=1)}
    parts = [
        y_axis(scale, LEFT, RIGHT, 7),
        x_axis(across, BOTTOM + 14, about=min(10, max(1, len(attempts) - 1))),
        text((LEFT + RIGHT) / 2, HEIGHT - 2, "attempt", class_="tick middle"),
        _baseline_lines(data, scale),
        *(_mark(row, places[slot_of(row)], scale) for row in attempts),
    ]
    if best:
        path = [(places[slot], scale(score)) for slot, score in best]
        path.append((across(len(attempts)), path[-1][1]))
        parts.append(element("path", d=step_path(path), class_="line p0 strong"))
    parts += _validation_line(data, validation, places, scale)
    label = "Score of each attempt in order, with the best so far and the baselines"
    return picture(WIDTH, HEIGHT, parts, label=label, class_="chart wide")


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


def _validation_line(
    data: ReportData, scores: dict[Slot, float], places: dict[Slot, float], scale: Scale
) -> list[str]:
    """A dot for whatever was tried on validation; the line is that of the best so far."""
    if not scores:
        return []
    bar = data.best_baseline
    start = bar.validation_score if bar is not None else None
    steps = [
        (places[slot], scale(scores[slot])) for slot, _ in running_best(data) if slot in scores
    ]
    if start is not None:
        steps.insert(0, (float(LEFT), scale(start)))
    parts = []
    if steps:
        path = step_path([*steps, (RIGHT - 12.0, steps[-1][1])])
        parts.append(element("path", d=path, class_="line validation"))
    for slot, score in scores.items():
        words = f"{slot_name(slot)} on validation: score {score_text(score)}"
        shape = element("circle", tooltip(words), cx=places[slot], cy=scale(score), r=3)
        parts.append(element("g", shape, class_="dot-validation", data_open=slot_name(slot)))
    return parts


def _baseline_lines(data: ReportData, scale: Scale) -> str:
    known = [
        (index, row, scale(row.score))
        for index, row in enumerate(data.baselines, start=1)
        if row.score is not None
    ]
    labels = spread_labels([y for _, _, y in known], 15)
    overshoot = max(0.0, max(labels, default=0.0) - (BOTTOM + 20))
    parts = []
    for (index, row, y), label_y in zip(known, labels, strict=True):
        colour = f"p{min(index, 7)}"
        name = f"{short(row.title, 14)} {score_text(row.score)}"
        parts.append(
            element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_=f"line {colour} dashed")
            + element(
                "path",
                d=line_path([(RIGHT, y), (RIGHT + 14, label_y - overshoot)]),
                class_=f"line {colour} thin",
            )
            + text(RIGHT + 18, label_y - overshoot + 4, name, class_=f"label {colour}")
        )
    return "".join(parts)


def _mark(row: CandidateRow, x: float, scale: Scale) -> str:
    failed = row.outcome != "ok"
    y = BOTTOM + 4 if row.score is None else scale(row.score)
    kind = "failed" if failed else "improved" if row.improved else row.standing or "tried"
    words = f"{slot_name(slot_of(row))} {one_line(row.title, 80)}: {row.outcome}"
    if row.score is not None:
        words += f", score {score_text(row.score)}"
    if row.standing:
        words += f", {one_line(row.standing, 20)}: {one_line(row.standing_detail, 200)}"
    shape = (
        element("path", d=f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8", class_="cross")
        if failed
        else element("circle", cx=x, cy=y, r=5 if row.improved else 3.5)
    )
    hit = element("circle", cx=x, cy=y, r=9, class_="hit")
    return element(
        "g",
        tooltip(words) + shape + hit,
        class_=f"mark {kind if kind in KINDS else 'tried'}",
        data_open=slot_name(slot_of(row)),
    )


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
