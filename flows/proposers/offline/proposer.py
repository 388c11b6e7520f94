"""Proposes policies without a model: a proposal follows from seed, slot, attempts and move.

What a policy can be is the domain's: a ``simulator.domain_host.Space``, which is searched here.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from flows.attempt import Proposal, ProposalRequest, ProposerRefused, SeenAttempt
from flows.judging.guards import PROMOTED
from flows.judging.scoring import normalised_sha256
from flows.prompting.templates import render_text
from flows.proposers.offline.edits import EditSpace
from sandbox.outcome import Evaluation
from simulator.domain import Domain
from simulator.domain_host import EXACT, REACHED, Space, TriedGenome
from simulator.domain_spec import Objective, figure

T = TypeVar("T")
Genome = Any
"""What the space makes a policy from."""

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
"""How often a move is repeated when the policy it made was already tried."""

LAST_TRIES = 10_000
"""How many genomes from anywhere are drawn before the space counts as exhausted."""

TRAILING_PART = 3
"""The worst 1/``TRAILING_PART`` of the scenarios count as those where a candidate trails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """An attempt that may have descendants: one of ours, or a library policy that is like one."""

    genome: Genome
    attempt: SeenAttempt


@dataclass(frozen=True, slots=True)
class OfflineProposer:
    """A seeded evolutionary search that needs no model, no key and no network."""

    space: Space[Any]
    objective: Objective
    """Says in which scenarios a candidate trails."""
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
            return _Draw(self, request, request.slot, known).as_asked()
        parents = _parents(self.space, request.attempts)[:PARENTS]
        for slot in range(request.slot):
            earlier = _Draw(self, request, slot, known).freely(parents)
            known.add(_fingerprint(earlier.source or ""))
        return _Draw(self, request, request.slot, known).freely(parents)


def offline_proposer(domain: Domain) -> OfflineProposer:
    """Return the proposer for a domain: over its own space, else over edits of its library."""
    own = domain.hosted("space")
    return OfflineProposer(own or EditSpace(domain), domain.spec.objective())


class _Draw:
    """One proposal being drawn: its chance, and the policies that it may not repeat."""

    def __init__(
        self, proposer: OfflineProposer, request: ProposalRequest, slot: int, known: set[str]
    ) -> None:
        self.space, self.objective = proposer.space, proposer.objective
        self.request, self.slot, self.known = request, slot, known
        self.rng = random.Random(f"{request.seed}/{request.iteration}/{slot}")

    def freely(self, parents: Sequence[Parent]) -> Proposal:
        """Begin with the seeds, then draw a move and parents."""
        rng, space = self.rng, self.space
        number = self.slot + sum(each.origin == "offline" for each in self.request.attempts)
        if number < len(space.SEEDS):
            return self._proposal(self._fresh(space.seed_genome(number)), "seed", ())
        learns = getattr(space, "next_genome", None)
        if learns is not None:
            genome = learns(rng, _tried(space, self.request.attempts), self._is_new)
            return self._sample() if genome is None else self._proposal(genome, "tune", ())
        if not parents:
            return self._sample()
        operator = rng.choices(OPERATORS, WEIGHTS)[0]
        first = _by_rank(rng, parents, RANK_PRESSURE)
        others = [parent for parent in parents if parent is not first]
        if operator == "crossover" and others:
            return self._child(first, _by_rank(rng, others, RANK_PRESSURE))
        return self._variant(first, operator == "tune")

    def as_asked(self) -> Proposal:
        """Do what the strategy asks for with the parents it chose, if they are of our kind."""
        move, parents = self.request.move, _parents(self.space, self.request.chosen)
        if move == "combine" and len(parents) > 1:
            return self._child(parents[0], parents[1])
        if move != "fresh" and parents:
            return self._variant(parents[0], self.rng.random() < TUNE_CHANCE)
        return self._sample()

    def _sample(self) -> Proposal:
        return self._proposal(self._fresh(self.space.sample(self.rng)), "sample", ())

    def _variant(self, parent: Parent, tune: bool) -> Proposal:
        """Return the parent with what its figures suggest, or with genes changed at random."""
        if tune:
            looked_at = parent.attempt.evaluations
            if self.rng.random() < TRAILING_CHANCE:
                others = [each.evaluations for each in self.request.attempts]
                looked_at = tuple(trailing(looked_at, others, self.objective))
            metrics = [each.metrics for each in looked_at if each.metrics]
            advice = self.space.advice(parent.genome, metrics)
            untried = [genome for genome in advice if self._is_new(genome)]
            if untried:
                chosen = _by_rank(self.rng, untried, ADVICE_PRESSURE)
                return self._proposal(chosen, "tune", (parent,))
        return self._mutant(parent)

    def _child(self, first: Parent, second: Parent) -> Proposal:
        """Return a policy with genes of both; a mutant of the first if they have no new child."""
        for _ in range(TRIES):
            child = self.space.crossover(self.rng, first.genome, second.genome)
            if self._is_new(child):
                return self._proposal(child, "crossover", (first, second))
        return self._mutant(first)

    def _mutant(self, parent: Parent) -> Proposal:
        mutant = self.space.mutate(self.rng, parent.genome)
        return self._proposal(self._fresh(mutant, parent.genome), "mutate", (parent,))

    def _fresh(self, genome: Genome, parent: Genome | None = None) -> Genome:
        """Return the genome if its policy is new, else another mutant that is."""
        origin = genome if parent is None else parent
        for _ in range(TRIES):
            if self._is_new(genome):
                return genome
            genome = self.space.mutate(self.rng, origin)
        for _ in range(LAST_TRIES):
            if self._is_new(genome):
                return genome
            genome = self.space.random_genome(self.rng)
        raise ProposerRefused(
            f"the offline proposer drew {LAST_TRIES} policies and all of them were tried before: "
            "the space of this domain is exhausted"
        )

    def _is_new(self, genome: Genome) -> bool:
        return _genome_fingerprint(self.space, genome) not in self.known

    def _proposal(self, genome: Genome, operator: str, parents: Sequence[Parent]) -> Proposal:
        return Proposal(
            source=self.space.emit(genome, render_text),
            title=self.space.title(genome),
            origin="offline",
            operator=operator,
            parents=tuple(parent.attempt.candidate or "" for parent in parents),
        )


