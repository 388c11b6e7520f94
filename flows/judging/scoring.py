"""The verdict on a trial: costs, scores, and which sources and policies are equal."""

import ast
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from flows.judging.objectives import (
    Reference,
    beats_its_bound,
    charged,
    scenario_score,
    with_unit,
)
from sandbox.outcome import Evaluation, Outcome, Problem, Trial
from sandbox.source import parse
from simulator.domain_spec import DomainSpec

PLAUSIBLE_SLACK = 1e-9
"""Relative room for rounding below the provable bound before a result counts as implausible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One evaluation with its cost and its score (1.0 is the reference, higher is better).

    Where the simulator failed they charge the policy nonetheless; nothing may rank by them then.
    """

    evaluation: Evaluation
    cost: float
    """The figure of the domain's first objective, a failure with its charge."""
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of a trial.

    ``score`` is None when it is implausible, when the simulator failed, and when the candidate was
    stopped before every scenario was tried; none of these is ever ranked.
    """

    outcome: Outcome
    score: float | None
    judged: tuple[Judged, ...]
    problem: Problem | None
    stopped: str = ""
    """Why it was not tried on the other scenarios, so that there is no score; empty if it was."""

    @property
    def believed(self) -> bool:
        """Whether the candidate ended well everywhere, with a score that can be true."""
        return self.outcome is Outcome.OK and self.score is not None

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        return tuple(each.evaluation for each in self.judged)

    @property
    def message(self) -> str:
        return self.problem.message if self.problem is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What results are scored by: an objective of a domain, by default its first one."""

    spec: DomainSpec
    objective: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The references of a search by split and scenario, and what it is scored by."""

    train: Mapping[str, Reference]
    validation: Mapping[str, Reference]
    scale: Scale


def judge(
    trial: Trial,
    references: Mapping[str, Reference],
    scale: Scale,
) -> Verdict:
    """Return the verdict on a trial; repeats of a scenario must make the same decisions.

    A scenario that the trial holds several times is scored once: the others are repeats.
    """
    scored: dict[str, Evaluation] = {}
    repeats: list[Evaluation] = []
    for each in trial.evaluations:
        if scored.setdefault(each.scenario, each) is not each:
            repeats.append(each)
    return _verdict(_compared(list(scored.values()), repeats), references, scale)


def judge_repeats(
    verdict: Verdict,
    repeats: Sequence[Evaluation],
    references: Mapping[str, Reference],
    scale: Scale,
) -> Verdict:
    """Return the verdict, or a new one if a repeat made other decisions."""
    scored = [each.evaluation for each in verdict.judged]
    compared = _compared(scored, repeats)
    return verdict if compared == scored else _verdict(compared, references, scale)


def worst_verdict(
    outcome: Outcome,
    problem: str,
    references: Mapping[str, Reference],
    scale: Scale,
) -> Verdict:
    """Return the verdict on an attempt without a policy: a failure in every scenario."""
    failures = {name: Evaluation(scenario=name, outcome=outcome) for name in references}
    objective = scale.spec.objective(scale.objective)
    score = geometric_mean(
        [scenario_score(objective, failures[name], each) for name, each in references.items()]
    )
    return Verdict(outcome=outcome, score=score, judged=(), problem=Problem(message=problem))


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers; 1.0 for none."""
    return math.exp(math.fsum(map(math.log, values)) / len(values)) if values else 1.0


@lru_cache(maxsize=256)  # a search asks for the same source about six times
def normalised_sha256(source: str) -> str:
    """Return a hash that layout, comments and docstrings do not change."""
    try:
        tree = parse(source)
        for node in ast.walk(tree):
            _drop_docstring(node)
        text = ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = source
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def behaviour(evaluations: Sequence[Evaluation]) -> tuple[tuple[str, str], ...] | None:
    """Return a key that is equal for equal behaviour, None when a scenario failed."""
    if not evaluations or any(each.outcome is not Outcome.OK for each in evaluations):
        return None
    hashes = [(each.scenario, each.decision_sha256 or "") for each in evaluations]
    return tuple(hashes) if all(digest for _, digest in hashes) else None


