"""The promises that pipelines declare: laws of a run, and what no policy can know yet."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from simulator.domain import Run
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND, cpu_seconds, whole_ticks
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.workload import (
    SCALINGS,
    Operator,
    Pipeline,
    Priority,
    Segment,
    Workload,
)

_ROUNDING = 1e-6


def check_run(scenario: Scenario, run: Run) -> list[str]:
    """Return a sentence for each law that a run breaks: of capacity, of conservation."""
    params, metrics, known = scenario.params, run.metrics, scenario.figures
    broken = []
    limits = {"allocated_cpu": known["cpus"]}
    if not params.allow_memory_overcommit:
        limits["allocated_ram_gb"] = known["memory_gb"]
    for name, limit in limits.items():
        most = max(metrics["timeline"][name], default=0)
        if most > limit + _ROUNDING:
            broken.append(f"{name} reached {most}, but there are {limit}")
    broken += _crowded(metrics["containers"]["spans"], params.cpus_per_pool)
    arrived = sum(p.arrival_tick < params.num_ticks for p in scenario.workload.pipelines)
    if metrics["pipelines_arrived"] != arrived:
        broken.append(f"{metrics['pipelines_arrived']} of {arrived} pipelines arrived")
    rows = metrics["latency"]
    for name, row in rows.items():
        if row["completed"] + row["timed_out"] > row["arrived"]:
            broken.append(f"more pipelines ended than arrived: {name} {row}")
    for key in ("arrived", "completed", "timed_out"):
        if rows["all"][key] != sum(row[key] for name, row in rows.items() if name != "all"):
            broken.append(f"{key} of all pipelines is not the sum over the priorities")
    return broken


def _crowded(spans: Sequence[Sequence[Any]], cpus: float) -> list[str]:
    """Return the pools on which the containers held more CPUs at once than there are."""
    events = sorted(
        event
        for start, end, pool, held, *_ in spans
        for event in ((pool, start, 1, held), (pool, end, 0, -held))
    )
    used: dict[int, float] = {}
    for pool, _, _, change in events:
        used[pool] = used.get(pool, 0.0) + change
        if used[pool] > cpus + _ROUNDING:
            return [f"containers on pool {pool} held {used[pool]} CPUs, but it has {cpus}"]
    return []


def disguise(scenario: Scenario, seed: int) -> tuple[Scenario, int]:
    """Change later arrivals, and work that cannot have begun by a tick even on an empty cluster."""
    params, rng = scenario.params, Random(seed)
    until = rng.randrange(params.num_ticks)
    pipelines = []
    for pipeline in scenario.workload.pipelines:
        at, first, priority = pipeline.arrival_tick, 0, pipeline.priority
        if at > until:
            at, first = rng.randrange(until + 1, until + 1 + params.num_ticks), until + 1
            priority = rng.choice(list(Priority))
        operators = _disguised(pipeline, max(pipeline.arrival_tick, first), until, scenario, rng)
        pipelines.append(replace(pipeline, arrival_tick=at, operators=operators, priority=priority))
    pipelines.sort(key=lambda each: each.arrival_tick)
    return replace(scenario, workload=Workload(pipelines=tuple(pipelines))), until


def _disguised(
    pipeline: Pipeline, at: int, until: int, scenario: Scenario, rng: Random
) -> tuple[Operator, ...]:
    params = scenario.params
    keep_memory = params.estimator_algo != "" and at <= until  # an estimate of it has been shown
    ends: list[int] = []
    operators = []
    for operator in pipeline.operators:
        begin = start = max([ends[parent] for parent in operator.parents], default=at)
        segments = []
        for segment in operator.segments:
            segments.append(_other(segment, keep_memory, rng) if start > until else segment)
            start += _fewest_ticks(segment, params.cpus_per_pool, params.ticks_per_second)
        # A child may start in the tick in which its parent ends.
        ends.append(max(start, begin + 1) - 1)
        operators.append(replace(operator, segments=tuple(segments)))
    return tuple(operators)


def _other(segment: Segment, keep_memory: bool, rng: Random) -> Segment:
    changed = replace(
        segment,
        baseline_cpu_seconds=rng.uniform(0, 3),
        cpu_scaling=rng.choice(SCALINGS),
    )
    if keep_memory:
        return changed
    memory_gb = rng.choice([None, rng.uniform(0, 60)])
    return replace(changed, memory_gb=memory_gb, storage_read_gb=rng.uniform(0, 40))


def _fewest_ticks(segment: Segment, cpus: float, ticks_per_second: float) -> int:
    """Every named law is fastest on the most cpus; of a function nothing is known."""
    if callable(segment.cpu_scaling):
        return 0
    tick_seconds = 1.0 / ticks_per_second
    work = cpu_seconds(segment.cpu_scaling, cpus, segment.baseline_cpu_seconds)
    scan = whole_ticks(segment.storage_read_gb / SCAN_GB_PER_SECOND, tick_seconds)
    return scan + whole_ticks(work, tick_seconds)
