"""Strategies: what an iteration tries, what its proposals see, and who their parents are."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from flows.search.population import other_parent, pick_by_rank, population
from flows.search.proposing import Attempt, Move
from flows.settings.search import SearchConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one proposal is asked for: what it may see, how it is made, from whom."""

    visible: tuple[Attempt, ...]
    move: Move = "free"
    chosen: tuple[Attempt, ...] = ()


class Strategy(Protocol):
    """Decides the shape of an iteration; everything else is the loop's."""

    def slots(self, iteration: int, room: int) -> range:
        """Return the slots of ``iteration`` when ``room`` more candidates may be tried."""
        ...

    def plan(self, attempts: Sequence[Attempt], iteration: int, slot: int) -> Plan:
        """Return what the proposal for a slot is asked for, given all attempts so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refine:
    """Every proposal sees the whole past and its feedback; with more slots, side by side."""

    width: int = 1

    def slots(self, iteration: int, room: int) -> range:
        return range(min(self.width, room))

    def plan(self, attempts: Sequence[Attempt], iteration: int, slot: int) -> Plan:
        return Plan(visible=_earlier(attempts, iteration))


@dataclass(frozen=True, slots=True, kw_only=True)
class BestOfN:
    """Independent samples that see nothing but the baselines: what a loop has to be better than."""

    width: int = 1

    def slots(self, iteration: int, room: int) -> range:
        return range(min(self.width, room))

    def plan(self, attempts: Sequence[Attempt], iteration: int, slot: int) -> Plan:
        return Plan(visible=_earlier(attempts, 1), move="fresh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evolve:
    """A population of the best and most different: one is varied, or two are combined."""

    width: int
    seed: int
    size: int
    crossover: float
    fresh: float

    def slots(self, iteration: int, room: int) -> range:
        return range(min(self.width, room))

    def plan(self, attempts: Sequence[Attempt], iteration: int, slot: int) -> Plan:
        visible = _earlier(attempts, iteration)
        people = population(visible, self.size)
        rng = Random(f"parents/{self.seed}/{iteration}/{slot}")
        draw = rng.random()
        if not people or draw < self.fresh:
            return Plan(visible=visible, move="fresh")
        first = pick_by_rank(people, rng)
        second = other_parent(people, first, rng) if draw < self.fresh + self.crossover else None
        if second is None:
            return Plan(visible=visible, move="vary", chosen=(first,))
        return Plan(visible=visible, move="combine", chosen=(first, second))


def make_strategy(config: SearchConfig) -> Strategy:
    """Return the strategy that ``config`` names."""
    match config.strategy:
        case "refine":
            return Refine(width=config.slots)
        case "best_of_n":
            return BestOfN(width=config.slots)
        case "evolve":
            return Evolve(
                width=config.slots,
                seed=config.seed,
                size=config.evolve.population,
                crossover=config.evolve.crossover,
                fresh=config.evolve.fresh,
            )


def _earlier(attempts: Sequence[Attempt], iteration: int) -> tuple[Attempt, ...]:
    return tuple(each for each in attempts if each.iteration < iteration)
