"""Latency by priority: bars for the best attempt and the baselines, by split and scenario."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.report.compare import Contender, Panel, measured, metrics_of
from flows.report.data import PRIORITIES, ReportData, slot_of
from flows.report.svg import Scale, element, picture, text, tooltip
from flows.report.text import number, one_line, seconds_text, short


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
