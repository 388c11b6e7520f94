"""The space of policies that the offline proposer searches, as ``simulator.domain_host.Space``."""

from simulator.domains.faas.offline.space import emit, from_source, random_genome, title
from simulator.domains.faas.offline.vary import (
    SEEDS,
    advice,
    crossover,
    mutate,
    nearest_genome,
    sample,
    seed_genome,
)

__all__ = [
    "SEEDS",
    "advice",
    "crossover",
    "emit",
    "from_source",
    "mutate",
    "nearest_genome",
    "random_genome",
    "sample",
    "seed_genome",
    "title",
]
