"""Objectives as pure functions of what happened to every pipeline that arrived."""

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.domains.pipelines.plans import Planner
from simulator.domains.pipelines.workload import Pipeline, Priority, Segment

WEIGHTS = {Priority.QUERY: 10.0, Priority.INTERACTIVE: 5.0, Priority.BATCH_PIPELINE: 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of a pipeline that arrived; ``latency_seconds`` is None if it did not finish."""

    priority: Priority
    latency_seconds: float | None


def weighted_latency(fates: Sequence[Fate], duration_seconds: float) -> float | None:
    """Return the mean latency in seconds weighted 10, 5 and 1 by priority; None without arrivals.

    A pipeline that did not finish is charged the whole duration, so that leaving work undone
    never pays.
    """
    charged = 0.0
    weights = 0.0
    for fate in fates:
        weight = WEIGHTS[fate.priority]
        latency = duration_seconds if fate.latency_seconds is None else fate.latency_seconds
        charged += weight * latency
        weights += weight
    return charged / weights if weights else None


def goodput_per_hour(fates: Sequence[Fate], duration_seconds: float) -> float:
    """Return how many pipelines finished per hour of simulated time."""
    finished = sum(1 for fate in fates if fate.latency_seconds is not None)
    return finished * 3600 / duration_seconds


def jain_index(shares: Sequence[float]) -> float | None:
    """Return Jain's fairness index: 1 if all shares are equal, 1/n if one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares > 0 else None


def best_possible(
    pipelines: Sequence[Pipeline],
    num_ticks: int,
    ticks_per_second: float,
    cpus: float,
    duration_seconds: float,
) -> list[Fate]:
    """Return fates that no policy can beat: each pipeline alone, every operator on ``cpus``.

    Weighted latency over these fates is a lower bound of any policy's. Operators take the
    least ticks that any number of cpus up to ``cpus`` allows; along a path one may start in the
    tick in which its parent ends.
    """
    planner = Planner(1.0 / ticks_per_second)
    known: dict[tuple[int, ...], int] = {}
    fates = []
    for pipeline in pipelines:
        # Pipelines of a trace share their operators, and often all of them.
        key = tuple(map(id, pipeline.operators))
        ticks = known.get(key)
        if ticks is None:
            ticks = known[key] = _critical_path_ticks(pipeline, planner, cpus)
        in_time = pipeline.arrival_tick + ticks < num_ticks
        latency = min(ticks / ticks_per_second, duration_seconds) if in_time else None
        fates.append(Fate(priority=pipeline.priority, latency_seconds=latency))
    return fates


def _critical_path_ticks(pipeline: Pipeline, planner: Planner, cpus: float) -> int:
    ends: list[int] = []
    for operator in pipeline.operators:
        start = max([ends[parent] for parent in operator.parents]) if operator.parents else 0
        ends.append(start + _fewest_ticks(operator.segments, planner, cpus) - 1)
    return max(ends, default=0)


def _fewest_ticks(segments: Sequence[Segment], planner: Planner, cpus: float) -> int:
    """Every named law is fastest on the most cpus; of a function nothing is known."""
    for segment in segments:
        if callable(segment.cpu_scaling):
            return 1
    return planner.ticks(segments, cpus)
