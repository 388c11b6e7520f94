"""Says when in a run the cost of an attempt arises, and of what, beside the best rival there.

A domain declares the parts of an objective and the curves along which each arises
(``simulator.domain_spec.Cost``). The difference of two attempts' curves is their excess over time.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.attempt import SeenAttempt
from sandbox.outcome import Evaluation
from simulator.domain_spec import Channel, Cost, DomainSpec, Objective, Spans, figure

LINES = 6
SCENARIOS = 2
"""Lines are about so many scenarios, those where an attempt is weakest against its best rival."""
POINTS = 40
"""A curve is looked at in so many points at most."""
THINNED = "thinned_by"
"""Stands beside curves of which each point is the mean of so many samples."""
NOTICED = 0.01
"""A rival that is better by less is none."""
HELD = 0.85
"""A line names the shortest time that holds so much of the excess around it."""
LEAST_SHARE = 0.04
"""Of the excess; what explains less is not worth a line."""
UNLIKE = 0.15
"""Of a curve's highest point: a difference that is worth mentioning."""
HINTS = 2

Curve = Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in which one part of the cost exceeds the rival's, or the end of the run."""

    cost: Cost
    begins: int
    ends: int
    """Points of the curves, the last one excluded; both 0 for what is charged at the end."""
    excess: float
    """In the unit of the objective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """What an attempt costs more than a rival in one scenario, and where that arises."""

    net: float
    """The difference of the two figures."""
    gross: float
    """The sum over all points and parts where the attempt costs more."""
    stretches: tuple[Stretch, ...]
    """The largest first."""

    @property
    def explained(self) -> float:
        """The part of the gross excess that the stretches hold, 0 to 1."""
        return sum(each.excess for each in self.stretches) / self.gross if self.gross else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    """A scenario in which another attempt did better, and the best that did."""

    own: Evaluation
    rival: Evaluation
    other: SeenAttempt
    """The attempt that the rival's evaluation is of."""
    times: float
    """The own figure over the rival's."""


def excess_lines(
    attempt: SeenAttempt,
    attempts: Iterable[SeenAttempt],
    spec: DomainSpec,
    objective: str | None = None,
) -> list[str]:
    """Return at most ``LINES`` lines about the scenarios where an attempt is weakest.

    There are none where the domain declares no costs of the objective, or no attempt is better.
    """
    by = spec.objective(objective)
    if not any(each.objective == by.name for each in spec.costs):
        return []
    weak = weaknesses(attempt, attempts, by)[:SCENARIOS]
    return [line for each in weak for line in weakness_lines(each, spec, by)]


def weakness_lines(weak: Weakness, spec: DomainSpec, by: Objective) -> list[str]:
    """Return the lines about one scenario, the largest excess first."""
    found = find_excess(weak.own.metrics or {}, weak.rival.metrics or {}, spec, by)
    lines: list[str] = []
    for each in found.stretches if found else ():
        where = weak.own.scenario
        if not lines:
            rival = f"the best rival, {_name(weak.other)}"
            where += f" ({by.label} {weak.times:.2f} times that of {rival})"
        what = _over_time(weak, each, spec) if each.cost.channels else _at_the_end(weak, each, by)
        share = each.excess / found.gross if found else 0.0
        lines.append(f"{where}{what}: {100 * share:.0f} % of the excess")
    return lines


def weaknesses(
    attempt: SeenAttempt, attempts: Iterable[SeenAttempt], by: Objective
) -> list[Weakness]:
    """Return the scenarios in which others did better, the worst first."""
    others = [each for each in attempts if each is not attempt]
    best: dict[str, tuple[float, Evaluation, SeenAttempt]] = {}
    for other in others:
        for each in other.evaluations:
            value = _value(each, by)
            if value is not None and (each.scenario not in best or value < best[each.scenario][0]):
                best[each.scenario] = value, each, other
    found = []
    for own in attempt.evaluations:
        mine, (theirs, rival, other) = _value(own, by), best.get(own.scenario, (0.0, own, attempt))
        if mine is not None and theirs > 0 and mine > theirs * (1 + NOTICED):
            found.append(Weakness(own=own, rival=rival, other=other, times=mine / theirs))
    return sorted(found, key=lambda each: (-each.times, each.own.scenario))