def _compared(scored: Sequence[Evaluation], repeats: Sequence[Evaluation]) -> list[Evaluation]:
    """Return the scored evaluations; those that a repeat contradicts are nondeterministic."""
    by_scenario: dict[str, list[Evaluation]] = {}
    for each in repeats:
        by_scenario.setdefault(each.scenario, []).append(each)
    return [_checked(each, by_scenario.get(each.scenario, ())) for each in scored]


def _checked(evaluation: Evaluation, repeats: Sequence[Evaluation]) -> Evaluation:
    if evaluation.outcome is not Outcome.OK:
        return evaluation
    for repeat in repeats:
        if repeat.outcome is Outcome.NOT_TRIED:
            continue
        if repeat.outcome is Outcome.SIMULATOR_FAILED:
            return replace(evaluation, outcome=repeat.outcome, problem=repeat.problem)
        if (repeat.outcome, repeat.decision_sha256) != (Outcome.OK, evaluation.decision_sha256):
            return _nondeterministic(evaluation, repeat)
    return evaluation


def _verdict(
    scored: Sequence[Evaluation], references: Mapping[str, Reference], scale: Scale
) -> Verdict:
    judged = tuple(_judge_one(each, references[each.scenario], scale) for each in scored)
    failed = _worst_failure(scored)
    if failed is not None and failed.outcome is Outcome.SIMULATOR_FAILED:
        return Verdict(outcome=failed.outcome, score=None, judged=judged, problem=failed.problem)
    if failed is not None:
        return Verdict(
            outcome=failed.outcome, score=_mean(judged), judged=judged, problem=failed.problem
        )
    doubt = _implausible(judged, references, scale.spec)
    score = None if doubt is not None else _mean(judged)
    return Verdict(outcome=Outcome.OK, score=score, judged=judged, problem=doubt)


def _worst_failure(scored: Sequence[Evaluation]) -> Evaluation | None:
    """Return the first failure of the simulator, else the first of the policy.

    Where a simulator failed there is no score at all: neither is a policy charged for it, nor does
    one that knows how to bring it about escape a bad score.
    """
    failures = [each for each in scored if each.outcome is not Outcome.OK]
    of_simulator = (each for each in failures if each.outcome is Outcome.SIMULATOR_FAILED)
    return next(of_simulator, failures[0] if failures else None)


def _nondeterministic(evaluation: Evaluation, repeat: Evaluation) -> Evaluation:
    how = "decided differently" if repeat.outcome is Outcome.OK else f"ended in {repeat.outcome}"
    message = (
        f"the policy {how} when the same scenario was tried again in another cell: decisions may "
        "depend only on what the simulator shows, not on clocks, ids, hashes or memory addresses"
    )
    return replace(evaluation, outcome=Outcome.NONDETERMINISTIC, problem=Problem(message=message))


def _judge_one(evaluation: Evaluation, reference: Reference, scale: Scale) -> Judged:
    return Judged(
        evaluation=evaluation,
        cost=charged(scale.spec.objective(), evaluation, reference),
        score=scenario_score(scale.spec.objective(scale.objective), evaluation, reference),
    )


def _mean(judged: Sequence[Judged]) -> float:
    return geometric_mean([each.score for each in judged])


def _implausible(
    judged: Sequence[Judged], references: Mapping[str, Reference], spec: DomainSpec
) -> Problem | None:
    """Return what is wrong with a figure that no policy can have, whichever objective has it."""
    for each in judged:
        scenario = each.evaluation.scenario
        reference = references[scenario]
        for objective in spec.objectives:
            bound = beats_its_bound(objective, each.evaluation, reference, PLAUSIBLE_SLACK)
            if bound is not None:
                own = charged(objective, each.evaluation, reference)
                side = "below" if objective.better == "less" else "above"
                return Problem(
                    message=f"implausible: {objective.label} {with_unit(own, objective.unit)} in "
                    f"{scenario} is {side} the provable bound of "
                    f"{with_unit(bound, objective.unit)}; never promoted"
                )
    return None


def _drop_docstring(node: ast.AST) -> None:
    body = getattr(node, "body", None)
    kinds = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    if not isinstance(node, kinds) or not body:
        return
    first = body[0]
    value = first.value if isinstance(first, ast.Expr) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        node.body = node.body[1:] or [ast.Pass()]
