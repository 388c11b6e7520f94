"""Assay's cell and score for other frameworks: one call evaluates a policy safely.

Each function is the evaluator that one framework expects; see docs/evaluator.md. The policy runs in
Assay's cell, never in the calling process. A policy's failure is part of the answer; only a failure
of Assay raises. Scores are on train scenarios by default, so a result can still be checked on
scenarios that the search has not seen.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.attempt import SeenAttempt
from flows.evaluator_cells import EvaluatorSettings, Workbench, workbench
from flows.judging.scoring import Verdict, judge
from flows.policies import PolicyText, read_policy
from flows.prompting.diagnoses import diagnose
from sandbox.outcome import Evaluation, Outcome, Trial

__all__ = [
    "EvaluatorSettings",
    "Judgement",
    "evaluate",
    "evaluate_program",
    "evaluate_text",
    "judge_policy",
    "scenario_names",
    "write_results",
]

SCORE = "combined_score"
CORRECT = "correct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What became of a policy, in terms that any framework has."""

    candidate: str
    correct: bool
    """Whether it ended well, and believably, on every scenario."""
    combined_score: float
    """1.0 is naive and higher is better; a failed scenario keeps its charge; 0.0 if implausible."""
    scores: Mapping[str, float]
    """By scenario."""
    figures: Mapping[str, float]
    """What a person would also look at; none of it is part of the score."""
    outcome: str
    problem: str
    """Why it is not correct, else empty; text that the policy may have written."""
    feedback: str
    """What a scheduler engineer would say, for a prompt; a policy's own words are fenced in it."""


def evaluate(
    program_path: str | Path, settings: EvaluatorSettings | None = None
) -> dict[str, float]:
    """Return the metrics of the policy in a file: OpenEvolve's plain form, numbers only.

    Here and below, settings that are not given are those of the environment.
    """
    return _metrics(judge_policy(read_policy(str(program_path)), settings))


def evaluate_program(
    program_path: str | Path, settings: EvaluatorSettings | None = None
) -> dict[str, Any]:
    """Return ``metrics`` and ``artifacts``: the fields of OpenEvolve's EvaluationResult."""
    judged = judge_policy(read_policy(str(program_path)), settings)
    artifacts = {"outcome": judged.outcome, "feedback": judged.feedback}
    return {"metrics": _metrics(judged), "artifacts": artifacts}


def evaluate_text(
    candidate: str | Mapping[str, str],
    example: str | None = None,
    settings: EvaluatorSettings | None = None,
) -> tuple[float, dict[str, Any]]:
    """Return score and side information: what GEPA's optimize_anything wants of an evaluator.

    The candidate is a policy's source, or a mapping that holds nothing but it. An ``example`` is
    the name of a scenario, which alone is tried; ``scenario_names`` makes a data set of them.
    """
    source = candidate if isinstance(candidate, str) else _only_value(candidate)
    text = PolicyText(title="candidate", data=source.encode(), source=source)
    judged = judge_policy(text, settings, example)
    return judged.combined_score, {
        "outcome": judged.outcome,
        "feedback": judged.feedback,
        "scores": dict(judged.scores),
    }


def scenario_names(settings: EvaluatorSettings | None = None) -> list[str]:
    """Return the names of the scenarios that policies are tried on."""
    return [each.name for each in _bench(settings).scenarios]


def write_results(
    program_path: str | Path,
    results_dir: str | Path,
    settings: EvaluatorSettings | None = None,
) -> dict[str, Any]:
    """Write metrics.json and correct.json as ShinkaEvolve reads them; return the former."""
    judged = judge_policy(read_policy(str(program_path)), settings)
    metrics = {
        SCORE: judged.combined_score,
        "public": dict(judged.figures),
        "private": {f"score_{name}": score for name, score in judged.scores.items()},
        "text_feedback": judged.feedback,
    }
    correct = {CORRECT: judged.correct, "error": judged.problem or None}
    folder = Path(results_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("metrics.json", metrics), ("correct.json", correct)):
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
    return metrics


def judge_policy(
    text: PolicyText, settings: EvaluatorSettings | None = None, scenario: str | None = None
) -> Judgement:
    """Return what became of a policy on all scenarios, or on the one that is named."""
    bench = _bench(settings)
    trial = bench.try_policy(text, scenario)
    baseline = [bench.naive[name] for name in dict.fromkeys(e.scenario for e in trial.evaluations)]
    verdict = judge(trial, bench.references)
    believable = verdict.outcome is Outcome.OK and verdict.score is not None
    return Judgement(
        candidate=trial.candidate,
        correct=believable,
        combined_score=verdict.score or 0.0,
        scores={each.evaluation.scenario: each.score for each in verdict.judged},
        figures=_figures(verdict),
        outcome=str(verdict.outcome),
        problem="" if verdict.problem is None else verdict.problem.message,
        feedback=_feedback(trial, verdict, baseline),
    )


def _bench(settings: EvaluatorSettings | None) -> Workbench:
    return workbench(settings or EvaluatorSettings.from_environment())


def _only_value(candidate: Mapping[str, str]) -> str:
    if len(candidate) != 1:
        raise ValueError(
            f"the candidate has {len(candidate)} texts ({', '.join(candidate)}), expected one: "
            "the policy's source"
        )
    return next(iter(candidate.values()))


def _metrics(judged: Judgement) -> dict[str, float]:
    scores = {f"score_{name}": score for name, score in judged.scores.items()}
    return {
        SCORE: judged.combined_score,
        CORRECT: float(judged.correct),
        **judged.figures,
        **scores,
    }


def _figures(verdict: Verdict) -> dict[str, float]:
    """Return sums over the scenarios; one that failed has completed nothing."""
    known = [each.evaluation.metrics or {} for each in verdict.judged]
    failed = sum(1 for each in verdict.judged if each.evaluation.outcome is not Outcome.OK)
    return {
        "pipelines_completed": float(sum(each.get("pipelines_completed") or 0 for each in known)),
        "oom_kills": float(sum(each.get("oom_kills") or 0 for each in known)),
        "scenarios_failed": float(failed),
    }


def _feedback(trial: Trial, verdict: Verdict, baseline: list[Evaluation]) -> str:
    problem = verdict.problem
    evaluations = tuple(each.evaluation for each in verdict.judged)
    attempt = SeenAttempt(
        iteration=1,
        slot=0,
        origin="model",
        operator="sample",
        outcome=str(verdict.outcome),
        score=verdict.score,
        problem=problem.message if problem is not None else None,
        problem_line=problem.line if problem is not None else None,
        problem_source_line=problem.source_line if problem is not None else "",
        findings=trial.findings,
        evaluations=evaluations,
        prints=next((each.prints for each in evaluations if each.prints.strip()), ""),
    )
    naive = SeenAttempt(
        iteration=0,
        slot=0,
        origin="baseline",
        operator="baseline",
        outcome=str(Outcome.OK),
        score=1.0,
        evaluations=tuple(baseline),
    )
    score = "none" if verdict.score is None else f"{verdict.score:.4f}"
    head = f"outcome {verdict.outcome}, score {score} (1.0 is the naive baseline, higher is better)"
    return "\n".join([head, *diagnose(attempt, naive)])