def _parents(space: Space[Any], attempts: Sequence[SeenAttempt]) -> list[Parent]:
    """Return the attempts that work and whose genome can be read back, best first."""
    found = []
    for attempt in attempts:
        if _may_have_descendants(attempt):
            genome = _genome_of(space, attempt)
            if genome is not None:
                found.append(Parent(genome=genome, attempt=attempt))
    found.sort(key=lambda p: (-(p.attempt.score or 0.0), p.attempt.iteration, p.attempt.slot))
    return found


def _tried(space: Space[Any], attempts: Sequence[SeenAttempt]) -> list[TriedGenome[Any]]:
    """Return all attempts whose genome can be read back, in their order."""
    found = []
    for attempt in attempts:
        genome = _genome_of(space, attempt)
        if genome is not None:
            reached = {
                each.scenario: float((each.metrics or {}).get(REACHED, 0.0))
                for each in attempt.evaluations
            }
            exact = [
                each.scenario for each in attempt.evaluations if (each.metrics or {}).get(EXACT)
            ]
            found.append(
                TriedGenome(
                    genome=genome,
                    reached=reached,
                    exact=frozenset(exact),
                    promoted=attempt.standing == PROMOTED,
                )
            )
    return found


def _genome_of(space: Space[Any], attempt: SeenAttempt) -> Genome | None:
    if attempt.origin == "baseline":
        return space.nearest_genome(attempt.title)
    return space.from_source(attempt.source) if attempt.source else None


def _may_have_descendants(attempt: SeenAttempt) -> bool:
    works = attempt.outcome == "ok" and attempt.score is not None
    return works and attempt.duplicate_of is None and attempt.standing != "barred"


def _by_rank(rng: random.Random, ranked: Sequence[T], pressure: float) -> T:
    """Return one of the first most often: at each rank the search stops with this chance."""
    return next((each for each in ranked if rng.random() < pressure), ranked[0])


@lru_cache(maxsize=4096)
def _fingerprint(source: str) -> str:
    """Every proposal compares itself with all earlier sources, so each is parsed only once."""
    return normalised_sha256(source)


@lru_cache(maxsize=4096)
def _genome_fingerprint(space: Space[Any], genome: Genome) -> str:
    return _fingerprint(space.emit(genome, render_text))


def trailing(
    own: Sequence[Evaluation], others: Iterable[Sequence[Evaluation]], objective: Objective
) -> list[Evaluation]:
    """Return the third of ``own`` that is furthest behind the best of all in that scenario."""
    better = min if objective.better == "less" else max
    best: dict[str, float] = {}
    for evaluations in (own, *others):
        for each in evaluations:
            found = _figure(each, objective)
            if found is not None:
                best[each.scenario] = better(found, best.get(each.scenario, found))
    behind = [_behind(_figure(each, objective), best.get(each.scenario), better) for each in own]
    order = sorted(range(len(own)), key=lambda place: (-behind[place], place))
    return [own[place] for place in order[: max(1, len(own) // TRAILING_PART)]]


def _behind(own: float | None, best: float | None, better: Any) -> float:
    """Return how many times worse than the best this is; 0 where nothing is known."""
    if better is min:
        return (own or 0.0) / (best or 1.0)
    return (best or 0.0) / (own or 1.0)


def _figure(evaluation: Evaluation, objective: Objective) -> float | None:
    found: float | None = figure(objective.figure, evaluation.metrics, evaluation.stats)
    return found
