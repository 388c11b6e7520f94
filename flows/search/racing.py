"""Racing: which train scenarios a candidate is tried on first, and when it may as well stop.

A candidate is tried in rungs. After each it is compared with the one to beat on the scenarios tried
so far. What the other scenarios can still change is known from the attempts that were tried on all
of them. Costs are counted in calls of a policy, which repeat, and never in seconds. All functions
take and return values, so the same recorded attempts decide the same.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean

Scores = Mapping[str, float]
"""The scores of an attempt by train scenario, all above 0."""
Costs = Mapping[str, float]
"""What a try costs by train scenario: the calls of a policy, on average."""

FIRST_SHARE = 5
"""No rung has less than 1/``FIRST_SHARE`` of the scenarios."""
START_CALLS = 2000
"""What the start of a cell costs: about as much CPU time as so many calls of a policy."""
LEAST_SAVING = 0.1
"""A rung has to save so much of the cost without it: what a stopped candidate could have told is
worth something too, and the attempts so far are few."""
NO_VARIANCE = 1e-18
"""What is below is rounding."""
SPARED_EVERY = 8
"""So often a candidate is tried on all scenarios whatever it does, so that lifts are not known from
the promising ones alone."""
MOST_ATTEMPTS = 200
"""So many attempts, the latest ones, decide order and lifts."""
MOST_LATEST = 24
"""So many candidates, the latest ones, decide the rungs: nearly all before them are further behind
the best of today than the next ones will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """How the candidates of an iteration are tried on train."""

    order: tuple[str, ...]
    """All train scenarios; those that tell most about all of them for their cost come first."""
    rungs: tuple[int, ...]
    """After how many scenarios a candidate is compared, ascending; all of them is none of these."""
    to_beat: Scores
    """The scores of the attempt that a candidate has to beat, see ``to_beat``."""
    lifts: tuple[float, ...]
    """For each rung: how far the other scenarios lift the mean log of the ratios, at most."""
    confidence: float

    def parts(self) -> tuple[tuple[str, ...], ...]:
        """Return the scenarios of each rung, and at last those that are left after them."""
        ends = (0, *self.rungs, len(self.order))
        return tuple(self.order[start:end] for start, end in pairwise(ends))

    def stops(self, own: Scores) -> str:
        """Return why a candidate that was tried up to a rung is stopped; empty if it goes on."""
        lift = self.lifts[self.rungs.index(len(own))]
        behind = fmean(math.log(own[name] / self.to_beat[name]) for name in own)
        if behind + lift >= 0.0:
            return ""
        return (
            f"after {len(own)} of {len(self.order)} scenarios: could no longer become the best "
            f"on train ({_percent(-math.expm1(behind))} behind it there; for "
            f"{self.confidence * 100:g} % of earlier attempts the others made up at most "
            f"{_percent(math.expm1(lift))})"
        )


def race(
    costs: Costs,
    past: Sequence[Scores],
    latest: Sequence[Scores | int],
    to_beat: Scores,
    confidence: float,
) -> Race | None:
    """Return the race against ``to_beat``; None where too little is known, or no rung would pay.

    ``costs`` has all scenarios in the order of the suite. ``past`` holds the attempts that were
    tried on all of them, in their order. From the ``latest`` candidates it is known what a rung
    saves: their scores, or after how many scenarios they were stopped.
    """
    known = past[-MOST_ATTEMPTS:]
    if len(known) < fewest_attempts(confidence):
        return None
    order = informative_order(costs, known)
    lifts = [_lift(order, rung, known, to_beat, confidence) for rung in range(1, len(order))]
    ends = [_ends(order, lifts, each, to_beat) for each in latest[-MOST_LATEST:]]
    rungs = rungs_that_pay([costs[name] for name in order], ends)
    if not rungs:
        return None
    return Race(
        order=order,
        rungs=rungs,
        to_beat=to_beat,
        lifts=tuple(lifts[rung - 1] for rung in rungs),
        confidence=confidence,
    )


def to_beat(past: Sequence[Scores]) -> Scores:
    """Return the best attempt on train, promoted or not; of equal ones the earliest."""
    return max(past, key=_mean_log)


