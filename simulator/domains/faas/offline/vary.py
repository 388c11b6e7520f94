"""How one genome becomes another: seeds, mutation, crossover, tuning by measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from simulator.domain_host import Metrics
from simulator.domains.faas.offline.space import GENES, Genome
from simulator.genes import Value, Weakness, mean, ratio, worst_first

step, with_values = GENES.step, GENES.with_values

SHAKEN = 4
"""How many genes of a seed's corner a sample changes."""

SEEDS: tuple[Mapping[str, Value], ...] = (
    {"keep": "break_even"},
    {"keep": "cheapest", "worth": "by_tenant", "ahead": True},
    {"keep": "fixed", "seconds": 120.0, "placement": "packed", "prefetch": True},
    {"keep": "cheapest", "rare_seconds": 600.0, "turn": "worth", "reserve": 0.1},
    {"keep": "greedy_dual", "evict": "least_value", "placement": "home", "turn": "light"},
    {
        "keep": "break_even",
        "worth": "by_tenant",
        "wait_share": 1.0,
        "turn": "fair",
        "evict": "tenant_share",
    },
)
"""Corners of the space to start from, far from one another."""

NEAREST: Mapping[str, Mapping[str, Value]] = {
    "keep-alive-10min": {"keep": "fixed", "seconds": 600.0, "placement": "packed"},
    "no-keep-alive": {"keep": "fixed", "seconds": 10.0, "placement": "packed"},
    "break-even": {"keep": "break_even", "placement": "packed"},
    "hybrid-histogram": {"keep": "cheapest", "ahead": True, "placement": "packed"},
    "lru": {"keep": "greedy_dual", "placement": "packed"},
    "greedy-dual": {"keep": "greedy_dual", "evict": "least_value", "placement": "packed"},
    "hash-affinity": {"keep": "fixed", "seconds": 600.0, "placement": "home"},
    "package-aware": {"keep": "break_even"},
    "fair-share": {"keep": "break_even", "turn": "fair", "evict": "tenant_share"},
}
"""Library policies that the space holds something like, so that they may have descendants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What tuning looks at: one candidate's figures, as means over some of its scenarios."""

    cold_share: float
    """Part of the invocations that waited for a start."""
    memory_part: float
    """Part of the cost that is memory."""
    pulling: float
    """Part of the packages that a start did not find on its node."""
    unused: float
    """Part of the instances that served nothing."""
    evicted: float
    """Evictions per cold start."""
    lost: float
    """Part of the invocations that were never served."""
    unfair: float
    """Mean slowdown of the worst tenant over that of the mean tenant."""


def nearest_genome(policy: str) -> Genome | None:
    """Return the genome that is most like a library policy, where one is like it at all."""
    return with_values(Genome(), NEAREST[policy]) if policy in NEAREST else None


def seed_genome(number: int) -> Genome:
    """Return the corner of the space with this number."""
    return with_values(Genome(), SEEDS[number])


def sample(rng: Random) -> Genome:
    """Return a genome that owes nothing to other attempts, mostly from around the seeds."""
    return GENES.near(rng, [seed_genome(number) for number in range(len(SEEDS))], SHAKEN)


# Tuning: what a candidate's figures suggest.


def advice(genome: Genome, metrics: Sequence[Metrics]) -> Sequence[Genome]:
    """Return the changes that the measurements suggest, the worst weakness first."""
    measured = measure(metrics)
    found = [
        *_memory_remedies(genome, measured),
        *_cold_remedies(genome, measured),
        *_tenant_remedies(genome, measured),
    ]
    return worst_first(genome, found)


def _kept_longer(genome: Genome, rungs: int) -> list[Genome]:
    """Return the genome with keep-alives longer (or shorter) by so many rungs, rule by rule."""
    names = {
        "fixed": ("seconds",),
        "cheapest": ("factor", "least_share", "seconds"),
        "greedy_dual": (),
    }.get(genome.keep, ("factor", "seconds"))
    return [step(genome, name, rungs) for name in names]


