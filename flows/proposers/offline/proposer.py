"""Proposes policies without a model: a proposal follows from seed, slot, attempts and move."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from flows.attempt import Proposal, ProposalRequest, SeenAttempt
from flows.judging.scoring import normalised_sha256
from flows.proposers.offline.space import Genome, emit, from_source, random_genome, title
from flows.proposers.offline.vary import (
    SEEDS,
    crossover,
    measure,
    mutate,
    nearest_genome,
    remedies,
    sample,
    seed_genome,
    trailing,
)

T = TypeVar("T")

RANK_PRESSURE = 0.5
"""Chance that the search stops at each rank, from the best down, when it looks for a parent."""

ADVICE_PRESSURE = 0.2
"""The same for the changes that measurements suggest, those against the worst weakness first."""

PARENTS = 8
"""How many of the best attempts may become parents when the strategy leaves that open."""

OPERATORS = ("tune", "mutate", "crossover")
WEIGHTS = (0.4, 0.35, 0.25)
TUNE_CHANCE = 0.5
"""How often a parent that the strategy chose is tuned and not mutated."""

TRAILING_CHANCE = 0.5
"""How often tuning looks only at the scenarios in which the parent trails."""

TRIES = 50
"""How often an operator is repeated when the policy it made was already tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An attempt that may have descendants: one of ours, or a library policy that is like one."""

    genome: Genome
    attempt: SeenAttempt


@dataclass(frozen=True, slots=True)
class OfflineProposer:
    """A seeded evolutionary search that needs no model, no key and no network."""

    name: str = "offline"
    uses_prompt: bool = False
    model: str | None = None

    def propose(self, request: ProposalRequest) -> Proposal:
        """Return a policy whose normalised source differs from that of every earlier attempt.

        Where the strategy leaves the move open, it differs from those of the lower slots of its
        iteration as well: what they propose follows from the same request, so it is worked out
        again here.
        """
        known = {_fingerprint(a.source) for a in request.attempts if a.source is not None}
        if request.move != "free":
            return _as_asked(request, _rng(request, request.slot), known)
        parents = _parents(request.attempts)[:PARENTS]
        made = sum(attempt.origin == "offline" for attempt in request.attempts)
        for slot in range(request.slot):
            earlier = _freely(request, slot, made, parents, known)
            known.add(_fingerprint(earlier.source or ""))
        return _freely(request, request.slot, made, parents, known)


def _freely(
    request: ProposalRequest, slot: int, made: int, parents: Sequence[Parent], known: set[str]
) -> Proposal:
    """Begin with the seeds, then draw an operator and parents."""
    rng = _rng(request, slot)
    if made + slot < len(SEEDS):
        return _proposal(_fresh(rng, seed_genome(made + slot), known), "seed", ())
    if not parents:
        return _proposal(_fresh(rng, sample(rng), known), "sample", ())
    operator = rng.choices(OPERATORS, WEIGHTS)[0]
    first = _by_rank(rng, parents, RANK_PRESSURE)
    others = [parent for parent in parents if parent is not first]
    if operator == "crossover" and others:
        return _child(rng, first, _by_rank(rng, others, RANK_PRESSURE), known)
    return _variant(rng, first, operator == "tune", request.attempts, known)


def _as_asked(request: ProposalRequest, rng: random.Random, known: set[str]) -> Proposal:
    """Do what the strategy asks for with the parents it chose, as far as they are of our kind."""
    parents = _parents(request.chosen)
    if request.move == "combine" and len(parents) > 1:
        return _child(rng, parents[0], parents[1], known)
    if request.move != "fresh" and parents:
        return _variant(rng, parents[0], rng.random() < TUNE_CHANCE, request.attempts, known)
    return _proposal(_fresh(rng, sample(rng), known), "sample", ())


def _rng(request: ProposalRequest, slot: int) -> random.Random:
    return random.Random(f"{request.seed}/{request.iteration}/{slot}")


@lru_cache(maxsize=4096)
def _fingerprint(source: str) -> str:
    """Every proposal compares itself with all earlier sources, so each is parsed only once."""
    return normalised_sha256(source)


def _parents(attempts: Sequence[SeenAttempt]) -> list[Parent]:
    """Return the attempts that work and whose genome can be read back, best first."""
    found = []
    for attempt in attempts:
        genome = _genome_of(attempt)
        if genome is not None and _may_have_descendants(attempt):
            found.append(Parent(genome=genome, attempt=attempt))
    found.sort(key=lambda p: (-(p.attempt.score or 0.0), p.attempt.iteration, p.attempt.slot))
    return found


def _genome_of(attempt: SeenAttempt) -> Genome | None:
    if attempt.origin == "baseline":
        return nearest_genome(attempt.title)
    return from_source(attempt.source) if attempt.source else None


def _may_have_descendants(attempt: SeenAttempt) -> bool:
    works = attempt.outcome == "ok" and attempt.score is not None
    return works and attempt.duplicate_of is None and attempt.standing != "barred"


def _variant(
    rng: random.Random, parent: Parent, tune: bool, attempts: Sequence[SeenAttempt], known: set[str]
) -> Proposal:
    """Return the parent with what its measurements suggest, or with genes changed at random."""
    if tune:
        looked_at = parent.attempt.evaluations
        if rng.random() < TRAILING_CHANCE:
            looked_at = tuple(trailing(looked_at, [each.evaluations for each in attempts]))
        advice = remedies(parent.genome, measure(looked_at))
        untried = [genome for genome in advice if _is_new(genome, known)]
        if untried:
            return _proposal(_by_rank(rng, untried, ADVICE_PRESSURE), "tune", (parent,))
    mutant = mutate(rng, parent.genome)
    return _proposal(_fresh(rng, mutant, known, parent.genome), "mutate", (parent,))


def _child(rng: random.Random, first: Parent, second: Parent, known: set[str]) -> Proposal:
    """Return a policy with genes of both; a mutant of the first where they have no new child."""
    for _ in range(TRIES):
        child = crossover(rng, first.genome, second.genome)
        if _is_new(child, known):
            return _proposal(child, "crossover", (first, second))
    mutant = mutate(rng, first.genome)
    return _proposal(_fresh(rng, mutant, known, first.genome), "mutate", (first,))


def _by_rank(rng: random.Random, ranked: Sequence[T], pressure: float) -> T:
    """Return one of the first most often: at each rank the search stops with this chance."""
    return next((each for each in ranked if rng.random() < pressure), ranked[0])


def _fresh(
    rng: random.Random, genome: Genome, known: set[str], parent: Genome | None = None
) -> Genome:
    """Return the genome if its policy is new, else another mutant that is."""
    origin = parent or genome
    for _ in range(TRIES):
        if _is_new(genome, known):
            return genome
        genome = mutate(rng, origin)
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
