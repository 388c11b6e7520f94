"""Genomes: policies as named decisions, each with a list of possible values, and how they vary.

A domain's offline space declares a frozen dataclass with one field per gene, every value of each,
and which genes have no effect beside others. Everything here is the same in every domain.
"""

import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Generic, TypeVar

Value = str | int | float | bool
Weakness = tuple[float, list[Any]]
"""How far a figure is beyond what is tolerated, and the genomes that may help."""

MUTATED_GENES = (1, 1, 1, 2, 2, 3)
"""How many genes a mutation changes, drawn from these."""

SMALL_STEP_CHANCE = 0.7
"""How often a mutated number moves to a neighbour and not anywhere on its ladder."""

ANYWHERE_CHANCE = 0.3
"""How often a sample comes from anywhere in the space and not from near a seed."""

G = TypeVar("G", bound=Any)


class Genes(Generic[G]):
    """The genomes of one space: ``plain`` has the defaults, ``choices`` every value of every gene.

    Numbers rise, so that a step to a neighbour is small. ``settled`` returns the values that a
    genome must have where genes have no effect or contradict each other, so that two genomes that
    make the same policy become equal.
    """

    def __init__(
        self,
        plain: G,
        choices: Mapping[str, tuple[Value, ...]],
        settled: Callable[[G], Mapping[str, Any]],
    ) -> None:
        self.plain = plain
        self.choices = choices
        self.names = tuple(field.name for field in fields(plain))
        self._settled = settled

    def is_ladder(self, name: str) -> bool:
        """Whether the gene's values are numbers, so that one step up or down means something."""
        return not isinstance(self.choices[name][0], str | bool)

    def step(self, genome: G, name: str, rungs: int) -> G:
        """Return the genome with a number moved by so many rungs, held at the ladder's ends."""
        ladder = self.choices[name]
        place = ladder.index(getattr(genome, name)) + rungs
        return self.with_values(genome, {name: ladder[max(0, min(len(ladder) - 1, place))]})

    def with_values(self, genome: G, values: Mapping[str, Value]) -> G:
        """Return the genome with these genes replaced, brought to its canonical form."""
        changed: G = replace(genome, **values)
        return self.canonical(changed)

    def canonical(self, genome: G) -> G:
        """Return the genome with every gene that has no effect set to its default.

        Two genomes that make the same policy are equal in this form.
        """
        done: G = replace(genome, **self._settled(genome))
        return done if done == genome else self.canonical(done)

    def defaults(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the default values of these genes."""
        return {name: getattr(self.plain, name) for name in names}

    def random_genome(self, rng: random.Random) -> G:
        """Return a point drawn evenly from the whole space."""
        return self.with_values(
            self.plain, {name: rng.choice(self.choices[name]) for name in self.names}
        )

    def near(self, rng: random.Random, corners: Sequence[G], shaken: int) -> G:
        """Return a genome that owes nothing to other attempts, mostly from around the corners.

        Of a corner, ``shaken`` genes are changed.
        """
        if rng.random() < ANYWHERE_CHANCE:
            return self.random_genome(rng)
        genome = corners[rng.randrange(len(corners))]
        for name in rng.sample(self.names, shaken):
            genome = self._move(rng, genome, name)
        return genome

    def mutate(self, rng: random.Random, genome: G) -> G:
        """Return the genome with one to three different genes changed, each with an effect."""
        parent = genome
        wanted = rng.choice(MUTATED_GENES)
        for name in rng.sample(self.names, len(self.names)):
            changed = self._move(rng, genome, name)
            wanted -= changed != genome
            genome = changed
            if wanted <= 0 and genome != parent:
                return genome
        return genome if genome != parent else self.mutate(rng, parent)

    def crossover(self, rng: random.Random, mother: G, father: G) -> G:
        """Return a genome that takes each gene from one of two parents."""
        return self.with_values(
            mother, {name: getattr(rng.choice((mother, father)), name) for name in self.names}
        )

    def to_text(self, genome: G) -> str:
        """Return the genome as ``name=value`` words, in the order of the fields."""
        return " ".join(f"{name}={getattr(genome, name)}" for name in self.names)

    def from_source(self, source: str) -> G | None:
        """Return the genome that a policy's docstring records, None if it records no valid one."""
        found = re.search(r"^genome: ((?:[a-z_]+=\S+\s+)+)", source, re.MULTILINE)
        if found is None:
            return None
        words = dict(word.split("=", 1) for word in found.group(1).split())
        values = {name: self._parse(name, words.get(name, "")) for name in self.names}
        if set(words) != set(self.names) or None in values.values():
            return None
        genome: G = type(self.plain)(**values)
        return self.canonical(genome)

    def _move(self, rng: random.Random, genome: G, name: str) -> G:
        if self.is_ladder(name) and rng.random() < SMALL_STEP_CHANCE:
            return self.step(genome, name, rng.choice((-1, 1)))
        return self.with_values(genome, {name: rng.choice(self.choices[name])})

    def _parse(self, name: str, text: str) -> Any:
        return next((value for value in self.choices[name] if str(value) == text), None)


def worst_first(genome: G, found: Sequence[Weakness]) -> list[G]:
    """Return the changes that were found, those of the worst weakness first, each once."""
    ranked = sorted(found, key=lambda weakness: -weakness[0])
    advised = [changed for _, changes in ranked for changed in changes]
    return [changed for changed in dict.fromkeys(advised) if changed != genome]


def ratio(part: float | None, whole: float | None) -> float | None:
    """Return part over whole, None where either is not known or there is no whole."""
    return part / whole if part is not None and whole else None


def mean(values: Sequence[float | None], otherwise: float) -> float:
    """Return the mean of the values that are known, ``otherwise`` without any."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else otherwise
