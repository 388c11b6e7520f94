"""Figures of a run, all computed from its log; and figures that are known before any run."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from simulator.sealed.expressions import Impossible, Missing, compile_expression
from simulator.sealed.shapes import Reduction, SealedSpec
from simulator.sealed.spec import HORIZON, figure_names
from simulator.sealed.state import State


def figures(spec: SealedSpec, state: State) -> dict[str, float]:
    """Return all figures of a run from the state that its whole log left.

    Of no rows at all every figure is 0.
    """
    return _all(spec, "reductions", state)


def known_figures(spec: SealedSpec, state: State) -> dict[str, float]:
    """Return the figures that need no event, from a state without any."""
    return _all(spec, "known", state)


def _all(spec: SealedSpec, group: str, state: State) -> dict[str, float]:
    reductions = spec.reductions if group == "reductions" else spec.known

    def figure(name: str) -> float:
        text = reductions[name].expression
        if text is None:
            return _figure(reductions[name], state, name)
        try:
            return float(compile_expression(text, names, name)(None))
        except (Impossible, Missing):
            return 0.0

    names = figure_names(spec, group, state, figure)
    return {name: figure(name) for name in reductions}


def _figure(reduction: Reduction, state: State, where: str) -> float:
    if reduction.gauge is not None:
        gauge = state.gauges[reduction.gauge]
        if reduction.reduce == "max":
            return float(gauge.peak)
        horizon = state.values[HORIZON]
        area = gauge.area + gauge.total * (horizon - gauge.since)
        return area / horizon if horizon else 0.0
    values = _values(reduction, state, where)
    if reduction.reduce == "count":
        return float(len(values))
    assert reduction.reduce is not None
    return float(_REDUCE[reduction.reduce](values)) if values else 0.0


def _values(reduction: Reduction, state: State, where: str) -> list[Any]:
    assert reduction.over is not None
    names = state.of_row(reduction.over)

    def compiled(text: str | None, otherwise: Any) -> Callable[[int], Any]:
        if text is None:
            return lambda _: otherwise
        return compile_expression(text, names, where)

    value = compiled(reduction.value, 0)
    instead = compiled(reduction.otherwise, None)
    counts = compiled(reduction.where, True)
    found = []
    for row in range(state.rows[reduction.over]):
        try:
            if not counts(row):
                continue
        except Missing:
            continue
        try:
            number = value(row)
        except Missing:
            number = instead(row)
        if number is not None:
            found.append(number)
    return found


def percentile(values: Sequence[Any], q: float) -> Any:
    """Return the nearest rank: the smallest value that a share ``q`` of all do not exceed."""
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]


_REDUCE: dict[str, Callable[[list[Any]], Any]] = {
    "sum": math.fsum,
    "mean": lambda values: math.fsum(values) / len(values),
    "max": max,
    "min": min,
    "p50": lambda values: percentile(values, 0.5),
    "p90": lambda values: percentile(values, 0.9),
    "p99": lambda values: percentile(values, 0.99),
}
