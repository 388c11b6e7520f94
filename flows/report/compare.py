"""The best attempt beside the baselines: scores and the use of the cluster."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.history.records import CandidateRow, EvaluationRow, ScenarioRow
from flows.report.data import ReportData, geometric_mean, slot_of
from flows.report.svg import Scale, element, picture, score_scale, tooltip
from flows.report.text import number, one_line, score_text, short

MAX_BASELINES = 6
MAX_KILLS = 3

# (label, key in the metrics, how scenarios are put together, what is better)
FIGURES = (
    ("pipelines completed", "pipelines_completed", "sum", "more"),
    ("pipelines arrived", "pipelines_arrived", "sum", ""),
    ("completed per hour", "pipelines_completed_per_hour", "mean", "more"),
    ("wait in queue, mean s", "queue_wait_seconds_mean", "mean", "less"),
    ("service, mean s", "service_seconds_mean", "mean", "less"),
    ("CPU allocated, %", "cpu_allocated_percent", "mean", ""),
    ("memory allocated, %", "memory_allocated_percent", "mean", ""),
    ("memory consumed, %", "memory_consumed_percent", "mean", ""),
    ("out-of-memory kills", "oom_kills", "sum", "less"),
    ("CPU seconds lost to them", "oom_wasted_cpu_seconds", "sum", "less"),
    ("pipelines never started", "starved_pipelines", "sum", "less"),
    ("fairness over priorities (Jain)", "jain_fairness", "mean", "more"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A policy in the comparison; ``colour`` is its class in every drawing."""

    name: str
    colour: str
    row: CandidateRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What can be shown for one choice of a scenario."""

    name: str
    drawings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a table of figures; ``leader`` says which cell is best."""

    label: str
    note: str
    drawing: str
    cells: tuple[str, ...]
    leader: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kills:
    """Containers of one size that ran out of memory."""

    rival: Contender
    requested: str
    observed: str
    kills: int


def contenders(data: ReportData) -> tuple[Contender, ...]:
    """The best attempt first, then the baselines."""
    found = []
    if data.best is not None:
        name = "best found" if data.best.improved else "best tried"
        found.append(Contender(name=name, colour="p0", row=data.best))
    shown = list(data.baselines[:MAX_BASELINES])
    if data.best_baseline is not None and data.best_baseline not in shown:
        shown[-1] = data.best_baseline
    for index, row in enumerate(shown, start=1):
        found.append(Contender(name=short(row.title, 18), colour=f"p{index}", row=row))
    return tuple(found)


def duel(data: ReportData, rivals: Sequence[Contender]) -> tuple[Contender, ...]:
    """The best attempt and the best baseline."""
    shown = [row for row in (data.best, data.best_baseline) if row is not None]
    return tuple(rival for rival in rivals if any(rival.row is row for row in shown))


def scenario_scores(data: ReportData, rivals: Sequence[Contender]) -> tuple[Line, ...]:
    """One line per scenario, and one per split for the geometric mean."""
    scores = {
        scenario.scenario: [_score(data, rival, scenario) for rival in rivals]
        for scenario in data.scenarios
    }
    flat = [score for row in scores.values() for score in row if score is not None]
    scale = score_scale([*flat, 1.0], 8, 212)
    lines = []
    for split in dict.fromkeys(row.split for row in data.scenarios):
        members = [row for row in data.scenarios if row.split == split]
        shown = [row for row in members if any(s is not None for s in scores[row.scenario])]
        lines += [
            _score_line(
                row.scenario, f"{row.family} · {row.split}", scores[row.scenario], rivals, scale
            )
            for row in shown
        ]
        if len(shown) > 1:
            columns = zip(*(scores[row.scenario] for row in shown), strict=True)
            means = [geometric_mean(column) for column in columns]
            label = f"all {len(shown)} {split} scenarios"
            lines.append(_score_line(label, "geometric mean", means, rivals, scale))
    return tuple(lines)


