"""The space that the offline proposer searches: the decisions of a policy and their values."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

Value = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Genome:
    """The decisions that make one policy; the defaults are a plain and reasonable scheduler."""

    order: str = "priority"
    """Who is served first."""
    begun_first: bool = False
    """Whether pipelines that have begun go before those that have not, within the order."""
    ageing_seconds: float = 60.0
    """Order ``ageing``: waiting this long is worth one class of priority."""
    grouping: str = "operator"
    """One operator per container, or all that is left of a pipeline in one."""
    cpus: int = 4
    query_cpus: int = 4
    spread: int = 1
    """How many times its usual CPUs a container may get when some would idle."""
    squeeze: bool = False
    """Whether a container may start with fewer CPUs than it should have."""
    start_gb: int = 32
    growth: float = 2.0
    """Factor on the memory request after an out-of-memory kill."""
    patience: int = 6
    """Kills of an operator after which its request is all the memory of a pool."""
    memory_scope: str = "operator"
    """Whom a lesson about memory holds for: the operator, its pipeline, its priority, or its kind,
    which is all operators of a priority at the same place of their DAG."""
    decay: float = 1.0
    """Scope ``priority``: factor on the learned request after each success."""
    quantile: float = 0.5
    """Scope ``kind``: how many of a kind's latest operators the first request should have held."""
    use_estimate: bool = True
    estimate_margin: float = 1.25
    placement: str = "best_fit"
    look_ahead: int = 16
    """How many requests that do not fit may be passed over; 0 means that the first one waits."""
    query_reserve: float = 0.0
    """Part of each pool that only queries may use."""
    batch_share: float = 1.0
    """Part of all CPUs that batch pipelines may hold together."""
    preempt: bool = False
    """Grouping ``pipeline``: suspend batch work at an operator's end while a query waits."""


CHOICES: Mapping[str, tuple[Value, ...]] = {
    "order": ("arrival", "priority", "priority_shortest", "shortest", "weighted", "ageing"),
    "begun_first": (False, True),
    "ageing_seconds": (10.0, 30.0, 60.0, 120.0, 300.0),
    "grouping": ("operator", "pipeline"),
    "cpus": (1, 2, 3, 4, 6, 8, 12, 16, 24),
    "query_cpus": (1, 2, 3, 4, 6, 8, 12, 16, 24),
    "spread": (1, 2, 4, 8),
    "squeeze": (False, True),
    "start_gb": (2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 56, 64, 80, 96, 128, 192, 256),
    "growth": (1.25, 1.5, 2.0, 3.0, 4.0),
    "patience": (2, 3, 4, 6, 8, 12),
    "memory_scope": ("operator", "pipeline", "priority", "kind"),
    "quantile": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "decay": (0.9, 0.94, 0.97, 0.99, 1.0),
    "use_estimate": (False, True),
    "estimate_margin": (1.0, 1.1, 1.25, 1.5, 2.0),
    "placement": ("first_fit", "best_fit", "most_free"),
    "look_ahead": (0, 4, 16, 64),
    "query_reserve": (0.0, 0.05, 0.1, 0.2, 0.3),
    "batch_share": (0.3, 0.5, 0.7, 0.85, 1.0),
    "preempt": (False, True),
}
"""Every value of every gene. Numbers rise, so that a step to a neighbour is small."""

NAMES = tuple(field.name for field in fields(Genome))


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
    if genome.order in ("priority_shortest", "shortest", "weighted"):
        idle.append("begun_first")
    if genome.memory_scope != "priority":
        idle.append("decay")
    if genome.memory_scope != "kind":
        idle.append("quantile")
    if not genome.use_estimate:
        idle.append("estimate_margin")
    if genome.grouping != "pipeline":
        idle.append("preempt")
    return replace(genome, **{name: getattr(plain, name) for name in idle})


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
