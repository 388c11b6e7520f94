"""Which containers ran when, on which pool: the best attempt beside the best baseline."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.history.records import ScenarioRow
from flows.report.compare import Contender, metrics_of
from flows.report.data import ReportData
from flows.report.text import number, one_line
from flows.wording import counted

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
        note = f"the first {len(spans):,} of {note}, all that began before second {number(own, 4)}"
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
