"""The space of policies that the offline proposer searches, as ``simulator.domain_host.Space``."""

from simulator.domains.pipelines.offline.space import GENES, emit, title
from simulator.domains.pipelines.offline.vary import (
    SEEDS,
    advice,
    nearest_genome,
    sample,
    seed_genome,
)

from_source, random_genome = GENES.from_source, GENES.random_genome
mutate, crossover = GENES.mutate, GENES.crossover

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
