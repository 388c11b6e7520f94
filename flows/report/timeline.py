"""Timelines: what the cluster did over time under the best attempt and under the best baseline."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from flows.history.records import ScenarioRow
from flows.report.compare import Contender, Panel, metrics_of
from flows.report.data import ReportData
from flows.report.svg import Scale, element, line_path, picture, text, x_axis, y_axis
from flows.report.text import one_line

MAX_POINTS = 150
WIDTH, HEIGHT = 350, 150
LEFT, RIGHT, TOP, BOTTOM = 46, 328, 24, 124

KILLS = "oom_kills"

# (title, key in the timeline, parameters whose product is the cluster's capacity)
SERIES = (
    ("CPUs allocated", "allocated_cpu", ("num_pools", "cpus_per_pool")),
    ("memory allocated, GB", "allocated_ram_gb", ("num_pools", "ram_gb_per_pool")),
    ("query pipelines waiting", "queued_query", None),
    ("interactive pipelines waiting", "queued_interactive", None),
    ("batch pipelines waiting", "queued_batch", None),
    ("containers killed for memory", KILLS, None),
)


def timeline_panels(data: ReportData, rivals: Sequence[Contender]) -> tuple[Panel, ...]:
    """Small drawings for each scenario on which at least one of the rivals was measured."""
    panels = []
    for scenario in data.drawn:
        lines = [
            (rival, timeline)
            for rival in rivals
            if (timeline := metrics_of(data, rival, scenario.scenario).get("timeline"))
        ]
        if lines:
            known = [
                item
                for item, (_, key, _) in enumerate(SERIES)
                if any(timeline.get(key) for _, timeline in lines)
            ]
            drawings = tuple(_drawing(scenario, lines, item) for item in known)
            panels.append(Panel(name=one_line(scenario.scenario, 60), drawings=drawings))
    return tuple(panels)


def thin(
    values: Sequence[float], step: float, pick: Callable[[Sequence[float]], float] = max
) -> list[tuple[float, float]]:
    """At most ``MAX_POINTS`` (second, value) points: the largest value of each stretch."""
    width = max(1, -(-len(values) // MAX_POINTS))
    return [
        (start * step, pick(values[start : start + width]))
        for start in range(0, len(values), width)
    ]


def _drawing(
    scenario: ScenarioRow, lines: Sequence[tuple[Contender, dict[str, Any]]], item: int
) -> str:
    title, key, capacity_of = SERIES[item]
    pick: Callable[[Sequence[float]], float] = sum if key == KILLS else max
    points = [
        (rival, thin(timeline.get(key) or [], timeline.get("seconds_per_sample") or 1.0, pick))
        for rival, timeline in lines
    ]
    capacity = _capacity(scenario, capacity_of)
    flat = [value for _, line in points for _, value in line]
    across = Scale(low=0.0, high=scenario.duration_seconds or 1.0, start=LEFT, end=RIGHT)
    up = Scale(low=0.0, high=max([*flat, capacity or 0.0]) * 1.05 or 1.0, start=BOTTOM, end=TOP)
    parts = [
        text(0, 13, title + _of(capacity), class_="panel-title"),
        y_axis(up, LEFT, RIGHT, 3),
        x_axis(across, BOTTOM, " s", 4),
    ]
    if capacity is not None:
        y = up(capacity)
        parts.append(element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="line capacity"))
    for rival, line in reversed(points):
        path = line_path((across(second), up(value)) for second, value in line)
        parts.append(element("path", d=path, class_=f"line {rival.colour}"))
    label = f"{title} over time on {scenario.scenario}"
    return picture(WIDTH, HEIGHT, parts, label=label, class_="chart small")


def _of(capacity: float | None) -> str:
    return "" if capacity is None else f", of {capacity:g}"


def _capacity(scenario: ScenarioRow, names: tuple[str, str] | None) -> float | None:
    if names is None:
        return None
    values = [scenario.params.get(name) for name in names]
    numbers = [float(value) for value in values if isinstance(value, int | float)]
    return math.prod(numbers) if len(numbers) == len(values) else None