def is_spared(number: int) -> bool:
    """Return whether the candidate of that number, from 1, is tried on all scenarios anyway."""
    return number % SPARED_EVERY == 0


def rungs_that_pay(costs: Sequence[float], ends: Sequence[Sequence[bool]]) -> tuple[int, ...]:
    """Return after how many scenarios to compare, so that the attempts known so far cost least.

    ``costs`` are those of the scenarios in order. ``ends`` says of each attempt whether it is
    stopped after one scenario, two and so on, short of all; some are spared. Rungs are added one by
    one, each where it saves most, until none saves enough, the cells that it takes included.
    """
    spent = list(accumulate(costs))
    open_places = list(range(max(1, len(costs) // FIRST_SHARE), len(costs)))

    def cost(rungs: Sequence[int]) -> float:
        whole = spent[-1] + START_CALLS * (len(rungs) + 1)
        spared = spent[-1] + START_CALLS * min(2, len(rungs) + 1)
        total = 0.0
        for each in ends:
            at = next((n for n, rung in enumerate(rungs) if each[rung - 1]), None)
            stopped = whole if at is None else spent[rungs[at] - 1] + START_CALLS * (at + 1)
            total += (spared + (SPARED_EVERY - 1) * stopped) / SPARED_EVERY
        return total

    rungs: list[int] = []
    while open_places:
        best = min(open_places, key=lambda rung: cost(sorted([*rungs, rung])))
        if cost(sorted([*rungs, best])) >= (1.0 - LEAST_SAVING) * cost(rungs):
            break
        open_places.remove(best)
        rungs = sorted([*rungs, best])
    return tuple(rungs)


def fewest_attempts(confidence: float) -> int:
    """Return from how many attempts a bound at this confidence can be read.

    Of so many and one more, each as likely to be the largest, the largest is the new one with no
    more than the remaining chance.
    """
    return math.ceil(confidence / (1.0 - confidence) - 1e-9)


def informative_order(costs: Costs, past: Sequence[Scores]) -> tuple[str, ...]:
    """Return the scenarios in the order in which their mean is most cheaply like that of all.

    Each next one leaves the least variance over the attempts in the difference of the two means,
    times what has then been spent: half the variance is worth twice the cost. Of equal ones it is
    the first of the suite.
    """
    scenarios = list(costs)
    logs = [[math.log(each[name]) for name in scenarios] for each in past]
    wholes = [fmean(row) for row in logs]
    sums, left, order = [0.0] * len(logs), list(range(len(scenarios))), list[int]()
    spent = float(START_CALLS)
    while left:
        count = len(order) + 1

        def price(
            place: int, sums: Sequence[float] = sums, count: int = count, spent: float = spent
        ) -> float:
            rows = zip(wholes, sums, logs, strict=True)
            differences = [whole - (known + row[place]) / count for whole, known, row in rows]
            return _variance(differences) * (spent + costs[scenarios[place]])

        chosen = min(left, key=price)
        left.remove(chosen)
        order.append(chosen)
        spent += costs[scenarios[chosen]]
        sums = [total + row[chosen] for total, row in zip(sums, logs, strict=True)]
    return tuple(scenarios[place] for place in order)


def _ends(
    order: Sequence[str], lifts: Sequence[float], latest: Scores | int, to_beat: Scores
) -> list[bool]:
    """Return whether a candidate is stopped after one scenario, two and so on, short of all."""
    if isinstance(latest, int):
        return [rung >= latest for rung in range(1, len(order))]
    ahead = accumulate(math.log(latest[name] / to_beat[name]) for name in order[:-1])
    pairs = enumerate(zip(ahead, lifts, strict=True), 1)
    return [total / count + lift < 0.0 for count, (total, lift) in pairs]


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


def _mean_log(scores: Scores) -> float:
    return fmean(map(math.log, scores.values()))


def _variance(values: Sequence[float]) -> float:
    """Return the variance without its last digits, so that rounding does not break a tie."""
    mean = fmean(values)
    variance = fmean((value - mean) ** 2 for value in values)
    return float(f"{variance:.9g}") if variance > NO_VARIANCE else 0.0


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"
