"""Strategies: what the proposals of an iteration see, and who their parents are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from flows.attempt import Move, SeenAttempt
from flows.judging.guards import BARRED
from flows.settings.search import SearchConfig
from sandbox.outcome import Outcome
from simulator.domain_spec import Objective, figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The task of one proposal: the attempts it may see, the kind of move, the parents."""

    visible: tuple[SeenAttempt, ...]
    move: Move = "free"
    chosen: tuple[SeenAttempt, ...] = ()


class Strategy(Protocol):
    """Decides what a proposal is about; everything else is the loop's."""

    def plan(self, attempts: Sequence[SeenAttempt], iteration: int, slot: int) -> Plan:
        """Return the plan for the proposal of a slot, given all attempts so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refine:
    """Every proposal sees the whole past and its feedback; with more slots, side by side."""

    def plan(self, attempts: Sequence[SeenAttempt], iteration: int, slot: int) -> Plan:
        return Plan(visible=_earlier(attempts, iteration))


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOfN:
    """Independent samples that see only the baselines: the control group for every loop."""

    def plan(self, attempts: Sequence[SeenAttempt], iteration: int, slot: int) -> Plan:
        return Plan(visible=_earlier(attempts, 1), move="fresh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolve:
    """A population of the best and most different: one is varied, or two are combined."""

    seed: int
    by: Objective
    """Tells policies apart: by its figure in each scenario."""
    size: int
    crossover: float
    fresh: float

    def plan(self, attempts: Sequence[SeenAttempt], iteration: int, slot: int) -> Plan:
        visible = _earlier(attempts, iteration)
        people = population(visible, self.size, self.by)
        rng = Random(f"parents/{self.seed}/{iteration}/{slot}")
        draw = rng.random()
        if not people or draw < self.fresh:
            return Plan(visible=visible, move="fresh")
        first = pick_by_rank(people, rng)
        second = (
            other_parent(people, first, self.by, rng)
            if draw < self.fresh + self.crossover
            else None
        )
        if second is None:
            return Plan(visible=visible, move="vary", chosen=(first,))
        return Plan(visible=visible, move="combine", chosen=(first, second))


def make_strategy(config: SearchConfig) -> Strategy:
    """Return the strategy that ``config`` names."""
    match config.strategy:
        case "refine":
            return Refine()
        case "best_of_n":
            return BestOfN()
        case "evolve":
            return Evolve(
                seed=config.seed,
                by=config.domain.spec.objective(),
                size=config.evolve.population,
                crossover=config.evolve.crossover,
                fresh=config.evolve.fresh,
            )


def _earlier(attempts: Sequence[SeenAttempt], iteration: int) -> tuple[SeenAttempt, ...]:
    return tuple(each for each in attempts if each.iteration < iteration)


ALIKE = 0.005
"""Two policies are alike when the figure of no scenario differs by more than this share."""


def population(attempts: Sequence[SeenAttempt], size: int, by: Objective) -> list[SeenAttempt]:
    """Return up to ``size`` attempts, the best first; those alike stand behind all others.

    Failures, repeats and barred ones are left out.
    """
    fit = [each for each in attempts if is_fit(each)]
    fit.sort(key=lambda each: (-(each.score or 0.0), each.iteration, each.slot))
    different: list[SeenAttempt] = []
    alike: list[SeenAttempt] = []
    for each in fit:
        if len(different) == size:
            break
        twin = any(_alike(each, other, by) for other in different)
        (alike if twin else different).append(each)
    return (different + alike)[:size]


def is_fit(attempt: SeenAttempt) -> bool:
    """Return whether an attempt may have descendants."""
    return (
        attempt.outcome == Outcome.OK
        and attempt.score is not None
        and attempt.source is not None
        and attempt.duplicate_of is None
        and attempt.standing != BARRED
    )


def pick_by_rank(people: Sequence[SeenAttempt], rng: Random) -> SeenAttempt:
    """Return one of ``people``, the first the likeliest and each next one linearly less so."""
    weights = range(len(people), 0, -1)
    return rng.choices(people, weights)[0]


def other_parent(
    people: Sequence[SeenAttempt], first: SeenAttempt, by: Objective, rng: Random
) -> SeenAttempt | None:
    """Return a second parent, preferably one that beats the first in some scenario."""
    others = [each for each in people if each is not first]
    if not others:
        return None
    ahead = [each for each in others if _beats_somewhere(each, first, by)]
    return pick_by_rank(ahead or others, rng)


def _alike(one: SeenAttempt, other: SeenAttempt, by: Objective) -> bool:
    mine, theirs = _figures(one, by), _figures(other, by)
    if mine.keys() != theirs.keys() or not mine:
        return False
    return all(math.isclose(mine[name], theirs[name], rel_tol=ALIKE) for name in mine)


def _beats_somewhere(one: SeenAttempt, other: SeenAttempt, by: Objective) -> bool:
    mine, theirs = _figures(one, by), _figures(other, by)
    if by.better == "more":
        mine, theirs = theirs, mine
    return any(mine[name] < theirs[name] * (1.0 - ALIKE) for name in mine.keys() & theirs.keys())


def _figures(attempt: SeenAttempt, by: Objective) -> dict[str, float]:
    return {
        each.scenario: float(figure(by.figure, each.metrics, each.stats) or 0.0)
        for each in attempt.evaluations
    }