def find_excess(
    own: Mapping[str, Any],
    rival: Mapping[str, Any],
    spec: DomainSpec,
    by: Objective,
    most: int = LINES // SCENARIOS,
) -> Excess | None:
    """Return where metrics of one run exceed another's of the same scenario, None if unknown."""
    parts: list[tuple[Cost, list[float]]] = []
    elsewhere = 0.0
    for cost in spec.costs:
        mine, theirs = figure(cost.figure, own), figure(cost.figure, rival)
        if cost.objective != by.name or mine is None or theirs is None:
            continue
        curves = _spread(cost, mine, own, spec), _spread(cost, theirs, rival, spec)
        if None in curves or len(curves[0] or ()) != len(curves[1] or ()):
            elsewhere += max(0.0, mine - theirs)  # nobody knows when
            continue
        pairs = zip(curves[0] or (), curves[1] or (), strict=True)
        parts.append((cost, [a - b for a, b in pairs]))
    if not parts:
        return None
    gross = elsewhere + sum(max(0.0, each) for _, curve in parts for each in curve)
    net = elsewhere + sum(sum(curve) for _, curve in parts)
    return Excess(net=net, gross=gross, stretches=_stretches(parts, LEAST_SHARE * gross, most))


def _stretches(
    parts: Sequence[tuple[Cost, list[float]]], least: float, most: int
) -> tuple[Stretch, ...]:
    """Return the stretches that hold most of the excess; no two of one part touch or overlap."""
    curves = [list(curve) for _, curve in parts]
    found: list[Stretch] = []
    while len(found) < most:
        sums = [_largest_sum(curve) for curve in curves]
        place = max(range(len(parts)), key=lambda each: sums[each][0])
        whole, begins, ends = sums[place]
        if whole <= least:
            break
        cost, curve = parts[place][0], curves[place]
        first, last = _shortest(curve, begins, ends, HELD * whole)
        held = sum(curve[first:last])
        curve[begins:ends] = [-math.inf] * (ends - begins)
        if not cost.channels:
            first = last = 0
        found.append(Stretch(cost=cost, begins=first, ends=last, excess=held))
    return tuple(found)


def _value(evaluation: Evaluation, by: Objective) -> float | None:
    value = figure(by.figure, evaluation.metrics, evaluation.stats)
    return float(value) if isinstance(value, int | float) else None


def _name(attempt: SeenAttempt) -> str:
    place = f"{attempt.iteration}/{attempt.slot}"
    return f"{attempt.title} ({place})" if attempt.origin == "baseline" else place


def thinned(values: Sequence[float], width: int) -> list[float]:
    """Return the means of so many values each; the last mean may be of fewer."""
    if width == 1:
        return list(values)
    groups = (values[start : start + width] for start in range(0, len(values), width))
    return [sum(group) / len(group) for group in groups]


