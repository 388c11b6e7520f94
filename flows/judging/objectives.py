"""The score of a scenario by each objective: naive's figure against the policy's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from flows.settings.sections import Objective
from sandbox.outcome import Evaluation, Outcome

DEFAULT_OBJECTIVE: Objective = "weighted_latency"
LEAST_DONE = 0.5
"""Counted for a policy that completed nothing: half a pipeline, half a container."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The figures a scenario is scored against: naive's, and the largest charge."""

    weighted_latency_seconds: float
    duration_seconds: float
    goodput_per_hour: float = 0.0
    legacy_throughput: float = 0.0
    legacy_latency_seconds: float | None = None
    pipelines: int = 1


def make_reference(
    metrics: Mapping[str, Any], stats: Mapping[str, Any], duration_seconds: float
) -> Reference:
    """Return the reference that naive's metrics and statistics on a scenario make."""
    return Reference(
        weighted_latency_seconds=float(metrics.get("weighted_latency_seconds") or 0.0),
        duration_seconds=duration_seconds,
        goodput_per_hour=float(metrics.get("pipelines_completed_per_hour") or 0.0),
        legacy_throughput=float(stats.get("throughput") or 0.0),
        legacy_latency_seconds=stats.get("adjusted_latency"),
        pipelines=int(metrics.get("pipelines_arrived") or 0),
    )


def charged_latency(evaluation: Evaluation, reference: Reference) -> float:
    """Return the weighted latency in seconds; a failure is charged the whole duration."""
    if evaluation.outcome is not Outcome.OK or evaluation.metrics is None:
        return reference.duration_seconds
    latency = evaluation.metrics.get("weighted_latency_seconds")
    return float(latency) if latency is not None else 0.0


def scenario_score(
    evaluation: Evaluation, reference: Reference, objective: Objective = DEFAULT_OBJECTIVE
) -> float:
    """Return how many times as good as naive the policy was; 1.0 is naive, higher is better."""
    match objective:
        case "weighted_latency":
            own = charged_latency(evaluation, reference)
            return _over(reference.weighted_latency_seconds, own)
        case "goodput":
            least = LEAST_DONE * 3600.0 / reference.duration_seconds
            own = _figure(evaluation.metrics, "pipelines_completed_per_hour", evaluation)
            return max(own, least) / max(reference.goodput_per_hour, least)
        case "legacy_throughput":
            least = LEAST_DONE / reference.duration_seconds
            own = _figure(evaluation.stats, "throughput", evaluation)
            return max(own, least) / max(reference.legacy_throughput, least)
        case "legacy_latency":
            worst = reference.duration_seconds * max(1, reference.pipelines)
            naive = reference.legacy_latency_seconds
            own = _figure(evaluation.stats, "adjusted_latency", evaluation) or worst
            return _over(worst if naive is None else naive, own)
        case _:
            assert_never(objective)


def _figure(figures: Mapping[str, Any] | None, name: str, evaluation: Evaluation) -> float:
    """Return a figure of a completed evaluation; 0 for a failure or a missing figure."""
    if evaluation.outcome is not Outcome.OK or figures is None:
        return 0.0
    return float(figures.get(name) or 0.0)


def _over(naive: float, own: float) -> float:
    """Return naive's figure over the own; a scenario in which nothing arrived counts as 1."""
    return naive / own if naive > 0.0 and own > 0.0 else 1.0
