"""Condenses the metrics of a candidate's scenarios into the few figures that tuning looks at."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.offline.vary import Measured
from sandbox.outcome import Evaluation


def measure(evaluations: Sequence[Evaluation]) -> Measured:
    """Return means over the scenarios that have metrics; neutral figures where nothing is known."""
    known = [evaluation.metrics for evaluation in evaluations if evaluation.metrics]
    return Measured(
        kills_per_completed=_mean([_kills(metrics) for metrics in known], 0.0),
        cpu_allocated=_mean([_part(m, "cpu_allocated_percent") for m in known], 0.7),
        memory_allocated=_mean([_part(m, "memory_allocated_percent") for m in known], 0.7),
        memory_used=_mean([_used(metrics) for metrics in known], 0.7),
        waiting=_mean([_waiting(metrics) for metrics in known], 0.4),
        query_wait=_mean([_query_wait(metrics) for metrics in known], 0.3),
        starved=_mean([_starved(metrics) for metrics in known], 0.0),
    )


def _kills(metrics: Mapping[str, Any]) -> float | None:
    return _ratio(metrics.get("oom_kills"), max(1, metrics.get("pipelines_completed") or 0))


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
