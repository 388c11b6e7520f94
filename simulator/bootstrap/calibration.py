"""Fits parameters of a simulator, and nothing else of it, to measured figures.

A seeded (1+lambda) search: each generation draws a few points around the best one, with a width
that grows after a success and shrinks after a failure.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

CHILDREN = 16
GENERATIONS = 10
FIRST_WIDTH = 0.3
"""Of the range of a parameter."""
GROWTH, SHRINKAGE = 1.5, 0.5
RESAMPLES = 1000
LEVEL = 0.95

Parameters = dict[str, int]
Loss = Callable[[Sequence[Parameters]], Sequence[float]]
"""Returns the distance from what was measured for each set of parameters; it runs simulations."""


class Error(NamedTuple):
    """A distance and the bounds of its bootstrap interval."""

    low: float
    distance: float
    high: float


def fit(
    declared: Mapping[str, Any], start: Parameters, loss: Loss, seed: int
) -> tuple[Parameters, float]:
    """Return the best parameters found and their distance; equal arguments give equal results.

    ``declared`` has ``low`` and ``high`` of each parameter.
    """
    rng, width = Random(f"calibration/{seed}"), FIRST_WIDTH
    best, (distance,) = start, loss([start])
    for _ in range(GENERATIONS):
        children = [_near(declared, best, width, rng) for _ in range(CHILDREN)]
        distances = loss(children)
        place = min(range(CHILDREN), key=lambda each: (distances[each], each))
        if distances[place] < distance:
            best, distance = children[place], distances[place]
            width = min(1.0, width * GROWTH)
        else:
            width *= SHRINKAGE
        if distance == 0.0:
            break
    return best, distance


def halves(count: int, seed: int) -> tuple[list[int], list[int]]:
    """Return which of so many figures are fitted, and on which the error is reported."""
    places = list(range(count))
    Random(f"halves/{seed}").shuffle(places)
    middle = (count + 1) // 2
    return sorted(places[:middle]), sorted(places[middle:])


def wasserstein(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the Wasserstein-1 distance of two samples: the area between their quantiles."""
    first, second = sorted(one), sorted(other)
    edges = sorted(
        {i / len(first) for i in range(len(first) + 1)}
        | {j / len(second) for j in range(len(second) + 1)}
    )
    total = 0.0
    for low, high in pairwise(edges):
        middle = (low + high) / 2.0
        a = first[min(len(first) - 1, int(middle * len(first)))]
        b = second[min(len(second) - 1, int(middle * len(second)))]
        total += abs(a - b) * (high - low)
    return total


def relative_distance(groups: Mapping[str, Sequence[tuple[float, float]]]) -> float:
    """Return the mean over the figures of Wasserstein-1 over the mean that was measured.

    ``groups`` has (measured, simulated) pairs for each figure.
    """
    parts = []
    for pairs in groups.values():
        measured, simulated = [each[0] for each in pairs], [each[1] for each in pairs]
        scale = math.fsum(abs(each) for each in measured) / len(measured) or 1.0
        parts.append(wasserstein(measured, simulated) / scale)
    return math.fsum(parts) / len(parts)


def error_with_interval(groups: Mapping[str, Sequence[tuple[float, float]]], seed: int) -> Error:
    """Return the relative distance, and its bootstrap interval over the rows of each figure."""
    rng = Random(f"error/{seed}")
    drawn = sorted(
        relative_distance(
            {name: rng.choices(pairs, k=len(pairs)) for name, pairs in groups.items()}
        )
        for _ in range(RESAMPLES)
    )
    tail = int((1.0 - LEVEL) / 2.0 * RESAMPLES)
    return Error(low=drawn[tail], distance=relative_distance(groups), high=drawn[-1 - tail])


def _near(declared: Mapping[str, Any], best: Parameters, width: float, rng: Random) -> Parameters:
    """Return parameters around the best, each within its range and at least one of them new."""
    while True:
        found = {}
        for name, value in best.items():
            low, high = declared[name].low, declared[name].high
            moved = round(value + rng.gauss(0.0, 1.0) * max(1.0, width * (high - low)))
            found[name] = max(low, min(high, moved))
        if found != best or all(declared[name].low == declared[name].high for name in best):
            return found
