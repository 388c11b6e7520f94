"""Adds up the metrics of a candidate's scenarios into the figures that its diagnosis quotes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.outcome import Evaluation
from simulator.objectives import WEIGHTS
from simulator.workload import Priority

CLASSES = ("query", "interactive", "batch")
UNDONE = "what was not completed"
_WEIGHTS = {name: WEIGHTS[priority] for priority, name in zip(Priority, CLASSES, strict=True)}
SHOWN_REQUESTS = 3

Metrics = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """How the pipelines of one priority fared, over all scenarios together."""

    arrived: int
    completed: int
    mean_seconds: float | None
    p95_seconds: float | None
    """In the scenario where it is worst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Sums over scenarios, and means where a sum would mean nothing. None is not known."""

    classes: Mapping[str, ClassFigures]
    wait_seconds: float | None
    service_seconds: float | None
    cpu_allocated_percent: float | None
    memory_allocated_percent: float | None
    memory_used_percent: float | None
    oom_kills: int
    oom_wasted_cpu_seconds: float
    oom_requests: tuple[tuple[float, float, int], ...]
    """(requested GB, GB in use when killed, kills), most frequent first."""
    starved: int
    timed_out: int
    charges: Mapping[str, float]
    """Percent of the weighted latency that each class, and what was not completed, makes."""


def figures(evaluations: Sequence[Evaluation]) -> Figures | None:
    """Return the figures of the scenarios that ended well, or None when there is none."""
    known = [evaluation.metrics for evaluation in evaluations if evaluation.metrics]
    if not known:
        return None
    allocated = _mean(known, "memory_allocated_percent")
    consumed = _mean(known, "memory_consumed_percent")
    return Figures(
        classes={name: _class_figures(known, name) for name in CLASSES},
        wait_seconds=_mean(known, "queue_wait_seconds_mean"),
        service_seconds=_mean(known, "service_seconds_mean"),
        cpu_allocated_percent=_mean(known, "cpu_allocated_percent"),
        memory_allocated_percent=allocated,
        memory_used_percent=consumed / allocated * 100 if allocated and consumed else None,
        oom_kills=int(_sum(known, "oom_kills")),
        oom_wasted_cpu_seconds=_sum(known, "oom_wasted_cpu_seconds"),
        oom_requests=_requests(known),
        starved=int(_sum(known, "starved_pipelines")),
        timed_out=sum(_count(_class(metrics, "all"), "timed_out") for metrics in known),
        charges=_charges(known),
    )


def ratios(own: Sequence[Evaluation], baseline: Sequence[Evaluation]) -> list[tuple[str, float]]:
    """Return (scenario, how many times better than the baseline), worst first."""
    theirs = {each.scenario: _weighted(each) for each in baseline}
    found = []
    for each in own:
        mine, other = _weighted(each), theirs.get(each.scenario)
        if mine and other:
            found.append((each.scenario, other / mine))
    return sorted(found, key=lambda pair: (pair[1], pair[0]))


def _class_figures(known: Sequence[Metrics], name: str) -> ClassFigures:
    classes = [_class(metrics, name) for metrics in known]
    completed = sum(_count(each, "completed") for each in classes)
    seconds = sum(_count(each, "completed") * _number(each, "mean") for each in classes)
    return ClassFigures(
        arrived=sum(_count(each, "arrived") for each in classes),
        completed=completed,
        mean_seconds=seconds / completed if completed else None,
        p95_seconds=max(_values(classes, "p95"), default=None),
    )


def _charges(known: Sequence[Metrics]) -> dict[str, float]:
    """Return what makes the weighted latency, each scenario counting the same."""
    shares: dict[str, list[float]] = {name: [] for name in (*CLASSES, UNDONE)}
    for metrics in known:
        classes = {name: _class(metrics, name) for name in CLASSES}
        weights = sum(_WEIGHTS[name] * _count(classes[name], "arrived") for name in CLASSES)
        charged = _number(metrics, "weighted_latency_seconds") * weights
        if charged <= 0:
            continue
        own = {
            name: _WEIGHTS[name] * _count(each, "completed") * _number(each, "mean") / charged
            for name, each in classes.items()
        }
        for name, share in {**own, UNDONE: max(0.0, 1.0 - sum(own.values()))}.items():
            shares[name].append(share)
    return {name: 100 * sum(each) / len(each) for name, each in shares.items() if each}


def _requests(known: Sequence[Metrics]) -> tuple[tuple[float, float, int], ...]:
    counts: dict[tuple[float, float], int] = {}
    for metrics in known:
        for requested, observed, count in metrics.get("oom_by_request") or ():
            key = (float(requested), float(observed))
            counts[key] = counts.get(key, 0) + int(count)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple((key[0], key[1], count) for key, count in ordered[:SHOWN_REQUESTS])


def _weighted(evaluation: Evaluation) -> float | None:
    value = (evaluation.metrics or {}).get("weighted_latency_seconds")
    return float(value) if value is not None else None


def _class(metrics: Metrics, name: str) -> Metrics:
    found = (metrics.get("latency") or {}).get(name)
    return found if isinstance(found, dict) else {}


def _count(metrics: Metrics, name: str) -> int:
    return int(metrics.get(name) or 0)


def _number(metrics: Metrics, name: str) -> float:
    return float(metrics.get(name) or 0.0)


def _values(known: Iterable[Metrics], name: str) -> list[float]:
    return [float(metrics[name]) for metrics in known if metrics.get(name) is not None]


def _mean(known: Iterable[Metrics], name: str) -> float | None:
    values = _values(known, name)
    return sum(values) / len(values) if values else None


def _sum(known: Iterable[Metrics], name: str) -> float:
    return sum(_values(known, name))
