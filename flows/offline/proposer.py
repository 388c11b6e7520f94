"""Proposes policies without a model: a proposal follows from seed, slot and attempts."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from flows.offline.emit import emit, title
from flows.offline.measure import measure
from flows.offline.space import Genome, from_source, random_genome
from flows.offline.vary import SEEDS, crossover, mutate, remedies, seed_genome
from flows.proposing import Attempt, Proposal, ProposalRequest
from flows.scoring import normalised_sha256

RANK_PRESSURE = 0.5
"""Chance that the search stops at each rank, from the best down, when it looks for a parent."""

PARENTS = 8
"""How many of the best attempts may become parents."""

OPERATORS = ("tune", "mutate", "crossover")
WEIGHTS = (0.45, 0.35, 0.2)
TRIES = 50
"""How often an operator is repeated when the policy it made was already tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An attempt of ours that may have descendants."""

    genome: Genome
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class OfflineProposer:
    """A seeded evolutionary search that needs no model, no key and no network."""

    name: str = "offline"
    uses_prompt: bool = False
    model: str | None = None

    def propose(self, request: ProposalRequest) -> Proposal:
        """Return a policy whose normalised source differs from that of every earlier attempt.

        It differs from those of the lower slots of its iteration as well: what they propose follows
        from the same request, so it is worked out again here.
        """
        known = {_fingerprint(a.source) for a in request.attempts if a.source is not None}
        parents = _parents(request.attempts)
        made = sum(attempt.origin == "offline" for attempt in request.attempts)
        for slot in range(request.slot):
            earlier = _propose(request, slot, made, parents, known)
            known.add(_fingerprint(earlier.source or ""))
        return _propose(request, request.slot, made, parents, known)


def _propose(
    request: ProposalRequest, slot: int, made: int, parents: Sequence[Parent], known: set[str]
) -> Proposal:
    rng = random.Random(f"{request.seed}/{request.iteration}/{slot}")
    if made + slot < len(SEEDS) or not parents:
        seed = seed_genome(rng, made + slot)
        return _proposal(_fresh(rng, seed, seed, known), "seed", ())
    return _descendant(rng, parents, known)


@lru_cache(maxsize=4096)
def _fingerprint(source: str) -> str:
    """Every proposal compares itself with all earlier sources, so each is parsed only once."""
    return normalised_sha256(source)


def _parents(attempts: Sequence[Attempt]) -> list[Parent]:
    """Return the attempts that work and whose genome can be read back, best first."""
    found = []
    for attempt in attempts:
        genome = from_source(attempt.source) if attempt.source else None
        usable = attempt.outcome == "ok" and attempt.score is not None
        if genome is not None and usable and attempt.duplicate_of is None:
            found.append(Parent(genome=genome, attempt=attempt))
    found.sort(key=lambda p: (-(p.attempt.score or 0.0), p.attempt.iteration, p.attempt.slot))
    return found[:PARENTS]


def _descendant(rng: random.Random, parents: Sequence[Parent], known: set[str]) -> Proposal:
    """Return a new policy made from one or two parents, by the operator that was drawn.

    Where that operator has nothing new to offer, the first parent is mutated.
    """
    operator = rng.choices(OPERATORS, WEIGHTS)[0]
    first = _pick(rng, parents)
    others = [parent for parent in parents if parent is not first]
    if operator == "tune":
        advice = remedies(first.genome, measure(first.attempt.evaluations))
        untried = [genome for genome in dict.fromkeys(advice) if _is_new(genome, known)]
        if untried:
            return _proposal(rng.choice(untried), operator, (first,))
    if operator == "crossover" and others:
        second = _pick(rng, others)
        for _ in range(TRIES):
            child = crossover(rng, first.genome, second.genome)
            if _is_new(child, known):
                return _proposal(child, operator, (first, second))
    mutant = _fresh(rng, mutate(rng, first.genome), first.genome, known)
    return _proposal(mutant, "mutate", (first,))


def _pick(rng: random.Random, parents: Sequence[Parent]) -> Parent:
    for parent in parents:
        if rng.random() < RANK_PRESSURE:
            return parent
    return parents[0]


def _fresh(rng: random.Random, genome: Genome, parent: Genome, known: set[str]) -> Genome:
    """Return the genome if its policy is new, else another mutant of the parent that is."""
    for _ in range(TRIES):
        if _is_new(genome, known):
            return genome
        genome = mutate(rng, parent)
    while not _is_new(genome, known):
        genome = random_genome(rng)
    return genome


def _is_new(genome: Genome, known: set[str]) -> bool:
    return _genome_fingerprint(genome) not in known


@lru_cache(maxsize=4096)
def _genome_fingerprint(genome: Genome) -> str:
    return _fingerprint(emit(genome))


def _proposal(genome: Genome, operator: str, parents: Sequence[Parent]) -> Proposal:
    return Proposal(
        source=emit(genome),
        title=title(genome),
        origin="offline",
        operator=operator,
        parents=tuple(parent.attempt.candidate or "" for parent in parents),
    )