def width_for(samples: int) -> int:
    """Return how many samples of a curve make one point."""
    return max(1, -(-samples // POINTS))


def _curve(key: str, metrics: Mapping[str, Any], spec: DomainSpec) -> Curve | None:
    """Return a channel of the timeline, in ``POINTS`` points at most."""
    assert spec.timeline is not None, "costs have channels of a timeline only"
    values = figure(f"{spec.timeline.figure}.{key}", metrics)
    if isinstance(values, dict | str) or not isinstance(values, Sequence):
        return None
    if not all(isinstance(each, int | float) for each in values):
        return None
    return thinned(values, width_for(len(values)))


def _spread(
    cost: Cost, part: float, metrics: Mapping[str, Any], spec: DomainSpec
) -> list[float] | None:
    """Return a part of the cost over time; None where its curves are not known or nowhere high."""
    if not cost.channels:
        return [part]
    curves = [_curve(key, metrics, spec) for key in cost.channels]
    known = [curve for curve in curves if curve is not None]
    if len(known) < len(curves) or len({len(curve) for curve in known}) != 1:
        return None
    summed = [sum(values) for values in zip(*known, strict=True)]
    whole = sum(summed)
    if whole <= 0:
        return [0.0] * len(summed) if part == 0 else None
    return [part * each / whole for each in summed]


def _largest_sum(curve: Sequence[float]) -> tuple[float, int, int]:
    """Return the largest sum of neighbouring values, and where they begin and end."""
    best, found = 0.0, (0, 0)
    running, since = 0.0, 0
    for place, value in enumerate(curve):
        if running <= 0:
            running, since = 0.0, place
        running += value
        if running > best:
            best, found = running, (since, place + 1)
    return best, *found


def _shortest(curve: Sequence[float], begins: int, ends: int, least: float) -> tuple[int, int]:
    """Return where the fewest neighbouring values begin and end that have such a sum."""
    for length in range(1, ends - begins):
        sums = [sum(curve[at : at + length]) for at in range(begins, ends - length + 1)]
        if max(sums) >= least:
            first = begins + sums.index(max(sums))
            return first, first + length
    return begins, ends


def _at_the_end(weak: Weakness, stretch: Stretch, by: Objective) -> str:
    sides = (figure(stretch.cost.figure, each.metrics) for each in (weak.own, weak.rival))
    mine, theirs = (f"{_number(side)} {by.unit}".rstrip() for side in sides)
    return f": {stretch.cost.label} cost {mine} (rival {theirs})"


def _over_time(weak: Weakness, stretch: Stretch, spec: DomainSpec) -> str:
    own, rival = weak.own.metrics or {}, weak.rival.metrics or {}
    cost, point = stretch.cost, _seconds_per_point(stretch.cost.channels[0], own, spec)
    begins, ends = stretch.begins * point, stretch.ends * point
    mine, theirs = (
        _number(sum(_mean(key, metrics, stretch, spec) for key in cost.channels))
        for metrics in (own, rival)
    )
    said = [f"{mine} {cost.label} (rival {theirs})"]
    said += _hints(own, rival, stretch, spec)
    said += _holders(own, rival, begins, ends, spec)
    return f", {begins:g} to {ends:g} s: {'; '.join(said)}"


def _hints(
    own: Mapping[str, Any], rival: Mapping[str, Any], stretch: Stretch, spec: DomainSpec
) -> list[str]:
    """Return what else differs most in this time, of what the timeline shows."""
    assert spec.timeline is not None, "a stretch is one of a timeline"
    costs = [each for each in spec.costs if each.objective == stretch.cost.objective]
    told = {key for each in costs for key in each.channels}
    found: list[tuple[float, str]] = []
    for channel in spec.timeline.channels:
        curves = [_curve(channel.key, metrics, spec) for metrics in (own, rival)]
        if channel.key in told or not curves[0] or not curves[1]:
            continue
        highest = max(map(abs, (*curves[0], *curves[1])))
        places = slice(stretch.begins, stretch.ends)
        means = [sum(curve[places]) / (stretch.ends - stretch.begins) for curve in curves if curve]
        unlike = abs(means[0] - means[1]) / highest if highest else 0.0
        if unlike > UNLIKE:
            sides = (_mean(channel.key, metrics, stretch, spec) for metrics in (own, rival))
            found.append((unlike, _hint(channel, *sides)))
    return [text for _, text in sorted(found, key=lambda each: -each[0])[:HINTS]]


def _hint(channel: Channel, mine: float, theirs: float) -> str:
    unit = f" {channel.unit}" if channel.unit else ""
    return f"{channel.label} {_number(mine)}{unit} (rival {_number(theirs)}{unit})"


def _mean(key: str, metrics: Mapping[str, Any], stretch: Stretch, spec: DomainSpec) -> float:
    """Return the mean of a channel over a stretch, the sum of one that counts events."""
    values = (_curve(key, metrics, spec) or ())[stretch.begins : stretch.ends]
    assert spec.timeline is not None, "a stretch is one of a timeline"
    counts = any(each.key == key and each.thin == "sum" for each in spec.timeline.channels)
    samples = _samples_per_point(key, metrics, spec) if counts else 1
    return sum(values) * samples / (1 if counts else max(1, len(values)))


def _samples_per_point(key: str, metrics: Mapping[str, Any], spec: DomainSpec) -> int:
    assert spec.timeline is not None, "costs have channels of a timeline only"
    path = f"{spec.timeline.figure}.{key}"
    before = figure(f"{path.rpartition('.')[0]}.{THINNED}", metrics) or 1
    return int(before) * width_for(len(figure(path, metrics) or ()))


def _seconds_per_point(key: str, metrics: Mapping[str, Any], spec: DomainSpec) -> float:
    assert spec.timeline is not None, "costs have channels of a timeline only"
    step = figure(spec.timeline.seconds_per_sample, metrics) or 1.0
    return float(step) * _samples_per_point(key, metrics, spec)


def _holders(
    own: Mapping[str, Any], rival: Mapping[str, Any], begins: float, ends: float, spec: DomainSpec
) -> list[str]:
    """Return the class whose spans hold more memory than the rival's, where all spans are kept."""
    spans = spec.spans
    sides = [_held(spans, each, begins, ends) for each in (own, rival)] if spans else []
    if spans is None or None in sides:
        return []
    mine, theirs = (side or {} for side in sides)
    more = {key: value - theirs.get(key, 0.0) for key, value in mine.items()}
    most = max(more, key=lambda key: more[key], default=None)
    if most is None or more[most] <= UNLIKE * max(mine.values()):
        return []
    name, unit = _class_label(most, spec), _memory_unit(spans).upper()
    theirs_gb = _number(theirs.get(most, 0.0))
    return [f"{name} {spans.label}s hold {_number(mine[most])} {unit} (rival {theirs_gb} {unit})"]


def _held(
    spans: Spans, metrics: Mapping[str, Any], begins: float, ends: float
) -> dict[Any, float] | None:
    """Return the mean memory that the spans of each class hold from one second to another."""
    rows, unit = figure(spans.figure, metrics), _memory_unit(spans)
    if not isinstance(rows, list) or not rows or not unit or ends <= begins:
        return None
    start, end, size, kind = (
        spans.columns.index(name)
        for name in ("start", "end", next(n for n in spans.columns if n.endswith(unit)), "class")
    )
    if (figure(spans.created, metrics) or 0) > len(rows) and rows[-1][start] < ends:
        return None  # later ones are not kept
    held: dict[Any, float] = {}
    for row in rows:
        seconds = min(row[end], ends) - max(row[start], begins)
        if seconds > 0:
            held[row[kind]] = held.get(row[kind], 0.0) + seconds * row[size] / (ends - begins)
    return held


def _memory_unit(spans: Spans) -> str:
    """Return ``gb`` or ``mb``, the unit of the column that says so in its name, else nothing."""
    found = (re.search(r"_(gb|mb)$", name) for name in spans.columns)
    return next((match[1] for match in found if match), "")


def _class_label(key: Any, spec: DomainSpec) -> str:
    """Return the label of a class: a key of the table by class, or a place in it from 1."""
    rows = spec.classes.rows if spec.classes else []
    if isinstance(key, int) and 1 <= key <= len(rows):
        return rows[key - 1].label
    return next((each.label for each in rows if each.key == key), str(key))


def _number(value: float) -> str:
    """Return a number in few digits."""
    if abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 0.05 or not value else f"{value:.1g}"
