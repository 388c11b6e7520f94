"""The space that the offline proposer searches: the decisions of a policy and their values."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

Value = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Genome:
    """The decisions that make one policy; the defaults are a plain and reasonable scheduler.

    An operator that is killed in its first moments needs its memory *at once*; one that is killed
    later *grows* into it. A policy may treat the two differently after a kill.
    """

    order: str = "priority"
    """Who is served first."""
    ageing_seconds: float = 60.0
    """Order ``ageing``: waiting this long is worth one class of priority."""
    grouping: str = "operator"
    """One operator per container, or all that is left of a pipeline in one."""
    look_ahead: int = 16
    """Admission: requests that do not fit and may be passed over; 0: the first one waits."""
    query_reserve: float = 0.0
    """Admission: part of each pool that only queries may use."""
    batch_share: float = 1.0
    """Admission: part of all CPUs that batch pipelines may hold together."""
    cpus: int = 4
    spread: int = 1
    """Containers get up to so many times ``cpus`` when not all would be used."""
    least_cpus: int = 4
    """A container starts with fewer CPUs than it should have, but not with fewer than these."""
    query_boost: int = 1
    """Factor on the CPUs of queries."""
    scan_cpus: int = 0
    """CPUs for operators that are known to grow; 0: as for the others."""
    start_gb: int = 32
    probe_gb: int = 0
    """A first request so small that a kill tells cheaply how memory is needed; 0: none."""
    idle_share: float = 0.0
    """Part of a pool's free memory that a container gets when next to nothing waits or runs."""
    use_estimate: bool = True
    estimate_margin: float = 1.25
    growth: float = 2.0
    """Retry: factor on the request after a kill."""
    quick_growth: float = 2.0
    """Retry: the same for operators that need their memory at once."""
    kinds: str = "none"
    """Whose successes teach the requests of whom: nobody's, all operators', those at the same place
    of their DAG, or those at the same place and of the same priority."""
    quantile: float = 0.5
    """How many of a kind's latest operators a learned request should have held."""
    quick_quantile: float = 0.2
    """The same for operators that need their memory at once, where kills cost little."""
    placement: str = "best_fit"
    preempt: bool = False
    """Grouping ``pipeline``: suspend batch work at an operator's end while a query waits."""


CHOICES: Mapping[str, tuple[Value, ...]] = {
    "order": ("arrival", "priority", "shortest", "smallest", "weighted", "ageing"),
    "ageing_seconds": (10.0, 30.0, 60.0, 120.0, 300.0),
    "grouping": ("operator", "pipeline"),
    "look_ahead": (0, 4, 16, 64),
    "query_reserve": (0.0, 0.05, 0.1, 0.2),
    "batch_share": (0.5, 0.7, 0.85, 1.0),
    "cpus": (1, 2, 3, 4, 5, 6, 8, 12),
    "spread": (1, 2, 3, 4),
    "least_cpus": (1, 2, 3, 4, 5, 6, 8, 12),
    "query_boost": (1, 2, 3),
    "scan_cpus": (0, 1, 2, 3, 4),
    "start_gb": (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128),
    "probe_gb": (0, 1, 2, 4, 8),
    "idle_share": (0.0, 0.25, 0.5, 0.75),
    "use_estimate": (False, True),
    "estimate_margin": (0.6, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5),
    "growth": (1.25, 1.5, 1.75, 2.0, 2.5, 3.0),
    "quick_growth": (1.25, 1.35, 1.5, 2.0, 3.0),
    "kinds": ("none", "all", "place", "priority"),
    "quantile": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "quick_quantile": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7),
    "placement": ("first_fit", "best_fit", "most_free", "balanced"),
    "preempt": (False, True),
}
"""Every value of every gene. Numbers rise, so that a step to a neighbour is small."""

NAMES = tuple(field.name for field in fields(Genome))


def tells_kills_apart(genome: Genome) -> bool:
    """Whether the policy notes if a killed operator needs its memory at once or grows into it."""
    return bool(genome.quick_growth != genome.growth or genome.probe_gb or genome.scan_cpus)


def is_ladder(name: str) -> bool:
    """Whether the gene's values are numbers, so that one step up or down means something."""
    return not isinstance(CHOICES[name][0], str | bool)


def step(genome: Genome, name: str, rungs: int) -> Genome:
    """Return the genome with a number moved by so many rungs, held at the ends of the ladder."""
    ladder = CHOICES[name]
    place = ladder.index(getattr(genome, name)) + rungs
    return with_values(genome, {name: ladder[max(0, min(len(ladder) - 1, place))]})


def with_values(genome: Genome, values: Mapping[str, Value]) -> Genome:
    """Return the genome with these genes replaced, brought to its canonical form."""
    changes: dict[str, Any] = dict(values)
    return canonical(replace(genome, **changes))


def canonical(genome: Genome) -> Genome:
    """Return the genome with every gene that has no effect set to its default.

    Two genomes that make the same policy are equal in this form.
    """
    plain = Genome()
    idle = []
    if genome.order != "ageing":
        idle.append("ageing_seconds")
    if not genome.use_estimate:
        idle.append("estimate_margin")
    if genome.kinds == "none":
        idle += ["quantile", "quick_quantile"]
    if not tells_kills_apart(genome):
        idle.append("quick_quantile")
    if genome.grouping != "pipeline":
        idle.append("preempt")
    changes: dict[str, Any] = {name: getattr(plain, name) for name in idle}
    most = genome.cpus * genome.spread
    changes["least_cpus"] = min(genome.least_cpus, genome.cpus)
    changes["scan_cpus"] = genome.scan_cpus if genome.scan_cpus < most else 0
    done = replace(genome, **changes)
    return done if done == genome else canonical(done)


def random_genome(rng: random.Random) -> Genome:
    """Return a point drawn evenly from the whole space."""
    return with_values(Genome(), {name: rng.choice(CHOICES[name]) for name in NAMES})


def to_text(genome: Genome) -> str:
    """Return the genome as ``name=value`` words, in the order of the fields."""
    return " ".join(f"{name}={getattr(genome, name)}" for name in NAMES)


def from_source(source: str) -> Genome | None:
    """Return the genome that a policy's docstring records, or None if it records no valid one."""
    found = re.search(r"^genome: ((?:[a-z_]+=\S+\s+)+)", source, re.MULTILINE)
    if found is None:
        return None
    words = dict(word.split("=", 1) for word in found.group(1).split())
    values = {name: _parse(name, words.get(name, "")) for name in NAMES}
    if set(words) != set(NAMES) or None in values.values():
        return None
    return canonical(Genome(**values))


def _parse(name: str, text: str) -> Any:
    return next((value for value in CHOICES[name] if str(value) == text), None)
