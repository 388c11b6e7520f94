"""The best attempt beside the baselines: scores, the domain's figures, its classes, its tables."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.history.records import CandidateRow, EvaluationRow, ScenarioRow
from flows.judging.splits import groups_of
from flows.report.data import ReportData, geometric_mean, slot_name, slot_of
from flows.report.text import heading, number, one_line, score_text, short
from simulator.domain_spec import Classes, Listing, Metric, figure

MAX_BASELINES = 6
MAX_LISTED = 3
"""Rows of a policy in a table that a run lists itself."""
LOG_FROM_RATIO = 6.0
"""An axis of scores is logarithmic when its largest value is this many times its smallest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A policy in the comparison; its ``place`` is its colour in every drawing."""

    name: str
    place: int
    row: CandidateRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a table of figures; ``leaders`` are the cells that are best."""

    label: str
    note: str
    cells: tuple[str, ...]
    leaders: tuple[int, ...] = ()
    marks: tuple[tuple[int, int], ...] = ()
    """What is drawn beside the cells: (place of the contender, per cent from the left)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A table of the domain; its rows begin with their label."""

    title: str
    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def contenders(data: ReportData) -> tuple[Contender, ...]:
    """The best attempt first, then the baselines; no two have the same name."""
    found = []
    if data.best is not None:
        name = "best found" if data.best.improved else "best tried"
        found.append(Contender(name=name, place=0, row=data.best))
    shown = list(data.baselines[:MAX_BASELINES])
    if data.best_baseline is not None and data.best_baseline not in shown:
        shown[-1] = data.best_baseline
    names = {rival.name for rival in found}
    for place, row in enumerate(shown, start=1):
        name = short(row.title, 18)
        name = f"{name} {slot_name(slot_of(row))}" if name in names else name
        names.add(name)
        found.append(Contender(name=name, place=place, row=row))
    return tuple(found)


