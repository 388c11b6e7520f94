"""Strategies: how many candidates an iteration has and what of the past their proposals see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from flows.config import SearchConfig
from flows.errors import ConfigError
from flows.proposing import Attempt


class Strategy(Protocol):
    """Decides the shape of an iteration; everything else is the loop's."""

    def slots(self, iteration: int, room: int) -> range:
        """Return the slots of ``iteration`` when ``room`` more candidates may be tried."""
        ...

    def visible(self, attempts: Sequence[Attempt], iteration: int) -> tuple[Attempt, ...]:
        """Return the attempts that proposals of ``iteration`` may learn from, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refine:
    """Every proposal sees the whole past and its feedback; with more slots, side by side."""

    width: int = 1

    def slots(self, iteration: int, room: int) -> range:
        return range(min(self.width, room))

    def visible(self, attempts: Sequence[Attempt], iteration: int) -> tuple[Attempt, ...]:
        return tuple(each for each in attempts if each.iteration < iteration)


def make_strategy(config: SearchConfig) -> Strategy:
    """Return the strategy that ``config`` names."""
    match config.strategy:
        case "refine":
            return Refine(width=config.slots)
        case _:
            raise ConfigError(f"strategy: {config.strategy} is not built yet")
