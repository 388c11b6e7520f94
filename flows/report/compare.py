"""The best attempt beside the baselines: scores, latency, use of the cluster, the paper."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.history.records import CandidateRow, EvaluationRow, ScenarioRow
from flows.report.data import PRIORITIES, ReportData, geometric_mean, slot_of
from flows.report.svg import Scale, element, picture, score_scale, text, tooltip
from flows.report.text import number, one_line, score_text, seconds_text, short
from sandbox.outcome import Evaluation, Outcome
from simulator.domains.pipelines.paper import (
    METRICS,
    PAPER_GAIN_PERCENT,
    PAPER_SUITE,
    THROUGHPUT,
    paper_figures,
)

MAX_BASELINES = 6
MAX_KILLS = 3

# (label, key in the metrics, how scenarios are put together, what is better)
FIGURES = (
    ("pipelines completed", "pipelines_completed", "sum", "more"),
    ("pipelines arrived", "pipelines_arrived", "sum", ""),
    ("pipelines completed per hour", "pipelines_completed_per_hour", "mean", "more"),
    ("queue wait, mean, s", "queue_wait_seconds_mean", "mean", "less"),
    ("service time, mean, s", "service_seconds_mean", "mean", "less"),
    ("CPU allocated, %", "cpu_allocated_percent", "mean", ""),
    ("memory allocated, %", "memory_allocated_percent", "mean", ""),
    ("memory consumed, %", "memory_consumed_percent", "mean", ""),
    ("out-of-memory (OOM) kills", "oom_kills", "sum", "less"),
    ("CPU seconds lost to OOM kills", "oom_wasted_cpu_seconds", "sum", "less"),
    ("pipelines never started", "starved_pipelines", "sum", "less"),
    ("fairness across priorities (Jain index)", "jain_fairness", "mean", "more"),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Latency:
    note: str
    """Completed/arrived, or why there are no figures."""
    mean: float | None = None
    p95: float | None = None


def latency_panels(data: ReportData, rivals: Sequence[Contender]) -> tuple[Panel, ...]:
    """Bars of mean latency with a mark at p95, by priority: each split as a whole, then each
    scenario."""
    known = [row for row in data.scenarios if measured(data, rivals, row.scenario)]
    shared = {row.scenario for row in data.shared([rival.row for rival in rivals])}
    choices: list[tuple[str, list[str]]] = []
    for split in dict.fromkeys(row.split for row in known):
        names = [row.scenario for row in known if row.split == split and row.scenario in shared]
        if len(names) > 1:
            choices.append((f"all {len(names)} {split} scenarios", names))
    drawn = {row.scenario for row in data.drawn}
    choices += [(row.scenario, [row.scenario]) for row in known if row.scenario in drawn]
    return tuple(
        Panel(
            name=one_line(label, 60),
            drawings=tuple(_latency_bars(data, rivals, key, chosen) for key in PRIORITIES),
        )
        for label, chosen in choices
    )


def _latency_bars(
    data: ReportData, rivals: Sequence[Contender], priority: str, scenarios: Sequence[str]
) -> str:
    rows = [(rival, _latency(data, rival, priority, scenarios)) for rival in rivals]
    top = max([0.0, *(value or 0.0 for _, row in rows for value in (row.mean, row.p95))])
    scale = Scale(low=0.0, high=top or 1.0, start=96, end=226)
    title = "all priorities" if priority == "all" else priority
    parts = [text(0, 13, title, class_="panel-title")]
    for index, (rival, row) in enumerate(rows):
        y = 24 + index * 25
        parts.append(text(90, y + 12, rival.name, class_=f"label end {rival.colour}"))
        if row.mean is None:
            parts.append(text(98, y + 12, row.note, class_="tick"))
            continue
        words = f"{rival.name}, {title}: mean {seconds_text(row.mean)}, p95 {seconds_text(row.p95)}"
        bar = _bar(scale, y, row.mean, row.p95, rival.colour)
        parts.append(element("g", tooltip(f"{words}, {row.note}") + bar, class_="bar"))
        parts.append(text(234, y + 12, f"{seconds_text(row.mean)} · {row.note}", class_="tick"))
    label = f"Latency of {title} pipelines"
    return picture(350, 28 + 25 * len(rows), parts, label=label, class_="chart small")


def _bar(scale: Scale, y: float, mean: float, p95: float | None, colour: str) -> str:
    end = max(scale.start + 1.5, scale(mean))
    bar = element(
        "rect", x=scale.start, y=y + 2, width=end - scale.start, height=12, rx=2, class_=colour
    )
    if p95 is None:
        return bar
    tick = f"M{end:.1f} {y + 8}H{scale(p95):.1f}M{scale(p95):.1f} {y}v16"
    return bar + element("path", d=tick, class_="p95")


def _latency(
    data: ReportData, rival: Contender, priority: str, scenarios: Sequence[str]
) -> _Latency:
    """Means and p95s are averaged with the number of completed pipelines as their weight.

    A policy without figures on one of the scenarios has none over all of them: an average over the
    rest would flatter it.
    """
    rows: list[Mapping[str, Any]] = []
    for name in scenarios:
        latency = metrics_of(data, rival, name).get("latency") or {}
        if latency.get(priority):
            rows.append(latency[priority])
    if len(rows) < len(scenarios):
        return _Latency(note=_why_not(data, rival, scenarios))
    done = math.fsum(row["completed"] for row in rows)
    note = f"{number(done, 6)}/{number(math.fsum(row['arrived'] for row in rows), 6)}"
    if not done:
        return _Latency(note=f"nothing completed · {note}")
    return _Latency(note=note, mean=_weighted(rows, "mean", done), p95=_weighted(rows, "p95", done))


def _weighted(rows: Sequence[Mapping[str, Any]], key: str, done: float) -> float | None:
    parts = [(row[key], row["completed"]) for row in rows if row["completed"]]
    if any(value is None for value, _ in parts):
        return None
    return math.fsum(value * weight for value, weight in parts) / done


def _why_not(data: ReportData, rival: Contender, scenarios: Sequence[str]) -> str:
    rows = [data.scored.get((slot_of(rival.row), name)) for name in scenarios]
    failed = [row.outcome for row in rows if row is not None and row.outcome != "ok"]
    if not failed:
        return "not measured"
    where = "" if len(scenarios) == 1 else f" on {len(failed)} of {len(scenarios)}"
    return f"{short(failed[0], 20)}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperLine:
    """One metric: what each policy gains over naive by it."""

    metric: str
    note: str
    cells: tuple[str, ...]


def paper_table(data: ReportData, rivals: Sequence[Contender]) -> tuple[PaperLine, ...]:
    """A line for each metric, cells in the order of the rivals; nothing for another suite."""
    if data.experiment.suite != PAPER_SUITE:
        return ()
    names = {_key(rival): rival for rival in rivals}
    figures = paper_figures({key: _evaluations(data, rival) for key, rival in names.items()})
    found = {(figure.policy, figure.metric): figure for figure in figures}
    lines = []
    for metric in METRICS:
        shown = [found.get((key, metric)) for key in names]
        cells = tuple(_gain(figure.gain_percent if figure else None) for figure in shown)
        traces = max((figure.traces for figure in shown if figure), default=0)
        note = f"over {traces} traces"
        if metric == THROUGHPUT:
            note += f"; the paper's metric, it reports +{PAPER_GAIN_PERCENT}\N{NO-BREAK SPACE}%"
        if any(figure for figure in shown):
            lines.append(PaperLine(metric=metric, note=note, cells=cells))
    return tuple(lines)


def _key(rival: Contender) -> str:
    """Naive by its name, which the figures are measured against; others by their place."""
    is_naive = rival.row.origin == "baseline" and rival.row.title == "naive"
    return "naive" if is_naive else rival.colour


def _evaluations(data: ReportData, rival: Contender) -> list[Evaluation]:
    slot = slot_of(rival.row)
    rows = (data.scored.get((slot, scenario.scenario)) for scenario in data.scenarios)
    return [_evaluation(row) for row in rows if row is not None]


def _evaluation(row: EvaluationRow) -> Evaluation:
    known = row.outcome in set(Outcome)
    return Evaluation(
        scenario=row.scenario,
        outcome=Outcome(row.outcome) if known else Outcome.PROTOCOL_ERROR,
        stats=row.stats,
        metrics=row.metrics,
    )


def _gain(percent: float | None) -> str:
    if percent is None:
        return "–"
    return f"{'+' if percent > 0 else ''}{number(percent, 4)}\N{NO-BREAK SPACE}%"
