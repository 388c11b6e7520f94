"""Metrics beyond the reference's: what a scheduling engineer asks about a run."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.domains.pipelines.containers import Pool
from simulator.domains.pipelines.jobs import NOT_YET, Jobs
from simulator.domains.pipelines.objectives import (
    WEIGHTS,
    Fate,
    best_possible,
    goodput_per_hour,
    jain_index,
    weighted_latency,
)
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.recorder import CONTAINERS_KEPT, Recorder
from simulator.domains.pipelines.stats import (
    CLASSES,
    latencies_by_class,
    mean_seconds,
    percentile_seconds,
    timed_out,
)

if TYPE_CHECKING:  # a cell starts without them
    import numpy.typing as npt

    IntArray = npt.NDArray[np.int64]

OOM_SIZES_SHOWN = 5


def compute_metrics(
    params: Params, jobs: Jobs, pools: Sequence[Pool], recorder: Recorder
) -> dict[str, Any]:
    """Return the metrics of a simulation: finite numbers, None where there is no data."""
    fates = [_fate(params, jobs, number) for number in range(jobs.arrived)]
    best = best_possible(
        jobs.pipelines[: jobs.arrived],
        params.num_ticks,
        params.ticks_per_second,
        params.cpus_per_pool,
        params.duration,
    )
    latency = _latency_table(params, jobs)
    started = [number for number in range(jobs.arrived) if jobs.started_tick[number] != NOT_YET]
    finished = [number for number in started if fates[number].latency_seconds is not None]
    waits = [jobs.started_tick[number] - jobs.arrival(number) for number in started]
    services = [jobs.finished_tick[number] - jobs.started_tick[number] for number in finished]
    shares = [row["completed"] / row["arrived"] for row in _classes(latency) if row["arrived"]]
    metrics = {
        "weighted_latency_seconds": weighted_latency(fates, params.duration),
        "lower_bound_seconds": weighted_latency(best, params.duration),
        "charged_seconds": _charges(params, jobs, fates),
        "pipelines_arrived": jobs.arrived,
        "pipelines_completed": latency["all"]["completed"],
        "pipelines_completed_per_hour": goodput_per_hour(fates, params.duration),
        "starved_pipelines": sum(
            1
            for number in range(jobs.arrived)
            if jobs.started_tick[number] == NOT_YET and not jobs.successful(number)
        ),
        "latency": latency,
        "queue_wait_seconds_mean": mean_seconds(waits, params.ticks_per_second),
        "service_seconds_mean": mean_seconds(services, params.ticks_per_second),
        "jain_fairness": jain_index(shares),
        **_resource_metrics(params, pools, recorder),
        **_failure_metrics(params, recorder),
        "timeline": _timeline(params, jobs, fates, recorder),
    }
    finite: dict[str, Any] = _finite(metrics)
    return {**finite, "containers": _containers(params, jobs, pools, recorder)}


def _fate(params: Params, jobs: Jobs, number: int) -> Fate:
    latency = None
    if jobs.finished_tick[number] != NOT_YET and not timed_out(params, jobs, number):
        ticks = jobs.finished_tick[number] - jobs.arrival(number)
        latency = ticks / params.ticks_per_second
    return Fate(priority=jobs.pipelines[number].priority, latency_seconds=latency)


def _latency_table(params: Params, jobs: Jobs) -> dict[str, dict[str, Any]]:
    latencies, timeouts = latencies_by_class(params, jobs)
    arrived = dict.fromkeys(latencies, 0)
    for pipeline in jobs.pipelines[: jobs.arrived]:
        arrived[CLASSES[pipeline.priority]] += 1
    rows = {name: (arrived[name], timeouts[name], latencies[name]) for name in latencies}
    everything = [ticks for name in latencies for ticks in latencies[name]]
    rows["all"] = (jobs.arrived, sum(timeouts.values()), everything)
    tps = params.ticks_per_second
    return {
        name: {
            "arrived": count,
            "completed": len(ticks),
            "timed_out": late,
            "mean": mean_seconds(ticks, tps),
            "p50": percentile_seconds(ticks, 50, tps),
            "p95": percentile_seconds(ticks, 95, tps),
            "p99": percentile_seconds(ticks, 99, tps),
        }
        for name, (count, late, ticks) in rows.items()
    }


def _classes(latency: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [latency[name] for name in CLASSES.values()]


def _resource_metrics(
    params: Params, pools: Sequence[Pool], recorder: Recorder
) -> dict[str, float | None]:
    """Return what was allocated and used, each a mean over the samples taken once per second."""
    counts = np.array([count for _, _, count in recorder.allocated])
    ram = np.repeat([gb for gb, _, _ in recorder.allocated], counts)
    cpu = np.repeat([cpus for _, cpus, _ in recorder.allocated], counts)
    consumed = np.zeros(len(ram))
    for pool in pools:
        gb, spans = zip(*pool.samples, strict=True)
        consumed += np.repeat(np.array(gb, dtype=float), spans)
    all_cpus = params.num_pools * params.cpus_per_pool
    all_gb = params.num_pools * params.ram_gb_per_pool
    return {
        "cpu_allocated_percent": float(100 * cpu.mean() / all_cpus),
        "memory_allocated_percent": float(100 * ram.mean() / all_gb),
        "memory_consumed_percent": float(100 * consumed.mean() / all_gb),
        "memory_wasted_gb_seconds": float(np.maximum(ram - consumed, 0).sum()),
    }


def _failure_metrics(params: Params, recorder: Recorder) -> dict[str, Any]:
    sizes = recorder.most_frequent_oom_sizes(OOM_SIZES_SHOWN)
    return {
        "oom_kills": recorder.errors.get("OOM", 0),
        "oom_wasted_cpu_seconds": recorder.oom_cpu_ticks / params.ticks_per_second,
        "oom_by_request": [[requested, observed, count] for (requested, observed), count in sizes],
        "timeouts_killed": recorder.errors.get("timeout", 0),
    }


def _charges(params: Params, jobs: Jobs, fates: Sequence[Fate]) -> dict[str, float]:
    """Return the parts of the weighted latency, in its unit; they add up to it.

    By class: the time that pipelines were in the system. By class again, as ``unfinished_...``:
    the time before their arrival, which those that did not finish are charged too.
    """
    weights = sum(WEIGHTS[fate.priority] for fate in fates)
    charges = dict.fromkeys(
        [*CLASSES.values(), *(f"unfinished_{c}" for c in CLASSES.values())], 0.0
    )
    for number, fate in enumerate(fates):
        name, share = CLASSES[fate.priority], WEIGHTS[fate.priority] / weights
        if fate.latency_seconds is not None:
            charges[name] += share * fate.latency_seconds
        else:
            arrived = jobs.arrival(number) / params.ticks_per_second
            charges[name] += share * (params.duration - arrived)
            charges[f"unfinished_{name}"] += share * arrived
    return charges


def _unfinished(
    params: Params, jobs: Jobs, fates: Sequence[Fate], step: int, samples: int
) -> dict[str, list[float]]:
    """Return by class how many pipelines were in the system, each a mean over ``step`` ticks.

    A pipeline that is charged as unfinished counts from its arrival to the end.
    """
    ends = np.minimum(np.arange(samples + 1) * step, params.num_ticks)
    rows = {}
    for priority, name in CLASSES.items():
        members = [number for number, fate in enumerate(fates) if fate.priority == priority]
        came = np.array([jobs.arrival(number) for number in members], dtype=np.int64)
        left = np.array(
            [
                params.num_ticks if fates[number].latency_seconds is None
                else jobs.finished_tick[number]
                for number in members
            ],
            dtype=np.int64,
        )  # fmt: skip
        held = _ticks_since(came, ends) - _ticks_since(np.sort(left), ends)
        rows[f"unfinished_{name}"] = [round(float(each), 3) for each in np.diff(held) / step]
    return rows


def _ticks_since(moments: "IntArray", ends: "IntArray") -> "IntArray":
    """Return for each end how many ticks have passed since all sorted moments before, in sum."""
    sums = np.concatenate(([0], np.cumsum(moments)))
    before = np.searchsorted(moments, ends)
    return before * ends - sums[before]


def _timeline(
    params: Params, jobs: Jobs, fates: Sequence[Fate], recorder: Recorder
) -> dict[str, Any]:
    step = recorder.timeline_stride * recorder.sample_step
    query, interactive, batch = recorder.timeline.queued
    return {
        "seconds_per_sample": step / params.ticks_per_second,
        "allocated_cpu": recorder.timeline.allocated_cpu,
        "allocated_ram_gb": recorder.timeline.allocated_ram_gb,
        "queued_query": query,
        "queued_interactive": interactive,
        "queued_batch": batch,
        "oom_kills": [recorder.oom_marks.get(mark, 0) for mark in range(len(batch))],
        **_unfinished(params, jobs, fates, step, len(batch)),
    }


def _containers(
    params: Params, jobs: Jobs, pools: Sequence[Pool], recorder: Recorder
) -> dict[str, Any]:
    """Return how many containers there were and, of the first ones, what each held and when.

    A span is [start second, end second, pool, cpus, GB, priority, outcome]; outcomes are ok, OOM,
    timeout, suspended, and running at the end of the simulation. Priority 1 is query, 3 is batch.
    """
    ends = [(each.container, each.tick, each.outcome) for each in recorder.first_ended]
    left = [each for pool in pools for each in (*pool.active, *pool.suspending)]
    ends += [
        (each, params.num_ticks - 1, "running") for each in left if each.number <= CONTAINERS_KEPT
    ]
    ends.sort(key=lambda end: end[0].number)
    suspended = sum(len(pool.suspended) for pool in pools)
    tps, pipelines, pipeline_of = params.ticks_per_second, jobs.pipelines, jobs.pipeline_of
    spans = [
        [
            round(each.created / tps, 3),
            round((tick + 1) / tps, 3),
            each.pool.index,
            each.cpu,
            each.ram,
            int(pipelines[pipeline_of[each.ops[0]]].priority),
            outcome,
        ]
        for each, tick, outcome in ends
    ]
    return {"created": len(recorder.elapsed_ticks) + len(left) + suspended, "spans": spans}


def _finite(value: Any) -> Any:
    """Replace numbers that are not finite by None, at every depth."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return value
