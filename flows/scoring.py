"""What a candidate is worth: charged latencies, their mean over scenarios, and sameness."""

import ast
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sandbox.outcome import Evaluation, Outcome, Problem, Trial

PLAUSIBLE_SLACK = 1e-9
"""Relative room for rounding below the provable bound before a result counts as implausible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a scenario is measured against: the naive policy's figure and the worst charge."""

    weighted_latency_seconds: float
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One evaluation with its charge in seconds and its score (1.0 is naive, higher is better)."""

    evaluation: Evaluation
    weighted_latency_seconds: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a candidate; ``score`` is None when it is implausible: it never ranks."""

    outcome: Outcome
    score: float | None
    judged: tuple[Judged, ...]
    problem: Problem | None


def judge(trial: Trial, references: Mapping[str, Reference]) -> Verdict:
    """Return the verdict on a trial whose scenarios may be repeated for the determinism check."""
    scored, repeats = _split_repeats(trial.evaluations)
    scored = tuple(_checked(evaluation, repeats) for evaluation in scored)
    judged = tuple(_judge_one(each, references[each.scenario]) for each in scored)
    failed = next((each for each in scored if each.outcome is not Outcome.OK), None)
    if failed is not None:
        return Verdict(
            outcome=failed.outcome, score=_mean(judged), judged=judged, problem=failed.problem
        )
    doubt = _implausible(judged)
    score = None if doubt is not None else _mean(judged)
    return Verdict(outcome=Outcome.OK, score=score, judged=judged, problem=doubt)


def worst_score(references: Mapping[str, Reference]) -> float:
    """Return the score of a candidate that failed in every scenario."""
    return geometric_mean([_ratio(r, r.duration_seconds) for r in references.values()])


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers; 1.0 for none."""
    return math.exp(math.fsum(map(math.log, values)) / len(values)) if values else 1.0


def normalised_sha256(source: str) -> str:
    """Return a hash that layout, comments and docstrings do not change."""
    try:
        tree = ast.parse(source)
        for node in ast.walk(tree):
            _drop_docstring(node)
        text = ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = source
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def behaviour(evaluations: Sequence[Evaluation]) -> tuple[tuple[str, str], ...] | None:
    """Return what tells two behaviours apart, or None when not every scenario ended well."""
    if not evaluations or any(each.outcome is not Outcome.OK for each in evaluations):
        return None
    hashes = [(each.scenario, each.decision_sha256 or "") for each in evaluations]
    return tuple(hashes) if all(digest for _, digest in hashes) else None


def _split_repeats(
    evaluations: Sequence[Evaluation],
) -> tuple[tuple[Evaluation, ...], dict[str, Evaluation]]:
    first: dict[str, Evaluation] = {}
    repeats: dict[str, Evaluation] = {}
    for each in evaluations:
        if each.scenario in first:
            repeats[each.scenario] = each
        else:
            first[each.scenario] = each
    return tuple(first.values()), repeats


def _checked(evaluation: Evaluation, repeats: Mapping[str, Evaluation]) -> Evaluation:
    repeat = repeats.get(evaluation.scenario)
    if repeat is None or evaluation.outcome is not Outcome.OK:
        return evaluation
    if (repeat.outcome, repeat.decision_sha256) == (Outcome.OK, evaluation.decision_sha256):
        return evaluation
    how = "decided differently" if repeat.outcome is Outcome.OK else f"ended in {repeat.outcome}"
    message = (
        f"the policy {how} when the same scenario was tried again: decisions may depend only on "
        "what the simulator shows, not on clocks, ids, hashes or memory addresses"
    )
    return replace(evaluation, outcome=Outcome.NONDETERMINISTIC, problem=Problem(message=message))


def _judge_one(evaluation: Evaluation, reference: Reference) -> Judged:
    charge = _charge(evaluation, reference.duration_seconds)
    return Judged(
        evaluation=evaluation,
        weighted_latency_seconds=charge,
        score=_ratio(reference, charge),
    )


def _charge(evaluation: Evaluation, duration_seconds: float) -> float:
    if evaluation.outcome is not Outcome.OK or evaluation.metrics is None:
        return duration_seconds
    latency = evaluation.metrics.get("weighted_latency_seconds")
    return float(latency) if latency is not None else 0.0


def _ratio(reference: Reference, charge: float) -> float:
    """Return naive's figure over ``charge``; a scenario in which nothing arrived counts as 1."""
    if reference.weighted_latency_seconds <= 0.0 or charge <= 0.0:
        return 1.0
    return reference.weighted_latency_seconds / charge


def _mean(judged: Sequence[Judged]) -> float:
    return geometric_mean([each.score for each in judged])


def _implausible(judged: Sequence[Judged]) -> Problem | None:
    for each in judged:
        bound = (each.evaluation.metrics or {}).get("lower_bound_seconds")
        own = each.weighted_latency_seconds
        if bound is not None and own < float(bound) * (1.0 - PLAUSIBLE_SLACK):
            return Problem(
                message=f"implausible: weighted latency {own:g} s in {each.evaluation.scenario} is "
                f"below the provable bound of {float(bound):g} s; never promoted"
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
