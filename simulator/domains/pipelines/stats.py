"""The reference's statistics, figure by figure, with its names and nesting."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simulator.domains.pipelines.containers import Pool
from simulator.domains.pipelines.jobs import NOT_YET, Jobs
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.recorder import Recorder
from simulator.domains.pipelines.workload import Priority
from simulator.exact_sums import float_sum

LATENCY_WEIGHTS = {"query": 10, "interactive": 5, "batch": 1}
CLASSES = {
    Priority.QUERY: "query",
    Priority.INTERACTIVE: "interactive",
    Priority.BATCH_PIPELINE: "batch",
}


def compute_stats(
    params: Params,
    jobs: Jobs,
    pools: Sequence[Pool],
    recorder: Recorder,
    counts: Mapping[str, int],
) -> dict[str, Any]:
    """Return the statistics of a simulation; figures without data are None."""
    allocated, consumed = _memory_percent(params, pools, recorder)
    stats: dict[str, Any] = {
        "pipelines_created": jobs.arrived,
        "containers_completed": recorder.completed,
        "throughput": recorder.completed / params.duration,
        "p99_latency": percentile_seconds(recorder.elapsed_ticks, 99, params.ticks_per_second),
        "assignments": counts["assignments"],
        "suspensions": counts["suspensions"],
        "failures": sum(recorder.errors.values()),
        "failure_error_counts": dict(recorder.errors),
        **_pipeline_stats(params, jobs),
        "mean_memory_allocated_percent": allocated,
        "mean_memory_consumed_percent": consumed,
    }
    stats["adjusted_latency"] = adjusted_latency(stats)
    return stats


def adjusted_latency(
    stats: Mapping[str, Any],
    weights: Mapping[str, float] | None = None,
    divide_by_completion_rate: bool = True,
    unfinished_penalty_seconds: float | None = None,
) -> float | None:
    """Return the mean latency weighted by class, raised for unfinished work; None if infinite.

    Unfinished pipelines raise it either through the completion rate or, with
    ``divide_by_completion_rate=False``, by counting with ``unfinished_penalty_seconds`` each.
    """
    if divide_by_completion_rate and unfinished_penalty_seconds is not None:
        raise ValueError(
            "divide_by_completion_rate and unfinished_penalty_seconds exclude each other, give one"
        )
    everything = stats["pipelines_all"]
    arrived, completed = everything["arrival_count"], everything["completion_count"]
    if completed == 0 and not (unfinished_penalty_seconds is not None and arrived > 0):
        return None
    total = 0.0
    weight_sum = 0.0
    for name in ("query", "interactive", "batch"):
        weight = (LATENCY_WEIGHTS if weights is None else weights).get(name, 1)
        part = stats[f"pipelines_{name}"]
        done = part["completion_count"]
        unfinished = part["arrival_count"] - done
        if done > 0:
            total += weight * done * part["mean_latency_seconds"]
            weight_sum += weight * done
        if unfinished_penalty_seconds is not None:
            total += weight * unfinished * unfinished_penalty_seconds
            weight_sum += weight * unfinished
    if weight_sum == 0:
        return None
    mean = total / weight_sum
    return mean / (completed / arrived) if divide_by_completion_rate else mean


def latencies_by_class(params: Params, jobs: Jobs) -> tuple[dict[str, list[int]], dict[str, int]]:
    """Return the latencies in ticks of finished pipelines, and the counts of timed-out ones."""
    latencies: dict[str, list[int]] = {"query": [], "interactive": [], "batch": []}
    timeouts = dict.fromkeys(latencies, 0)
    for number in range(jobs.arrived):
        pipeline = jobs.pipelines[number]
        name = CLASSES[pipeline.priority]
        if timed_out(params, jobs, number):
            timeouts[name] += 1
        elif jobs.finished_tick[number] != NOT_YET:
            latencies[name].append(jobs.finished_tick[number] - jobs.arrival(number))
    return latencies, timeouts


def timed_out(params: Params, jobs: Jobs, number: int) -> bool:
    """Whether the sweep made once per second found the pipeline unsuccessful past its deadline."""
    if jobs.max_job_ticks == 0:
        return False
    deadline = jobs.deadline(number)
    step = params.ticks_per_second
    sweep = min(-(-deadline // step) * step, params.num_ticks - 1)
    if sweep < deadline:
        return False
    successful = jobs.successful_tick[number]
    return successful == NOT_YET or successful > sweep


def percentile_seconds(ticks: Sequence[int], percent: int, tps: float) -> float | None:
    """Return a percentile (linear interpolation) of tick counts in seconds.

    It has the bits of numpy's, which takes ten times as long for so few numbers and loads a module
    the first time.
    """
    if not ticks:
        return None
    ordered = sorted(ticks)
    place = (len(ordered) - 1) * (percent / 100)
    before = math.floor(place)
    low, high = ordered[before], ordered[min(before + 1, len(ordered) - 1)]
    share = place - before
    between = low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
    return between / tps


def mean_seconds(ticks: Sequence[int], tps: float) -> float | None:
    """Return the mean of tick counts in seconds."""
    return float(np.mean(ticks) / tps) if ticks else None


def _pipeline_stats(params: Params, jobs: Jobs) -> dict[str, dict[str, Any]]:
    latencies, timeouts = latencies_by_class(params, jobs)
    arrivals = dict.fromkeys(latencies, 0)
    for number in range(jobs.arrived):
        arrivals[CLASSES[jobs.pipelines[number].priority]] += 1
    everything = [ticks for name in latencies for ticks in latencies[name]]
    rows = {"pipelines_all": (jobs.arrived, sum(timeouts.values()), everything)}
    for name in latencies:
        rows[f"pipelines_{name}"] = (arrivals[name], timeouts[name], latencies[name])
    tps = params.ticks_per_second
    return {
        name: {
            "arrival_count": arrived,
            "completion_count": len(ticks),
            "timeout_count": timed_out,
            "mean_latency_seconds": mean_seconds(ticks, tps),
            "p99_latency_seconds": percentile_seconds(ticks, 99, tps),
        }
        for name, (arrived, timed_out, ticks) in rows.items()
    }


def _memory_percent(
    params: Params, pools: Sequence[Pool], recorder: Recorder
) -> tuple[float | None, float | None]:
    """Return the means over samples of allocated and consumed memory in percent of all memory."""
    whole = params.num_pools * params.ram_gb_per_pool
    allocated = [100 * ram / whole for ram, _, count in recorder.allocated for _ in range(count)]
    columns = [[gb for gb, count in pool.samples for _ in range(count)] for pool in pools]
    consumed = [100 * float_sum(row) / whole for row in zip(*columns, strict=True)]
    if not allocated:
        return None, None
    return _mean(allocated), _mean(consumed)


def _mean(values: Sequence[float]) -> float | None:
    mean = float(np.mean(values))
    return mean if math.isfinite(mean) else None
