"""What the cluster did over time: curves of use, and containers on pools."""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flows.history.records import ScenarioRow
from flows.report.compare import Contender, Panel, metrics_of
from flows.report.data import ReportData
from flows.report.svg import Scale, element, line_path, picture, text, x_axis, y_axis
from flows.report.text import number, one_line
from flows.untrusted import counted

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
    ("out-of-memory (OOM) kills", KILLS, None),
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


# What the simulator keeps of a container, by place.
START, END, POOL, CPU, RAM, PRIORITY, OUTCOME = range(7)
OUTCOMES = ("ok", "OOM", "timeout", "suspended", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gantt:
    """The drawings of one scenario; the page's script makes them from ``mapping``."""

    name: str
    mapping: dict[str, Any]


def gantts(data: ReportData, rivals: Sequence[Contender]) -> tuple[Gantt, ...]:
    """One per scenario on which a rival's containers were kept."""
    found = [_gantt(data, rivals, scenario) for scenario in data.drawn]
    return tuple(gantt for gantt in found if gantt is not None)


def lanes(spans: Sequence[Sequence[Any]]) -> list[int]:
    """The lane of each span, as few lanes as possible: two that overlap are never in one."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    chosen = [0] * len(spans)
    used = 0
    for place in sorted(range(len(spans)), key=lambda place: (spans[place][START], place)):
        while busy and busy[0][0] <= spans[place][START]:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            heapq.heappush(free, used)
            used += 1
        chosen[place] = heapq.heappop(free)
        heapq.heappush(busy, (spans[place][END], chosen[place]))
    return chosen


def _gantt(data: ReportData, rivals: Sequence[Contender], scenario: ScenarioRow) -> Gantt | None:
    kept = [
        (rival, containers)
        for rival in rivals
        if (containers := metrics_of(data, rival, scenario.scenario).get("containers"))
    ]
    if not kept:
        return None
    reach = max(_reach(scenario, containers) for _, containers in kept)
    rows = [_row(rival, containers, scenario, reach) for rival, containers in kept]
    mapping = {"until": reach, "policies": rows}
    return Gantt(name=one_line(scenario.scenario, 60), mapping=mapping)


def _reach(scenario: ScenarioRow, containers: dict[str, Any]) -> float:
    """The second up to which all containers are kept: all of the scenario, unless there are more
    containers than are kept."""
    spans = containers["spans"]
    if not spans or containers["created"] <= len(spans):
        return scenario.duration_seconds
    return float(max(span[START] for span in spans)) or scenario.duration_seconds


def _row(
    rival: Contender, containers: dict[str, Any], scenario: ScenarioRow, reach: float
) -> dict[str, Any]:
    spans, created = containers["spans"], containers["created"]
    note = counted(created, "container")
    own = _reach(scenario, containers)
    if created > len(spans):
        note = f"the first {len(spans):,} of {note}, started before second {number(own, 4)}"
    pools = sorted({span[POOL] for span in spans} | set(range(_pools(scenario))))
    return {
        "name": rival.name,
        "colour": rival.colour,
        "note": note,
        "pools": [_pool(pool, [span for span in spans if span[POOL] == pool]) for pool in pools],
    }


def _pools(scenario: ScenarioRow) -> int:
    found = scenario.params.get("num_pools")
    return found if isinstance(found, int) and 0 < found <= 64 else 0


def _pool(pool: int, spans: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Spans as [start, end, lane, cpus, GB, priority, outcome], the last a place in OUTCOMES."""
    placed = lanes(spans)
    return {
        "pool": pool,
        "lanes": max(placed, default=-1) + 1,
        "spans": [
            [
                span[START],
                span[END],
                lane,
                span[CPU],
                span[RAM],
                span[PRIORITY],
                OUTCOMES.index(span[OUTCOME]) if span[OUTCOME] in OUTCOMES else 0,
            ]
            for span, lane in zip(spans, placed, strict=True)
        ],
    }
