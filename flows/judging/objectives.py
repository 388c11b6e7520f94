"""The score of a scenario by an objective: the reference policy's figure against the policy's own.

What a figure is, what a failure is charged and which direction is better, the domain says in its
``domain.toml``; see ``simulator.domain_spec.Objective``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.outcome import Evaluation, Outcome
from simulator.domain_spec import Metric, Objective, figure
from simulator.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a scenario is scored against: the reference's results, and what is known of it."""

    metrics: Mapping[str, Any]
    stats: Mapping[str, Any]
    known: Mapping[str, float]
    """The scenario's own figures, such as what a failure is charged."""


def charged(objective: Objective, evaluation: Evaluation, reference: Reference) -> float:
    """Return the figure of an evaluation; a failure, or no such figure, counts as ``failed``."""
    if evaluation.outcome is not Outcome.OK:
        return _counted(objective, None, reference.known)
    own = figure(objective.figure, evaluation.metrics, evaluation.stats)
    return _counted(objective, own, reference.known)


def scenario_score(objective: Objective, evaluation: Evaluation, reference: Reference) -> float:
    """Return how many times as good as the reference policy it was; 1.0 is the same."""
    own = charged(objective, evaluation, reference)
    found = figure(objective.figure, reference.metrics, reference.stats)
    theirs = _counted(objective, found, reference.known)
    better, worse = (theirs, own) if objective.better == "less" else (own, theirs)
    return better / worse if better > 0.0 and worse > 0.0 else 1.0


def beats_its_bound(
    objective: Objective, evaluation: Evaluation, reference: Reference, slack: float
) -> float | None:
    """Return the bound that a figure is beyond, which no policy can be; None where all is well."""
    if objective.bound is None or evaluation.outcome is not Outcome.OK:
        return None
    found = figure(objective.bound, evaluation.metrics, evaluation.stats)
    if found is None:
        found = reference.known.get(objective.bound)
    if found is None:
        return None
    bound, own = float(found), charged(objective, evaluation, reference)
    if objective.better == "less":
        return bound if own < bound * (1.0 - slack) else None
    return bound if own > bound * (1.0 + slack) else None


def cannot_be_beaten(
    objective: Objective, evaluation: "HasFigures", reference: Reference, slack: float
) -> bool:
    """Return whether a figure is as good as the bound, so that no policy can have a better one."""
    own = figure(objective.figure, evaluation.metrics, evaluation.stats)
    if objective.bound is None or own is None:
        return False
    bound = figure(objective.bound, evaluation.metrics, evaluation.stats)
    bound = reference.known.get(objective.bound) if bound is None else bound
    if bound is None:
        return False
    if objective.better == "less":
        return float(own) <= float(bound) * (1.0 + slack)
    return float(own) >= float(bound) * (1.0 - slack)


class HasFigures(Protocol):
    """An evaluation, or the row of one."""

    @property
    def scenario(self) -> str: ...
    @property
    def metrics(self) -> dict[str, Any] | None: ...
    @property
    def stats(self) -> dict[str, Any] | None: ...


def metric_over(
    metric: Metric, evaluations: Sequence[HasFigures], path: str | None = None
) -> float | None:
    """Return a metric over scenarios as the domain puts them together; None where none has it."""
    values = [figure(path or metric.key, each.metrics, each.stats) for each in evaluations]
    numbers = [float(each) for each in values if each is not None]
    if not numbers:
        return None
    match metric.over:
        case "sum":
            return sum(numbers)
        case "max":
            return max(numbers)
        case "mean":
            return sum(numbers) / len(numbers)


def metric_text(metric: Metric, evaluations: Sequence[HasFigures]) -> str:
    """Return the same for a table, as in 12/14 or 3.5 s; empty where none has it."""
    value = metric_over(metric, evaluations)
    if value is None:
        return ""
    shown = f"{_short(value)} {metric.unit}".rstrip()
    if metric.out_of is None:
        return shown
    whole = metric_over(metric, evaluations, metric.out_of)
    return shown if whole is None else f"{_short(value)}/{_short(whole)}"


def _short(value: float) -> str:
    """Return a number as tables show it: whole if it counts or is large, else in four digits."""
    return f"{value:.0f}" if value.is_integer() or abs(value) >= 1000 else f"{value:.4g}"


def with_unit(value: float, unit: str, form: str = "g") -> str:
    """Return a figure as people read it."""
    return f"{value:{form}} {unit}".rstrip()


def _counted(objective: Objective, value: Any, known: Mapping[str, float]) -> float:
    """Return what a figure counts as: see the docstring of ``Objective``."""
    if value is None:
        counted = 0.0 if objective.failed is None else _known(objective, objective.failed, known)
    else:
        counted = float(value)
    if objective.least is None:
        return counted
    return max(counted, _known(objective, objective.least, known))


def _known(objective: Objective, name: str, known: Mapping[str, float]) -> float:
    try:
        return float(known[name])
    except KeyError:
        raise InputError(
            f"objective {objective.name}: a scenario has no figure {name!r}, it has "
            f"{', '.join(known) or 'none'}: correct domain.toml, or Scenario.figures"
        ) from None
