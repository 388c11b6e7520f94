"""Says what the figures of a policy mean: sums over the scenarios of a candidate, in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from simulator.domain_host import Metrics
from simulator.domains.pipelines.objectives import WEIGHTS as WEIGHTS_OF_PRIORITIES
from simulator.domains.pipelines.stats import CLASSES

WEIGHTS = {name: WEIGHTS_OF_PRIORITIES[priority] for priority, name in CLASSES.items()}
"""Weight of each class of pipelines in the objective, most urgent first."""

UNDONE = "unfinished pipelines"
SHOWN_REQUESTS = 3


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
    """Percent of the weighted latency that each class, and unfinished pipelines, makes."""


def diagnose(metrics: Sequence[Metrics], reference: Sequence[Metrics]) -> list[str]:
    """Return what held a policy back, beside the reference policy's figures where there are any."""
    measured = figures(metrics)
    if measured is None:
        return []
    return [
        *_classes(measured, figures(reference)),
        *_charges(measured),
        *_waits(measured),
        *_resources(measured),
        *_kills(measured),
        *_starvation(measured),
    ]


def _classes(own: Figures, other: Figures | None) -> list[str]:
    lines = []
    for name, mine in own.classes.items():
        if not mine.arrived:
            continue
        theirs = other.classes.get(name) if other is not None else None
        against = f" (naive: {_fared(theirs)})" if theirs is not None else ""
        lines.append(f"{name}: {_fared(mine)}{against}")
    return lines


def _fared(fared: ClassFigures) -> str:
    mean = "" if fared.mean_seconds is None else f", mean latency {_seconds(fared.mean_seconds)}"
    tail = "" if fared.p95_seconds is None else f", p95 up to {_seconds(fared.p95_seconds)}"
    return f"{fared.completed} of {fared.arrived} completed{mean}{tail}"


def _charges(own: Figures) -> list[str]:
    shares = [f"{name} {share:.0f} %" for name, share in own.charges.items() if share >= 0.5]
    return [f"the weighted latency comes from: {', '.join(shares)}"] if shares else []


def _waits(own: Figures) -> list[str]:
    if own.wait_seconds is None or own.service_seconds is None:
        return []
    return [
        f"a pipeline waits {_seconds(own.wait_seconds)} for its first operator and takes "
        f"{_seconds(own.service_seconds)} from there, on average"
    ]


def _resources(own: Figures) -> list[str]:
    cpu, ram, used = (
        own.cpu_allocated_percent,
        own.memory_allocated_percent,
        own.memory_used_percent,
    )
    lines = []
    if cpu is not None and ram is not None:
        of_it = "" if used is None else f", of which {used:.0f} % was used"
        lines.append(f"CPUs {cpu:.0f} % allocated, memory {ram:.0f} % allocated{of_it}")
    if used is not None and used < 40 and (ram or 0) > 60:
        lines.append("memory requests are far above the need and block other work")
    if cpu is not None and ram is not None and cpu < 50 and ram < 50:
        lines.append("half of the cluster is idle: more CPUs or more operators at once may help")
    if cpu is not None and cpu > 90 and (ram or 0) < 60:
        lines.append("CPUs are the bottleneck: fewer per container would let more run at once")
    return lines


def _kills(own: Figures) -> list[str]:
    if not own.oom_kills:
        return []
    lines = [
        f"{own.oom_kills} out-of-memory kills wasted {own.oom_wasted_cpu_seconds:.0f} CPU seconds"
    ]
    for requested, observed, count in own.oom_requests:
        lines.append(f"{count} of them requested {requested:g} GB and had reached {observed:g} GB")
    return lines


def _starvation(own: Figures) -> list[str]:
    lines = []
    if own.starved:
        lines.append(f"{own.starved} pipelines arrived and never had an operator started")
    if own.timed_out:
        lines.append(f"{own.timed_out} pipelines timed out")
    return lines


def _seconds(value: float) -> str:
    return f"{value:.1f} s"


def figures(known: Sequence[Metrics]) -> Figures | None:
    """Return the figures of the scenarios that ended well, or None when there is none."""
    if not known:
        return None
    allocated = _mean(known, "memory_allocated_percent")
    consumed = _mean(known, "memory_consumed_percent")
    return Figures(
        classes={name: _class_figures(known, name) for name in WEIGHTS},
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
        charges=_shares(known),
    )


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


def _shares(known: Sequence[Metrics]) -> dict[str, float]:
    """Return what makes the weighted latency, each scenario counting the same."""
    shares: dict[str, list[float]] = {name: [] for name in (*WEIGHTS, UNDONE)}
    for metrics in known:
        classes = {name: _class(metrics, name) for name in WEIGHTS}
        weights = sum(WEIGHTS[name] * _count(classes[name], "arrived") for name in WEIGHTS)
        charged = _number(metrics, "weighted_latency_seconds") * weights
        if charged <= 0:
            continue
        own = {
            name: WEIGHTS[name] * _count(each, "completed") * _number(each, "mean") / charged
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
