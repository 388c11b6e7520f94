"""The improvement curve: every attempt's score in order, the best so far, baselines as lines."""

from flows.history.records import CandidateRow
from flows.report.data import ReportData, Slot, geometric_mean, slot_name, slot_of
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
