"""Racing: which train scenarios a candidate is tried on first, and when it may as well stop.

A candidate is tried in rungs. After each it is compared with the one to beat on the scenarios tried
so far. What the other scenarios can still change is known from the attempts that were tried on all
of them. All functions take and return values, so the same recorded attempts decide the same.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

Scores = Mapping[str, float]
"""The scores of an attempt by train scenario, all above 0."""

FIRST_SHARE = 5
"""The first rung has 1/``FIRST_SHARE`` of the scenarios; each next one doubles what was tried."""
NO_VARIANCE = 1e-18
"""What is below is rounding."""
SPARED_EVERY = 8
"""So often a candidate is tried on all scenarios whatever it does, so that lifts are not known from
the promising ones alone."""
MOST_ATTEMPTS = 200
"""So many attempts, the latest ones, decide order and lifts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """How the candidates of an iteration are tried on train."""

    order: tuple[str, ...]
    """All train scenarios; those after which attempts rank as after all of them come first."""
    rungs: tuple[int, ...]
    """After how many scenarios a candidate is compared, ascending; all of them is none of these."""
    to_beat: Scores
    """The scores of the attempt that a candidate has to beat."""
    lifts: tuple[float, ...]
    """For each rung: how far the other scenarios lift the mean log of the ratios, at most."""
    confidence: float

    def parts(self) -> list[tuple[str, ...]]:
        """Return the scenarios of each rung, and at last those that are left after them."""
        return [self.order[start:end] for start, end in pairwise((0, *self.rungs, len(self.order)))]

    def stops(self, own: Scores) -> str:
        """Return why a candidate that was tried up to a rung is stopped; empty if it goes on."""
        lift = self.lifts[self.rungs.index(len(own))]
        behind = fmean(math.log(own[name] / self.to_beat[name]) for name in own)
        if behind + lift >= 0.0:
            return ""
        return (
            f"after {len(own)} of {len(self.order)} scenarios: could no longer become the best on "
            f"train ({_percent(-math.expm1(behind))} behind it there; for "
            f"{self.confidence * 100:g} % of earlier attempts the others made up at most "
            f"{_percent(math.expm1(lift))})"
        )


def race(
    scenarios: Sequence[str], past: Sequence[Scores], to_beat: Scores, confidence: float
) -> Race | None:
    """Return the race against ``to_beat``; None where there is too little to learn from.

    ``past`` holds the attempts that were tried on all ``scenarios``, in their order.
    """
    known = past[-MOST_ATTEMPTS:]
    rungs = rungs_of(len(scenarios))
    if len(known) < fewest_attempts(confidence) or not rungs:
        return None
    order = ranking_order(scenarios, known)
    return Race(
        order=order,
        rungs=rungs,
        to_beat=to_beat,
        lifts=tuple(_lift(order, rung, known, to_beat, confidence) for rung in rungs),
        confidence=confidence,
    )


def is_spared(number: int) -> bool:
    """Return whether the candidate of that number, from 1, is tried on all scenarios anyway."""
    return SPARED_EVERY > 0 and number % SPARED_EVERY == 0


def rungs_of(scenarios: int) -> tuple[int, ...]:
    """Return after how many scenarios a candidate is compared."""
    found = []
    rung = max(1, scenarios // FIRST_SHARE)
    while rung < scenarios:
        found.append(rung)
        rung *= 2
    return tuple(found)


def fewest_attempts(confidence: float) -> int:
    """Return from how many attempts a bound at this confidence can be read.

    Of so many and one more, each as likely to be the largest, the largest is the new one with no
    more than the remaining chance.
    """
    return math.ceil(confidence / (1.0 - confidence) - 1e-9)


def ranking_order(scenarios: Sequence[str], past: Sequence[Scores]) -> tuple[str, ...]:
    """Return the scenarios in the order in which their mean is soonest like that of all.

    Each next one leaves the least variance over the attempts in the difference of the two means;
    of equal ones it is the first of the suite.
    """
    logs = [[math.log(each[name]) for name in scenarios] for each in past]
    wholes = [fmean(row) for row in logs]
    sums, left, order = [0.0] * len(logs), list(range(len(scenarios))), list[int]()
    while left:
        count = len(order) + 1

        def spread(place: int, sums: Sequence[float] = sums, count: int = count) -> float:
            rows = zip(wholes, sums, logs, strict=True)
            return _variance([whole - (known + row[place]) / count for whole, known, row in rows])

        chosen = min(left, key=spread)
        left.remove(chosen)
        order.append(chosen)
        sums = [total + row[chosen] for total, row in zip(sums, logs, strict=True)]
    return tuple(scenarios[place] for place in order)


def _lift(
    order: Sequence[str], rung: int, past: Sequence[Scores], to_beat: Scores, confidence: float
) -> float:
    """Return how far all scenarios lift an attempt above the first ones, against ``to_beat``.

    It is the residual that a further attempt exceeds with no more than the remaining chance.
    """
    found = []
    for each in past:
        ratios = [math.log(each[name] / to_beat[name]) for name in order]
        found.append(fmean(ratios) - fmean(ratios[:rung]))
    place = math.ceil((len(found) + 1) * confidence - 1e-9)
    return sorted(found)[place - 1]


def _variance(values: Sequence[float]) -> float:
    """Return the variance without its last digits, so that rounding does not break a tie."""
    mean = fmean(values)
    variance = fmean((value - mean) ** 2 for value in values)
    return float(f"{variance:.9g}") if variance > NO_VARIANCE else 0.0


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"
