"""Condenses the metrics of a candidate's scenarios into the few figures that tuning looks at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.outcome import Evaluation

TRAILING_PART = 3
"""One scenario in so many counts as one where a candidate trails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What tuning looks at: one candidate's figures, as means over some of its scenarios."""

    kills_per_completed: float
    kill_cost: float
    """CPU seconds lost in kills, over the seconds that a pipeline is served, per pipeline."""
    cpu_allocated: float
    """Part of all CPU time, 0 to 1."""
    memory_allocated: float
    memory_used: float
    """Part of the allocated memory that was used."""
    waiting: float
    """Part of a pipeline's latency that it spent in the queue."""
    query_wait: float
    """Mean latency of queries over that of all pipelines."""
    starved: float
    """Part of the pipelines that never started."""


def measure(evaluations: Sequence[Evaluation]) -> Measured:
    """Return means over the scenarios that have metrics; neutral figures where nothing is known."""
    known = [evaluation.metrics for evaluation in evaluations if evaluation.metrics]
    return Measured(
        kills_per_completed=_mean([_kills(metrics) for metrics in known], 0.0),
        kill_cost=_mean([_kill_cost(metrics) for metrics in known], 0.0),
        cpu_allocated=_mean([_part(m, "cpu_allocated_percent") for m in known], 0.7),
        memory_allocated=_mean([_part(m, "memory_allocated_percent") for m in known], 0.7),
        memory_used=_mean([_used(metrics) for metrics in known], 0.7),
        waiting=_mean([_waiting(metrics) for metrics in known], 0.2),
        query_wait=_mean([_query_wait(metrics) for metrics in known], 0.3),
        starved=_mean([_starved(metrics) for metrics in known], 0.0),
    )


def trailing(own: Sequence[Evaluation], others: Iterable[Sequence[Evaluation]]) -> list[Evaluation]:
    """Return the third of ``own`` that is furthest behind the best of all in that scenario."""
    best: dict[str, float] = {}
    for evaluations in (own, *others):
        for each in evaluations:
            seconds = _latency(each)
            if seconds is not None:
                best[each.scenario] = min(seconds, best.get(each.scenario, seconds))
    behind = [(_latency(each) or 0.0) / (best.get(each.scenario) or 1.0) for each in own]
    order = sorted(range(len(own)), key=lambda place: (-behind[place], place))
    return [own[place] for place in order[: max(1, len(own) // TRAILING_PART)]]


def _latency(evaluation: Evaluation) -> float | None:
    return (evaluation.metrics or {}).get("weighted_latency_seconds")


def _kills(metrics: Mapping[str, Any]) -> float | None:
    return _ratio(metrics.get("oom_kills"), max(1, metrics.get("pipelines_completed") or 0))


def _kill_cost(metrics: Mapping[str, Any]) -> float | None:
    completed = max(1, metrics.get("pipelines_completed") or 0)
    served = metrics.get("service_seconds_mean")
    return _ratio(metrics.get("oom_wasted_cpu_seconds"), served and served * completed)


def _part(metrics: Mapping[str, Any], name: str) -> float | None:
    return _ratio(metrics.get(name), 100.0)


def _used(metrics: Mapping[str, Any]) -> float | None:
    return _ratio(metrics.get("memory_consumed_percent"), metrics.get("memory_allocated_percent"))


def _waiting(metrics: Mapping[str, Any]) -> float | None:
    waited = metrics.get("queue_wait_seconds_mean")
    served = metrics.get("service_seconds_mean")
    if waited is None or served is None:
        return None
    return _ratio(waited, waited + served)


def _query_wait(metrics: Mapping[str, Any]) -> float | None:
    latency = metrics.get("latency") or {}
    means = [(latency.get(name) or {}).get("mean") for name in ("query", "all")]
    return _ratio(means[0], means[1])


def _starved(metrics: Mapping[str, Any]) -> float | None:
    return _ratio(metrics.get("starved_pipelines"), metrics.get("pipelines_arrived"))


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _mean(values: Sequence[float | None], otherwise: float) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else otherwise
