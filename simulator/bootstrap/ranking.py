"""Whether two simulators put policies in the same order: Kendall's tau with an interval."""

from collections.abc import Sequence
from itertools import combinations
from random import Random
from typing import NamedTuple

RESAMPLES = 1000
LEVEL = 0.95


class Tau(NamedTuple):
    """Kendall's tau-b and the bounds of its interval."""

    low: float
    tau: float
    high: float


def kendall_tau(one: Sequence[float], other: Sequence[float]) -> float:
    """Return tau-b of two rankings of the same things: 1 is the same order, -1 the opposite.

    Ties on one side count neither way; where one side has nothing but ties, both must have.
    """
    agreed = ties_one = ties_other = 0
    pairs = list(combinations(range(len(one)), 2))
    for i, j in pairs:
        a, b = _sign(one[i] - one[j]), _sign(other[i] - other[j])
        agreed += a * b
        ties_one += a == 0
        ties_other += b == 0
    room = (len(pairs) - ties_one) * (len(pairs) - ties_other)
    if room == 0:
        return float(ties_one == ties_other)
    return float(agreed / room**0.5)


def tau_with_interval(
    one: Sequence[Sequence[float]], other: Sequence[Sequence[float]], seed: int
) -> Tau:
    """Return tau of the means over scenarios, and its bootstrap interval over the scenarios.

    Each is one list of figures per policy, its items by scenario; the scenarios are the same.
    """
    count = len(one[0])

    def of(places: Sequence[int]) -> float:
        return kendall_tau(_sums(one, places), _sums(other, places))

    rng = Random(seed)
    drawn = sorted(of(rng.choices(range(count), k=count)) for _ in range(RESAMPLES))
    tail = int((1.0 - LEVEL) / 2.0 * RESAMPLES)
    return Tau(low=drawn[tail], tau=of(range(count)), high=drawn[-1 - tail])


def _sums(figures: Sequence[Sequence[float]], places: Sequence[int]) -> list[float]:
    return [sum(row[place] for place in places) for row in figures]


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
