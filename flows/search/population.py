"""Who may have descendants: the best attempts that differ in what they are good at."""

import math
from collections.abc import Sequence
from random import Random

from flows.judging.guards import BARRED
from flows.search.proposing import Attempt
from sandbox.outcome import Outcome

ALIKE = 0.005
"""Two policies are alike when no scenario's weighted latency differs by more than this share."""


def population(attempts: Sequence[Attempt], size: int) -> list[Attempt]:
    """Return up to ``size`` attempts, the best first; those alike stand behind all others.

    Failures, repeats and barred ones are left out.
    """
    fit = [each for each in attempts if is_fit(each)]
    fit.sort(key=lambda each: (-(each.score or 0.0), each.iteration, each.slot))
    different: list[Attempt] = []
    alike: list[Attempt] = []
    for each in fit:
        if len(different) == size:
            break
        twin = any(_alike(each, other) for other in different)
        (alike if twin else different).append(each)
    return (different + alike)[:size]


def is_fit(attempt: Attempt) -> bool:
    """Return whether an attempt may have descendants."""
    return (
        attempt.outcome == Outcome.OK
        and attempt.score is not None
        and attempt.source is not None
        and attempt.duplicate_of is None
        and attempt.standing != BARRED
    )


def pick_by_rank(people: Sequence[Attempt], rng: Random) -> Attempt:
    """Return one of ``people``, the first the likeliest and each next one linearly less so."""
    weights = range(len(people), 0, -1)
    return rng.choices(people, weights)[0]


def other_parent(people: Sequence[Attempt], first: Attempt, rng: Random) -> Attempt | None:
    """Return a second parent, one that beats the first somewhere where there is one."""
    others = [each for each in people if each is not first]
    if not others:
        return None
    return pick_by_rank([each for each in others if _beats_somewhere(each, first)] or others, rng)


def _alike(one: Attempt, other: Attempt) -> bool:
    mine, theirs = _latencies(one), _latencies(other)
    if mine.keys() != theirs.keys() or not mine:
        return False
    return all(math.isclose(mine[name], theirs[name], rel_tol=ALIKE) for name in mine)


def _beats_somewhere(one: Attempt, other: Attempt) -> bool:
    mine, theirs = _latencies(one), _latencies(other)
    return any(mine[name] < theirs[name] * (1.0 - ALIKE) for name in mine.keys() & theirs.keys())


def _latencies(attempt: Attempt) -> dict[str, float]:
    return {
        each.scenario: float((each.metrics or {}).get("weighted_latency_seconds") or 0.0)
        for each in attempt.evaluations
    }