def duel(data: ReportData, rivals: Sequence[Contender]) -> tuple[Contender, ...]:
    """The best attempt and the best baseline."""
    shown = [row for row in (data.best, data.best_baseline) if row is not None]
    return tuple(rival for rival in rivals if any(rival.row is row for row in shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAxis:
    """Where scores lie between the smallest and the largest, by their logarithm if far apart."""

    low: float
    high: float
    log: bool

    def percent(self, score: float) -> int:
        """How far from the left a score is drawn, in per cent."""
        low, high, value = (
            math.log(max(each, 1e-9)) if self.log else each
            for each in (self.low, self.high, min(max(score, self.low), self.high))
        )
        return round(100 * (value - low) / (high - low))


def score_axis(scores: Iterable[float]) -> ScoreAxis:
    """Return an axis on which all of these scores can be drawn."""
    positive = [score for score in scores if score > 0] or [1.0]
    low, high = min(positive), max(positive)
    if high / low >= LOG_FROM_RATIO:
        return ScoreAxis(low=low / 1.1, high=high * 1.1, log=True)
    margin = max((high - low) * 0.08, 0.02)
    return ScoreAxis(low=max(0.0, low - margin), high=high + margin, log=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """Scores by scenario; ``one`` is where a score of 1 is drawn, in per cent from the left."""

    lines: tuple[Line, ...]
    one: int


def scenario_scores(data: ReportData, rivals: Sequence[Contender]) -> ScoreTable:
    """One line per scenario, and one per split for the geometric mean."""
    scores = {
        scenario.scenario: [_score(data, rival, scenario) for rival in rivals]
        for scenario in data.scenarios
    }
    flat = [score for row in scores.values() for score in row if score is not None]
    axis = score_axis([*flat, 1.0])
    lines = []
    for split in dict.fromkeys(row.split for row in data.scenarios):
        members = [row for row in data.scenarios if row.split == split]
        shown = [row for row in members if any(s is not None for s in scores[row.scenario])]
        lines += [
            _score_line(
                row.scenario, f"{row.family} · {row.split}", scores[row.scenario], rivals, axis
            )
            for row in shown
        ]
        if len(shown) > 1:
            columns = zip(*(scores[row.scenario] for row in shown), strict=True)
            means = [geometric_mean(column) for column in columns]
            label = f"all {len(shown)} {split} scenarios"
            lines.append(_score_line(label, "geometric mean", means, rivals, axis))
            lines += _group_lines(data, shown, scores, rivals, axis)
    return ScoreTable(lines=tuple(lines), one=axis.percent(1.0))


def _group_lines(
    data: ReportData,
    shown: Sequence[ScenarioRow],
    scores: Mapping[str, Sequence[float | None]],
    rivals: Sequence[Contender],
    axis: ScoreAxis,
) -> list[Line]:
    """One line for each group of scenarios in which a candidate has to be better, if any."""
    settings = {row.scenario: row.params for row in shown}
    lines = []
    for label, names in groups_of(settings, data.spec.groups).items():
        columns = zip(*(scores[name] for name in names), strict=True)
        means = [geometric_mean(column) for column in columns]
        note = f"geometric mean of {len(names)}"
        lines.append(_score_line(f"{label}, {shown[0].split}", note, means, rivals, axis))
    return lines


def figure_lines(data: ReportData, rivals: Sequence[Contender]) -> tuple[Line, ...]:
    """The domain's metrics over the scenarios that all were tried on.

    A figure that a policy lacks on one of them is a dash.
    """
    shared = data.shared([rival.row for rival in rivals])
    names = [row.scenario for row in shared if measured(data, rivals, row.scenario)]
    guards = data.objective.guards if data.objective is not None else []
    lines = []
    for metric in data.spec.metrics:
        values = [_together(data, rival, names, metric) for rival in rivals]
        if any(value is not None for value in values):
            notes = (f"{metric.over} over scenarios" * (len(names) > 1), "guard")
            shown = notes if metric.key in guards else notes[:1]
            cells = tuple(number(value) for value in values)
            lines.append(
                Line(
                    label=one_line(in_unit(metric.label, metric.unit)),
                    note=" · ".join(filter(None, shown)),
                    cells=cells,
                    leaders=_leaders(values, cells, metric.better),
                )
            )
    return tuple(lines)


def listed(data: ReportData, rivals: Sequence[Contender]) -> tuple[Listed, ...]:
    """What the runs list themselves, all scenarios together: the largest rows of each policy."""
    tables = (_listed(data, rivals, listing) for listing in data.spec.listings)
    return tuple(table for table in tables if table.rows)


def published_tables(data: ReportData, rivals: Sequence[Contender]) -> tuple[Listed, ...]:
    """What was published about the suite beside these policies, if the domain knows of anything."""
    find = data.domain.hosted("published") if data.domain is not None else None
    published = find(data.experiment.suite) if find is not None else None
    if published is None:
        return ()
    runs = {rival.name: runs_of(data, rival.row) for rival in rivals}
    table = published.table(runs)
    if not table["rows"]:
        return ()
    return (
        Listed(
            title=heading(table["title"]),
            text=one_line(table["text"]),
            columns=tuple(one_line(name, 60) for name in table["columns"]),
            rows=tuple(tuple(one_line(cell, 200) for cell in row) for row in table["rows"]),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """A policy's figures of one class, or why there are none."""

    place: int
    key: str
    values: tuple[float | None, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChoice:
    """The figures by class on one scenario, or on all scenarios of a split."""

    name: str
    rows: tuple[ClassRow, ...]


def class_choices(data: ReportData, rivals: Sequence[Contender]) -> tuple[ClassChoice, ...]:
    """The table by class: each split as a whole if its classes are the same, then each scenario."""
    classes = data.spec.classes
    if classes is None:
        return ()
    known = [row for row in data.scenarios if measured(data, rivals, row.scenario)]
    shared = {row.scenario for row in data.shared([rival.row for rival in rivals])}
    choices: list[tuple[str, list[str]]] = []
    for split in dict.fromkeys(row.split for row in known) if classes.rows else ():
        names = [row.scenario for row in known if row.split == split and row.scenario in shared]
        if len(names) > 1:
            choices.append((f"all {len(names)} {split} scenarios", names))
    drawn = {row.scenario for row in data.drawn}
    choices += [(row.scenario, [row.scenario]) for row in known if row.scenario in drawn]
    found = (
        ClassChoice(name=one_line(name, 60), rows=_class_rows(data, rivals, classes, chosen))
        for name, chosen in choices
    )
    return tuple(choice for choice in found if choice.rows)


def drawn_columns(classes: Classes) -> list[str]:
    """The columns of the drawing: that of the bar, and perhaps that of the mark."""
    usual = [name for name in classes.columns if name not in classes.counts][:1]
    return classes.drawn[:2] or usual or classes.columns[:1]


def class_label(data: ReportData, key: object) -> str:
    """Return what a class is called: by its key, or by its place among the rows of the table."""
    rows = data.spec.classes.rows if data.spec.classes else []
    if isinstance(key, int) and 0 < key <= len(rows):
        return rows[key - 1].label
    return next((row.label for row in rows if row.key == key), str(key))


def metrics_of(data: ReportData, rival: Contender, scenario: str) -> dict[str, Any]:
    """What was measured; empty if the policy failed there or was not tried."""
    found: EvaluationRow | None = data.scored.get((slot_of(rival.row), scenario))
    return (found.metrics if found else None) or {}


def measured(data: ReportData, rivals: Sequence[Contender], scenario: str) -> bool:
    """Whether any of the policies has figures on the scenario."""
    return any(metrics_of(data, rival, scenario) for rival in rivals)


def in_unit(label: str, unit: str) -> str:
    """Return a label with its unit, if it has one."""
    return f"{label}, {unit}" if unit else label


def _score(data: ReportData, rival: Contender, scenario: ScenarioRow) -> float | None:
    found = data.scored.get((slot_of(rival.row), scenario.scenario))
    return found.score if found else None


def _score_line(
    label: str,
    note: str,
    scores: Sequence[float | None],
    rivals: Sequence[Contender],
    axis: ScoreAxis,
) -> Line:
    marks = [
        (rival.place, axis.percent(score))
        for rival, score in zip(rivals, scores, strict=True)
        if score is not None
    ]
    cells = tuple(score_text(score) for score in scores)
    return Line(
        label=one_line(label, 80),
        note=one_line(note, 80),
        cells=cells,
        leaders=_leaders(scores, cells, "more"),
        marks=tuple(reversed(marks)),
    )


def _leaders(values: Sequence[float | None], cells: Sequence[str], better: str) -> tuple[int, ...]:
    """Return the places of the best value and of all that read the same; none if all do."""
    known = [(value, place) for place, value in enumerate(values) if value is not None]
    if not better or len({cells[place] for _, place in known}) < 2:
        return ()
    pick = max if better == "more" else min
    _, best = pick(known, key=lambda item: item[0])
    return tuple(place for _, place in known if cells[place] == cells[best])


def _together(
    data: ReportData, rival: Contender, scenarios: Sequence[str], metric: Metric
) -> float | None:
    values = [_value(data, rival, name, metric.key) for name in scenarios]
    numbers = [value for value in values if isinstance(value, int | float)]
    if not numbers or len(numbers) != len(values):
        return None
    match metric.over:
        case "sum":
            return math.fsum(numbers)
        case "max":
            return max(numbers)
        case "mean":
            return math.fsum(numbers) / len(numbers)


def _value(data: ReportData, rival: Contender, scenario: str, path: str) -> Any:
    row = data.scored.get((slot_of(rival.row), scenario))
    return figure(path, row.metrics, row.stats) if row else None


def _listed(data: ReportData, rivals: Sequence[Contender], listing: Listing) -> Listed:
    rows = []
    for rival in rivals:
        sums: Counter[tuple[Any, ...]] = Counter()
        for scenario in data.scenarios:
            found = _value(data, rival, scenario.scenario, listing.figure) or []
            for *names, amount in found:
                sums[tuple(names)] += amount
        rows += [
            (rival.name, *(_cell(each) for each in (*names, amount)))
            for names, amount in sums.most_common(MAX_LISTED)
        ]
    return Listed(
        title=heading(listing.label),
        text="",
        columns=tuple(one_line(name, 60) for name in listing.columns),
        rows=tuple(rows),
    )


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else one_line(str(value), 60)


def runs_of(data: ReportData, policy: CandidateRow) -> list[EvaluationRow]:
    """The scored evaluations of a policy, in the order of the scenarios."""
    rows = (data.scored.get((slot_of(policy), row.scenario)) for row in data.scenarios)
    return [row for row in rows if row is not None]


def _class_rows(
    data: ReportData, rivals: Sequence[Contender], classes: Classes, scenarios: Sequence[str]
) -> tuple[ClassRow, ...]:
    """A policy without figures on one of the scenarios has none over all of them: an average over
    the rest would flatter it."""
    tables = {
        rival.place: [_value(data, rival, name, classes.figure) for name in scenarios]
        for rival in rivals
    }
    keys = [row.key for row in classes.rows] or sorted(
        {str(key) for found in tables.values() for table in found if table for key in table}
    )
    rows = []
    for key in keys:
        for rival in rivals:
            found = [table[key] for table in tables[rival.place] if table and key in table]
            if len(found) < len(scenarios):
                note = _why_not(data, rival, scenarios)
                rows.append(ClassRow(place=rival.place, key=key, note=note))
            else:
                values = tuple(_over(found, name, classes) for name in classes.columns)
                rows.append(ClassRow(place=rival.place, key=key, values=values))
    return tuple(rows) if any(row.values for row in rows) else ()


def _over(found: Sequence[Mapping[str, Any]], name: str, classes: Classes) -> float | None:
    """A count is added up; what else there is, is averaged with the weight of each scenario."""
    if name in classes.counts:
        return math.fsum(figure(name, row) or 0 for row in found)
    weighed = [(figure(name, row), _weight(row, classes)) for row in found]
    parts = [(value, weight) for value, weight in weighed if weight > 0]
    if not parts or any(value is None for value, _ in parts):
        return None
    return math.fsum(value * weight for value, weight in parts) / math.fsum(w for _, w in parts)


def _weight(row: Mapping[str, Any], classes: Classes) -> float:
    return 1.0 if classes.weight is None else float(figure(classes.weight, row) or 0)


def _why_not(data: ReportData, rival: Contender, scenarios: Sequence[str]) -> str:
    rows = [data.scored.get((slot_of(rival.row), name)) for name in scenarios]
    failed = [row.outcome for row in rows if row is not None and row.outcome != "ok"]
    if not failed:
        return "not measured"
    where = "" if len(scenarios) == 1 else f" on {len(failed)} of {len(scenarios)}"
    return f"{short(failed[0], 20)}{where}"
