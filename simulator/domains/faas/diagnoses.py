"""Says what the figures of a policy mean: over the scenarios of a candidate, in sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.domain_host import Metrics

COMPARED = "keep-alive-10min"
SHOWN_TENANTS = 3
UNEVEN = 1.3
"""Times an even share of the delay from which on a tenant is named."""
MUCH_MEMORY = 0.6
"""Part of the cost from which on memory is said to be what costs."""
MANY_UNUSED = 0.1
MANY_PULLS = 0.2
MANY_EVICTIONS = 0.3
"""Evictions per cold start from which on memory is said to be short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Means over scenarios, each counting the same, and sums where they mean something."""

    cost: float
    delay_cost: float
    memory_cost: float
    cold_share: float
    p99_seconds: float
    """In the scenario where it is worst."""
    idle_gb_seconds: float
    start_gb_seconds: float
    busy_share: float
    lost: int
    """Invocations that never began."""
    invocations: int
    instances: int
    unused: int
    evictions: int
    cold: float
    """Cold invocations."""
    missing_packages: float
    """Part of the packages that a start did not find on its node."""
    waiting: float
    """Part of the time at which something waits."""


def diagnose(own: Sequence[Metrics], reference: Sequence[Metrics]) -> list[str]:
    """Return what held a policy back, beside the reference policy's figures where there are any."""
    mine, theirs = figures(own), figures(reference)
    if mine is None:
        return []
    return [
        *_costs(mine, theirs),
        *_cold_starts(mine, theirs),
        *_idle_memory(mine, theirs),
        *_shortage(mine),
        *_packages(mine),
        *_tenants(own),
    ]


def figures(known: Sequence[Metrics]) -> Figures | None:
    """Return the figures of the scenarios that ended well, or None when there is none."""
    if not known:
        return None
    counts = [int(each.get("invocations") or 0) for each in known]
    created = [int((each.get("instances") or {}).get("created") or 0) for each in known]
    lost = [_number(each, "not_served_share") for each in known]
    unused = [_number(each, "instances_unused_share") for each in known]
    cold = [_number(each, "cold_start_share") for each in known]
    hits = [
        each["package_hit_share"] for each in known if each.get("package_hit_share") is not None
    ]
    return Figures(
        cost=_mean(known, "cost_seconds"),
        delay_cost=_mean(known, "delay_cost_seconds"),
        memory_cost=_mean(known, "memory_cost_seconds"),
        cold_share=_mean(known, "cold_start_share"),
        p99_seconds=max(_number(each, "p99_delay_seconds") for each in known),
        idle_gb_seconds=sum(_number(each, "idle_gb_seconds") for each in known),
        start_gb_seconds=sum(_number(each, "start_gb_seconds") for each in known),
        busy_share=_mean(known, "busy_share"),
        lost=sum(round(part * count) for part, count in zip(lost, counts, strict=True)),
        invocations=sum(counts),
        instances=sum(created),
        unused=sum(round(part * count) for part, count in zip(unused, created, strict=True)),
        evictions=sum(int(each.get("evictions") or 0) for each in known),
        cold=sum(part * count for part, count in zip(cold, counts, strict=True)),
        missing_packages=1 - sum(hits) / len(hits) if hits else 0.0,
        waiting=sum(_waiting(each) for each in known) / len(known),
    )


def _costs(own: Figures, other: Figures | None) -> list[str]:
    against = "" if other is None else f" ({COMPARED}: {_cost(other)})"
    lines = [f"an invocation costs {_cost(own)}, mean over scenarios{against}"]
    if own.cost and own.memory_cost / own.cost > MUCH_MEMORY:
        lines.append(
            "memory costs most: shorter keep-alives, or waiting for busy instances, may help"
        )
    elif own.cost and own.memory_cost / own.cost < 1 - MUCH_MEMORY:
        lines.append("delay costs most: longer keep-alives, or starts ahead of need, may help")
    return lines


def _cost(each: Figures) -> str:
    return (
        f"{each.cost:.3g} s: {each.delay_cost:.3g} s of delay and {each.memory_cost:.3g} s "
        "for memory"
    )


def _cold_starts(own: Figures, other: Figures | None) -> list[str]:
    against = "" if other is None else f" ({COMPARED}: {other.cold_share:.1%})"
    return [
        f"{own.cold_share:.1%} of the invocations waited for a cold start{against}; the 99th "
        f"percentile of the delay is up to {own.p99_seconds:.3g} s"
    ]


def _idle_memory(own: Figures, other: Figures | None) -> list[str]:
    against = "" if other is None else f" ({COMPARED}: {other.idle_gb_seconds:.0f})"
    lines = [
        f"instances idled for {own.idle_gb_seconds:.0f} GB s{against} and started for "
        f"{own.start_gb_seconds:.0f} GB s; {own.busy_share:.0%} of the ready memory was at work"
    ]
    if own.instances and own.unused / own.instances > MANY_UNUSED:
        lines.append(
            f"{own.unused} of {own.instances} instances never ran anything: started ahead or "
            "beside one that became free earlier"
        )
    return lines


def _shortage(own: Figures) -> list[str]:
    lines = []
    if own.evictions:
        lines.append(f"{own.evictions} idle instances were evicted to make room for others")
    if own.cold and own.evictions / own.cold > MANY_EVICTIONS:
        lines.append("memory is short: what is kept longest is not what is needed next")
    if own.lost:
        lines.append(
            f"{own.lost} of {own.invocations} invocations never began; each is charged its whole "
            "patience"
        )
    if own.waiting > MANY_EVICTIONS:
        lines.append(f"something waited for an instance in {own.waiting:.0%} of the time")
    return lines


def _packages(own: Figures) -> list[str]:
    if own.missing_packages <= MANY_PULLS:
        return []
    return [
        f"{own.missing_packages:.0%} of the packages had to be pulled when an instance started: "
        "place where they are, or prefetch them"
    ]


def _tenants(known: Sequence[Metrics]) -> list[str]:
    """Return the tenants that fare worst, each against the mean of its scenario."""
    found = []
    for number, metrics in enumerate(known):
        rows = [
            (name, row)
            for name, row in (metrics.get("tenants") or {}).items()
            if row.get("mean") is not None
        ]
        if len(rows) < 2:
            continue
        whole = sum(row["mean"] for _, row in rows)
        for name, row in rows:
            share = row["mean"] / whole if whole else 0.0
            if share > UNEVEN / len(rows):
                found.append((share * len(rows), number, _tenant(name, row, share)))
    found.sort(key=lambda each: (-each[0], each[1]))
    return [text for _, _, text in found[:SHOWN_TENANTS]]


def _tenant(name: str, row: Any, share: float) -> str:
    cold = row.get("cold_start_share")
    starts = "" if cold is None else f", {cold:.0%} of them cold"
    unserved = int(row.get("timed_out") or 0) + int(row.get("rejected") or 0)
    lost = f", {unserved} never began" if unserved else ""
    return (
        f"{name} bears {share:.0%} of the delay in one scenario, each tenant counting alike: "
        f"{row['arrived']} invocations{starts}{lost}, mean delay {row['mean']:.3g} s"
    )


def _waiting(metrics: Metrics) -> float:
    samples: Iterable[float] = (metrics.get("timeline") or {}).get("waiting") or ()
    values = list(samples)
    return sum(1 for each in values if each) / len(values) if values else 0.0


def _number(metrics: Metrics, name: str) -> float:
    return float(metrics.get(name) or 0.0)


def _mean(known: Sequence[Metrics], name: str) -> float:
    return sum(_number(each, name) for each in known) / len(known)
