"""How one genome becomes another: seeds, mutation, crossover, tuning by measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from simulator.domain_host import Metrics
from simulator.domains.pipelines.offline.space import GENES, Genome
from simulator.genes import Value, Weakness, mean, ratio, worst_first

step, with_values = GENES.step, GENES.with_values

SHAKEN = 6
"""How many genes of a seed's corner a sample changes."""

SEEDS: tuple[Mapping[str, Value], ...] = (
    {"order": "priority"},
    {"order": "weighted", "start_gb": 16, "growth": 1.5, "quick_growth": 1.5, "look_ahead": 64},
    {"order": "shortest", "cpus": 6, "least_cpus": 2, "start_gb": 64, "placement": "most_free"},
    {"order": "priority", "grouping": "pipeline", "cpus": 6, "start_gb": 64, "preempt": True},
    {"order": "ageing", "cpus": 3, "spread": 2, "start_gb": 8, "kinds": "priority"},
    {"order": "arrival", "cpus": 2, "start_gb": 24, "probe_gb": 4, "batch_share": 0.7},
)
"""Corners of the space to start from, far from one another."""


NEAREST: Mapping[str, Mapping[str, Value]] = {
    "priority": {"order": "priority", "cpus": 3, "start_gb": 24},
    "shortest-first": {"order": "shortest", "start_gb": 16, "look_ahead": 64},
    "right-size": {
        "order": "shortest", "cpus": 1, "spread": 4, "start_gb": 16, "kinds": "priority",
        "look_ahead": 64,
    },
}  # fmt: skip
"""Library policies that the space holds something like, so that they may have descendants."""


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


def nearest_genome(name: str) -> Genome | None:
    """Return the genome that is most like a library policy, where one is like it at all."""
    return with_values(Genome(), NEAREST[name]) if name in NEAREST else None


def seed_genome(number: int) -> Genome:
    """Return the corner of the space with this number."""
    return with_values(Genome(), SEEDS[number])


def sample(rng: Random) -> Genome:
    """Return a genome that owes nothing to other attempts, mostly from around the seeds."""
    return GENES.near(rng, [seed_genome(number) for number in range(len(SEEDS))], SHAKEN)


def advice(genome: Genome, metrics: Sequence[Metrics]) -> Sequence[Genome]:
    """Return the changes that the metrics of some scenarios suggest, best first."""
    return remedies(genome, measure(metrics))


def remedies(genome: Genome, measured: Measured) -> Sequence[Genome]:
    """Return the changes that the measurements suggest, the worst weakness first."""
    found = [
        *_kill_remedies(genome, measured),
        *_memory_remedies(genome, measured),
        *_cpu_remedies(genome, measured),
        *_queue_remedies(genome, measured),
    ]
    return worst_first(genome, found)


def _kill_remedies(genome: Genome, measured: Measured) -> list[Weakness]:
    found: list[Weakness] = []
    if measured.kill_cost > 0.1:
        changes = [with_values(genome, {"probe_gb": 2})]
        changes += [step(genome, name, 1) for name in ("start_gb", "growth", "quantile")]
        changes.append(step(genome, "start_gb", 3))
        changes += [with_values(genome, {"kinds": kinds}) for kinds in ("all", "priority")]
        found.append((measured.kill_cost / 0.1, changes))
    if measured.kills_per_completed > 0.05:
        found.append((1.0, [with_values(genome, {"use_estimate": True})]))
    if measured.kills_per_completed > 0.3 and measured.kill_cost < 0.1:
        found.append((1.0, [step(genome, "quick_growth", -1)]))
    return found


def _memory_remedies(genome: Genome, measured: Measured) -> list[Weakness]:
    found: list[Weakness] = []
    if measured.memory_used < 0.6:
        # Where kills at once cost little, the least that is enough is found by small steps.
        kinds = "priority" if genome.kinds == "none" else genome.kinds
        changes = [with_values(genome, {"probe_gb": 2, "quick_growth": 1.25})]
        changes.append(with_values(genome, {"kinds": kinds, "watch": True}))
        changes += [step(genome, "quick_growth", -rungs) for rungs in (1, 2)]
        changes += [step(genome, name, -1) for name in ("start_gb", "growth", "quantile")]
        changes += [step(genome, name, -1) for name in ("estimate_margin", "quick_quantile")]
        changes.append(with_values(genome, {"kinds": "all"}))
        found.append((0.6 / max(measured.memory_used, 0.01), changes))
    if measured.memory_allocated > 0.7:
        changes = [step(genome, name, 1) for name in ("cpus", "spread")]
        found.append((measured.memory_allocated / 0.7, [*changes, step(genome, "start_gb", -2)]))
    if measured.memory_allocated < 0.3:
        found.append((1.0, [step(genome, "idle_share", 1)]))
    return found