def figure_lines(data: ReportData, rivals: Sequence[Contender]) -> tuple[Line, ...]:
    """Use of the cluster where all were tried; a figure that a policy lacks anywhere is a dash."""
    shared = data.shared([rival.row for rival in rivals])
    names = [row.scenario for row in shared if measured(data, rivals, row.scenario)]
    lines = []
    for label, key, how, better in FIGURES:
        values = [_pooled(data, rival, names, key, how) for rival in rivals]
        if any(value is not None for value in values):
            cells = tuple(number(value) for value in values)
            leader = _leader(values, better)
            note = f"{how} over scenarios" if len(names) > 1 else ""
            lines.append(Line(label=label, note=note, drawing="", cells=cells, leader=leader))
    return tuple(lines)


def kill_lines(data: ReportData, rivals: Sequence[Contender]) -> tuple[Kills, ...]:
    """The most frequent out-of-memory kills of each policy, all scenarios together."""
    found = []
    for rival in rivals:
        sizes: Counter[tuple[float, float]] = Counter()
        for scenario in data.scenarios:
            for requested, observed, kills in (
                metrics_of(data, rival, scenario.scenario).get("oom_by_request") or []
            ):
                sizes[requested, observed] += kills
        found += [
            Kills(rival=rival, requested=number(requested), observed=number(observed), kills=kills)
            for (requested, observed), kills in sizes.most_common(MAX_KILLS)
        ]
    return tuple(found)


def _score(data: ReportData, rival: Contender, scenario: ScenarioRow) -> float | None:
    found = data.scored.get((slot_of(rival.row), scenario.scenario))
    return found.score if found else None


def metrics_of(data: ReportData, rival: Contender, scenario: str) -> dict[str, Any]:
    """What was measured; empty if the policy failed there or was not tried."""
    found: EvaluationRow | None = data.scored.get((slot_of(rival.row), scenario))
    return (found.metrics if found else None) or {}


def measured(data: ReportData, rivals: Sequence[Contender], scenario: str) -> bool:
    """Whether any of the policies has figures on the scenario."""
    return any(metrics_of(data, rival, scenario) for rival in rivals)


def _score_line(
    label: str,
    note: str,
    scores: Sequence[float | None],
    rivals: Sequence[Contender],
    scale: Scale,
) -> Line:
    one = scale(1.0)
    parts = [
        element("line", x1=4, x2=216, y1=11, y2=11, class_="grid"),
        element("line", x1=one, x2=one, y1=1, y2=21, class_="axis"),
    ]
    for rival, score in reversed(list(zip(rivals, scores, strict=True))):
        if score is not None:
            words = tooltip(f"{rival.name}: {score_text(score)}")
            radius = 6 if rival.colour == "p0" else 4.5
            class_ = f"dot {rival.colour}"
            parts.append(element("circle", words, cx=scale(score), cy=11, r=radius, class_=class_))
    return Line(
        label=one_line(label, 80),
        note=one_line(note, 80),
        drawing=picture(220, 22, parts, label=f"Scores on {label}", class_="dots"),
        cells=tuple(score_text(score) for score in scores),
        leader=_leader(scores, "more"),
    )


def _leader(values: Sequence[float | None], better: str) -> int | None:
    known = [(value, index) for index, value in enumerate(values) if value is not None]
    if not better or len({value for value, _ in known}) < 2:
        return None
    pick = max if better == "more" else min
    return pick(known, key=lambda item: item[0])[1]


def _pooled(
    data: ReportData, rival: Contender, scenarios: Sequence[str], key: str, how: str
) -> float | None:
    found = [metrics_of(data, rival, name).get(key) for name in scenarios]
    values = [value for value in found if isinstance(value, int | float)]
    if not values or len(values) != len(found):
        return None
    total = math.fsum(values)
    return total if how == "sum" else total / len(values)
