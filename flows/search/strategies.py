"""Strategies: what the proposals of an iteration see, and who their parents are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from flows.attempt import Move, SeenAttempt
from flows.judging.guards import BARRED
from flows.settings.search import SearchConfig
from sandbox.outcome import Outcome
from simulator.domain_spec import Objective, figure

Weighted = tuple[SeenAttempt, int]
"""Someone who may have descendants, and in how many families of scenarios they are the best."""


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
    """A population of the best and most different: one is varied, or two are combined.

    With ``parents = "front"`` it is those that are the best in some family of scenarios.
    """

    seed: int
    by: Objective
    """Tells policies apart: by its figure in each scenario."""
    objective: Objective
    """What is improved."""
    families: Mapping[str, str]
    """The family of each train scenario by its name."""
    parents: str
    size: int
    crossover: float
    fresh: float

    def plan(self, attempts: Sequence[SeenAttempt], iteration: int, slot: int) -> Plan:
        visible = _earlier(attempts, iteration)
        people = self._people(visible)
        rng = Random(f"parents/{self.seed}/{iteration}/{slot}")
        draw = rng.random()
        if not people or draw < self.fresh:
            return Plan(visible=visible, move="fresh")
        first = self._pick(people, rng)
        others = other_parents(people, first, self.by)
        if not others or draw >= self.fresh + self.crossover:
            return Plan(visible=visible, move="vary", chosen=(first,))
        return Plan(visible=visible, move="combine", chosen=(first, self._pick(others, rng)))

    def _people(self, visible: Sequence[SeenAttempt]) -> list[Weighted]:
        if self.parents == "front":
            return front(visible, self.families, self.objective)
        return [(each, 1) for each in population(visible, self.size, self.by)]

    def _pick(self, people: Sequence[Weighted], rng: Random) -> SeenAttempt:
        """Return one of them: by their weights, or by their rank among those that are given."""
        if self.parents == "front":
            attempts = [each for each, _ in people]
            return rng.choices(attempts, [weight for _, weight in people])[0]
        return pick_by_rank([each for each, _ in people], rng)


def make_strategy(config: SearchConfig, families: Mapping[str, str]) -> Strategy:
    """Return the strategy that ``config`` names; ``families`` are those of the train scenarios."""
    match config.strategy:
        case "refine":
            return Refine()
        case "best_of_n":
            return BestOfN()
        case "evolve":
            return Evolve(
                seed=config.seed,
                by=config.domain.spec.objective(),
                objective=config.domain.spec.objective(config.objective),
                families=families,
                parents=config.evolve.parents,
                size=config.evolve.population,
                crossover=config.evolve.crossover,
                fresh=config.evolve.fresh,
            )


def _earlier(attempts: Sequence[SeenAttempt], iteration: int) -> tuple[SeenAttempt, ...]:
    return tuple(each for each in attempts if each.iteration < iteration)


LEAST_FIGURE = 1e-9
"""A figure counts as no less where its logarithm is taken."""
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


def front(
    attempts: Sequence[SeenAttempt], families: Mapping[str, str], objective: Objective
) -> list[Weighted]:
    """Return those that are the best in some family, each with the number of such families.

    The figure of a family is the geometric mean of its scenarios'. Where all scenarios are of one
    family, each scenario counts as one.
    """
    single = len(set(families.values())) < 2
    members = {name: name if single else family for name, family in families.items()}
    fit = [each for each in attempts if is_fit(each)]
    logs = [_family_logs(each, members, objective) for each in fit]
    whole = set(members.values())
    best = {
        family: min((each[family] for each in logs if family in each), default=0.0)
        for family in whole
    }
    counts = [
        sum(family in each and each[family] <= best[family] + ALIKE for family in whole)
        for each in logs
    ]
    return [(each, count) for each, count in zip(fit, counts, strict=True) if count]


def _family_logs(
    attempt: SeenAttempt, members: Mapping[str, str], objective: Objective
) -> dict[str, float]:
    """Return the mean logarithm of an attempt's figures in each family; less is better."""
    found: dict[str, list[float]] = {}
    for name, value in _figures(attempt, objective).items():
        if name in members:
            log = math.log(max(value, LEAST_FIGURE))
            found.setdefault(members[name], []).append(-log if objective.better == "more" else log)
    return {family: math.fsum(logs) / len(logs) for family, logs in found.items()}


def other_parents(
    people: Sequence[Weighted], first: SeenAttempt, by: Objective
) -> Sequence[Weighted]:
    """Return the others, or if there are such, only those that beat the first in some scenario."""
    others = [each for each in people if each[0] is not first]
    return [each for each in others if _beats_somewhere(each[0], first, by)] or others


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