def _cpu_remedies(genome: Genome, measured: Measured) -> list[Weakness]:
    found: list[Weakness] = []
    if measured.cpu_allocated > 0.7 and measured.waiting > 0.05:
        # Beyond three CPUs many operators gain nothing; with fewer, most lose.
        changes = [with_values(genome, {"cpus": 3, "least_cpus": 3})]
        changes += [step(genome, "cpus", -rungs) for rungs in (1, 2)]
        changes += [step(genome, "least_cpus", rungs) for rungs in (-1, 1)]
        changes += [with_values(genome, {"scan_cpus": cpus}) for cpus in (1, 2)]
        found.append((measured.cpu_allocated / 0.7, changes))
    if measured.cpu_allocated < 0.6:
        changes = [step(genome, name, 1) for name in ("cpus", "spread")]
        changes.append(step(genome, "least_cpus", -2))
        found.append((0.6 / max(measured.cpu_allocated, 0.01), changes))
    return found


def _queue_remedies(genome: Genome, measured: Measured) -> list[Weakness]:
    found: list[Weakness] = []
    if measured.query_wait > 0.3:
        changes = [with_values(genome, {"order": order}) for order in ("shortest", "weighted")]
        changes += [step(genome, name, 1) for name in ("query_boost", "query_reserve")]
        found.append((measured.query_wait / 0.3, [*changes, step(genome, "batch_share", -1)]))
    if measured.starved > 0.1:
        orders = ("shortest", "weighted", "smallest")
        changes = [with_values(genome, {"order": order}) for order in orders]
        found.append((measured.starved / 0.1, changes))
    if measured.waiting > 0.3:
        changes = [
            step(genome, "look_ahead", 1),
            with_values(genome, {"grouping": "operator"}),
        ]
        found.append((measured.waiting / 0.3, changes))
    if measured.waiting < 0.2:
        changes = [step(genome, "query_reserve", -1), step(genome, "batch_share", 1)]
        found.append((1.0, changes))
    return found


def measure(known: Sequence[Metrics]) -> Measured:
    """Return means over the scenarios; neutral figures where nothing is known."""
    return Measured(
        kills_per_completed=mean([_kills(metrics) for metrics in known], 0.0),
        kill_cost=mean([_kill_cost(metrics) for metrics in known], 0.0),
        cpu_allocated=mean([_part(m, "cpu_allocated_percent") for m in known], 0.7),
        memory_allocated=mean([_part(m, "memory_allocated_percent") for m in known], 0.7),
        memory_used=mean([_used(metrics) for metrics in known], 0.7),
        waiting=mean([_waiting(metrics) for metrics in known], 0.2),
        query_wait=mean([_query_wait(metrics) for metrics in known], 0.3),
        starved=mean([_starved(metrics) for metrics in known], 0.0),
    )


def _kills(metrics: Metrics) -> float | None:
    return ratio(metrics.get("oom_kills"), max(1, metrics.get("pipelines_completed") or 0))


def _kill_cost(metrics: Metrics) -> float | None:
    completed = max(1, metrics.get("pipelines_completed") or 0)
    served = metrics.get("service_seconds_mean")
    return ratio(metrics.get("oom_wasted_cpu_seconds"), served and served * completed)


def _part(metrics: Metrics, name: str) -> float | None:
    return ratio(metrics.get(name), 100.0)


def _used(metrics: Metrics) -> float | None:
    return ratio(metrics.get("memory_consumed_percent"), metrics.get("memory_allocated_percent"))


def _waiting(metrics: Metrics) -> float | None:
    waited = metrics.get("queue_wait_seconds_mean")
    served = metrics.get("service_seconds_mean")
    if waited is None or served is None:
        return None
    return ratio(waited, waited + served)


def _query_wait(metrics: Metrics) -> float | None:
    latency = metrics.get("latency") or {}
    means = [(latency.get(name) or {}).get("mean") for name in ("query", "all")]
    return ratio(means[0], means[1])


def _starved(metrics: Metrics) -> float | None:
    return ratio(metrics.get("starved_pipelines"), metrics.get("pipelines_arrived"))
