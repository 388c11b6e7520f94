"""How one genome becomes another: seeds, mutation, crossover, tuning by measurements."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.offline.space import (
    CHOICES,
    NAMES,
    Genome,
    Value,
    is_ladder,
    step,
    with_values,
)

MUTATED_GENES = (1, 1, 1, 2, 2, 3)
"""How many genes a mutation changes, drawn from these."""

SMALL_STEP_CHANCE = 0.7
"""How often a mutated number moves to a neighbour and not anywhere on its ladder."""

SEEDS: tuple[Mapping[str, Value], ...] = (
    {"order": "priority", "cpus": 4, "start_gb": 32},
    {"order": "weighted", "cpus": 4, "start_gb": 16, "growth": 1.5, "patience": 12},
    {"order": "shortest", "cpus": 6, "start_gb": 64, "spread": 2, "placement": "most_free"},
    {"order": "priority", "grouping": "pipeline", "cpus": 6, "start_gb": 64, "preempt": True},
    {"order": "ageing", "cpus": 3, "spread": 2, "start_gb": 8, "memory_scope": "kind"},
    {"order": "arrival", "begun_first": True, "cpus": 2, "start_gb": 24, "batch_share": 0.7},
)
"""Corners of the space to start from, far from one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What tuning looks at: one candidate's figures, as means over its scenarios."""

    kills_per_completed: float
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


def seed_genome(rng: random.Random, number: int) -> Genome:
    """Return the starting point with this number: a corner of the space, a little shaken."""
    corner = with_values(Genome(), SEEDS[number % len(SEEDS)])
    return corner if number < len(SEEDS) else mutate(rng, corner)


def mutate(rng: random.Random, genome: Genome) -> Genome:
    """Return the genome with one to three different genes changed, each with an effect."""
    wanted = rng.choice(MUTATED_GENES)
    for name in rng.sample(NAMES, len(NAMES)):
        changed = _move(rng, genome, name)
        wanted -= changed != genome
        genome = changed
        if not wanted:
            break
    return genome


def crossover(rng: random.Random, mother: Genome, father: Genome) -> Genome:
    """Return a genome that takes each gene from one of two parents."""
    return with_values(
        mother, {name: getattr(rng.choice((mother, father)), name) for name in NAMES}
    )


def remedies(genome: Genome, measured: Measured) -> Sequence[Genome]:
    """Return the changes that the measurements suggest, each as a whole genome."""
    found = [
        *_memory_remedies(genome, measured),
        *_cpu_remedies(genome, measured),
        *_queue_remedies(genome, measured),
    ]
    return [changed for changed in found if changed != genome]


def _memory_remedies(genome: Genome, measured: Measured) -> list[Genome]:
    found = []
    if measured.kills_per_completed > 0.3:
        found.append(step(genome, "start_gb", 1))
        found.append(step(genome, "start_gb", 3))
        found.append(step(genome, "growth", 1))
        for scope in ("pipeline", "kind"):
            found.append(with_values(genome, {"memory_scope": scope}))
        found.append(step(genome, "quantile", 1))
    if measured.memory_used < 0.5 and measured.kills_per_completed < 1.0:
        found.append(step(genome, "start_gb", -1))
        found.append(step(genome, "start_gb", -3))
        found.append(step(genome, "growth", -1))
        found.append(step(genome, "quantile", -1))
    if measured.kills_per_completed > 0.05:
        found.append(with_values(genome, {"use_estimate": True}))
    return found


def _cpu_remedies(genome: Genome, measured: Measured) -> list[Genome]:
    found = []
    if measured.cpu_allocated > 0.8 and measured.waiting > 0.3:
        found.append(step(genome, "cpus", -1))
        found.append(step(genome, "cpus", -2))
        found.append(with_values(genome, {"squeeze": True}))
    if measured.cpu_allocated < 0.6:
        found.append(step(genome, "cpus", 1))
        found.append(step(genome, "query_cpus", 1))
        found.append(step(genome, "spread", 1))
    if measured.memory_allocated > 0.8 and measured.cpu_allocated < 0.6:
        found.append(step(step(genome, "start_gb", -2), "cpus", 1))
    return found


def _queue_remedies(genome: Genome, measured: Measured) -> list[Genome]:
    found = []
    if measured.query_wait > 0.5:
        found.append(step(genome, "query_reserve", 1))
        found.append(step(genome, "batch_share", -1))
        found.append(with_values(genome, {"order": "weighted"}))
    if measured.starved > 0.1:
        found.append(with_values(genome, {"order": "weighted"}))
        found.append(with_values(genome, {"order": "shortest"}))
    if measured.waiting > 0.5:
        found.append(step(genome, "look_ahead", 1))
        found.append(with_values(genome, {"grouping": "operator"}))
    if measured.waiting < 0.2:
        found.append(step(genome, "query_reserve", -1))
        found.append(step(genome, "batch_share", 1))
    return found


def _move(rng: random.Random, genome: Genome, name: str) -> Genome:
    if is_ladder(name) and rng.random() < SMALL_STEP_CHANCE:
        return step(genome, name, rng.choice((-1, 1)))
    return with_values(genome, {name: rng.choice(CHOICES[name])})
