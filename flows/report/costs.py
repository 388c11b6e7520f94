"""Where the cost of recorded attempts arises: the lines of their prompts, from the history."""

import json
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from flows.attempt import SeenAttempt
from flows.history.store import Ask
from flows.judging.splits import TRAIN
from flows.prompting.excess import SCENARIOS, Weakness, weakness_lines, weaknesses
from flows.report.text import one_line
from sandbox.outcome import Evaluation, Outcome
from simulator.domain_spec import DomainSpec, Objective

Slot = tuple[int, int]
"""(iteration, slot) of an attempt."""
Place = tuple[int, int, str]
"""(iteration, slot, scenario) of an evaluation."""

_FIGURES = """
SELECT iteration, slot, scenario, title, origin, {figure} AS figure
FROM evaluations JOIN candidates USING (experiment_id, iteration, slot)
WHERE experiment_id = ? AND split = ? AND attempt = 0 AND evaluations.outcome = 'ok'
ORDER BY iteration, slot, scenario
"""
_METRICS = """
SELECT iteration, slot, scenario, metrics FROM evaluations
WHERE experiment_id = ? AND attempt = 0
    AND list_contains(?, concat_ws('/', iteration, slot, scenario))
"""


def cost_lines(
    ask: Ask,
    experiment: str,
    spec: DomainSpec,
    objective: str | None,
    slots: Collection[Slot] | None = None,
) -> dict[Slot, list[str]]:
    """Return for attempts, or for all, where their cost exceeds that of the best rival on train.

    Attempts of which nothing is to be said are left out; where the domain declares no costs of the
    objective, all are.
    """
    by = next((each for each in spec.objectives if each.name == objective), None)
    if by is None or not any(each.objective == by.name for each in spec.costs):
        return {}
    attempts = _attempts(ask, experiment, by)
    found = {
        slot: weaknesses(attempt, attempts.values(), by)[:SCENARIOS]
        for slot, attempt in attempts.items()
        if slots is None or slot in slots
    }
    places = {
        (*at, each.own.scenario)
        for slot, weak in found.items()
        for each in weak
        for at in (slot, _slot(each.other))
    }
    known = _metrics(ask, experiment, places)
    lines = {
        slot: [
            line for each in weak for line in weakness_lines(_filled(each, slot, known), spec, by)
        ]
        for slot, weak in found.items()
    }
    return {slot: [one_line(line) for line in each] for slot, each in lines.items() if each}


def _attempts(ask: Ask, experiment: str, by: Objective) -> dict[Slot, SeenAttempt]:
    """Return the attempts with nothing but their figure in each scenario."""
    column, path = (
        ("stats", by.figure[6:]) if by.figure.startswith("stats.") else ("metrics", by.figure)
    )
    value = f"CAST(json_extract({column}, '$.{path}') AS DOUBLE)"
    rows = ask(_FIGURES.format(figure=value), [experiment, TRAIN]).rows
    tried: dict[Slot, SeenAttempt] = {}
    for iteration, slot, scenario, title, origin, figure in rows:
        attempt = tried.get((iteration, slot)) or SeenAttempt(
            iteration=iteration, slot=slot, title=title, origin=origin, operator="", outcome="ok"
        )
        known = {column: _nested(path, figure)}
        evaluation = Evaluation(
            scenario=scenario,
            outcome=Outcome.OK,
            stats=known.get("stats"),
            metrics=known.get("metrics"),
        )
        tried[iteration, slot] = replace(attempt, evaluations=(*attempt.evaluations, evaluation))
    return tried


def _nested(path: str, value: float | None) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    return {name: _nested(rest, value) if rest else value}


def _metrics(ask: Ask, experiment: str, places: Collection[Place]) -> dict[Place, dict[str, Any]]:
    """Return the metrics of some evaluations, curves and all."""
    names = [f"{iteration}/{slot}/{scenario}" for iteration, slot, scenario in places]
    rows = ask(_METRICS, [experiment, names]).rows if names else []
    return {
        (iteration, slot, scenario): json.loads(metrics or "{}")
        for iteration, slot, scenario, metrics in rows
    }


def _filled(weak: Weakness, slot: Slot, known: dict[Place, dict[str, Any]]) -> Weakness:
    scenario = weak.own.scenario
    own, rival = (known.get((*at, scenario), {}) for at in (slot, _slot(weak.other)))
    return replace(
        weak, own=replace(weak.own, metrics=own), rival=replace(weak.rival, metrics=rival)
    )


def _slot(attempt: SeenAttempt) -> Slot:
    return attempt.iteration, attempt.slot