def _with_each(genome: Genome, *changes: Mapping[str, Value]) -> list[Genome]:
    return [with_values(genome, each) for each in changes]


def _memory_remedies(genome: Genome, measured: Measured) -> list[Weakness]:
    found: list[Weakness] = []
    if measured.memory_part > 0.5:
        # Idle memory costs more than the delays that it saves.
        changes = _with_each(genome, {"keep": "cheapest"}, {"keep": "break_even"})
        changes += _kept_longer(genome, -1)
        changes += _with_each(genome, {"rare_seconds": 600.0}, {"worth": "by_tenant"})
        changes.append(step(genome, "wait_share", 1))
        found.append((measured.memory_part / 0.5, changes))
    if measured.unused > 0.1:
        changes = [step(genome, "wait_share", 1), with_values(genome, {"ahead": False})]
        found.append((measured.unused / 0.1, changes))
    return found


def _cold_remedies(genome: Genome, measured: Measured) -> list[Weakness]:
    found: list[Weakness] = []
    if measured.memory_part < 0.5 and measured.cold_share > 0.02:
        # Delays cost more than the memory that would save them.
        changes = [*_kept_longer(genome, 1), *_kept_longer(genome, 2)]
        changes += _with_each(genome, {"worth": "by_tenant"}, {"rare_seconds": 0.0})
        changes += _with_each(genome, {"keep": "cheapest"}, {"ahead": True})
        changes.append(step(genome, "wait_share", 1))
        found.append((0.5 / max(measured.memory_part, 0.05), changes))
    if measured.pulling > 0.1:
        changes = _with_each(genome, {"prefetch": True}, {"placement": "home"})
        found.append((measured.pulling / 0.1, changes))
    if measured.evicted > 0.3:
        changes = _with_each(genome, {"evict": "least_value"}, {"evict": "tenant_share"})
        changes += _kept_longer(genome, -1)
        found.append((measured.evicted / 0.3, changes))
    return found


def _tenant_remedies(genome: Genome, measured: Measured) -> list[Weakness]:
    found: list[Weakness] = []
    if measured.lost > 0.001 or measured.unfair > 2:
        turns = [{"turn": turn} for turn in ("worth", "light", "fair")]
        changes = _with_each(genome, *turns, {"worth": "by_tenant"})
        changes += [step(genome, "tenant_share", -1), step(genome, "reserve", 1)]
        changes.append(step(genome, "wait_share", 1))
        found.append((max(measured.lost / 0.001, measured.unfair / 2), changes))
    return found


def measure(known: Sequence[Metrics]) -> Measured:
    """Return means over scenarios; neutral figures where nothing is known."""
    return Measured(
        cold_share=mean([each.get("cold_start_share") for each in known], 0.0),
        memory_part=mean([_memory_part(each) for each in known], 0.5),
        pulling=mean([_pulling(each) for each in known], 0.0),
        unused=mean([each.get("instances_unused_share") for each in known], 0.0),
        evicted=mean([_evicted(each) for each in known], 0.0),
        lost=mean([each.get("not_served_share") for each in known], 0.0),
        unfair=mean([_unfair(each) for each in known], 1.0),
    )


def _memory_part(metrics: Metrics) -> float | None:
    return ratio(metrics.get("memory_cost_seconds"), metrics.get("cost_seconds"))


def _pulling(metrics: Metrics) -> float | None:
    found = metrics.get("package_hit_share")
    return None if found is None else 1 - found


def _evicted(metrics: Metrics) -> float | None:
    cold = (metrics.get("cold_start_share") or 0) * (metrics.get("invocations") or 0)
    return ratio(metrics.get("evictions"), cold)


def _unfair(metrics: Metrics) -> float | None:
    rows: Sequence[Mapping[str, Any]] = list((metrics.get("tenants") or {}).values())
    known = [row["mean_slowdown"] for row in rows if row.get("mean_slowdown") is not None]
    return ratio(metrics.get("max_tenant_slowdown"), mean(known, 0.0))
