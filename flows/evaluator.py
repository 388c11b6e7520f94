"""Assay's cell and score for other frameworks: one call evaluates a policy safely.

Each function is the evaluator that one framework expects; see docs/evaluator.md. The policy runs in
Assay's cell, never in the calling process. A policy's failure is part of the answer; only a failure
of Assay raises. Scores are on train scenarios by default, so a result can still be checked on
scenarios that the search has not seen.
"""

import atexit
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from flows.attempt import SeenAttempt
from flows.errors import ConfigError, UserError
from flows.judging.objectives import Reference, metric_over
from flows.judging.scoring import Scale, Verdict, judge
from flows.judging.splits import reference_evaluations, references_of, suite_scenarios
from flows.policies import PolicyText, never_tried, read_policy
from flows.prompting.diagnoses import diagnose
from flows.settings.sections import DOMAIN, SUITE, DomainSetting, OfDomain
from sandbox.limits import Limits
from sandbox.outcome import Evaluation, Outcome, Trial
from sandbox.provider import KINDS
from sandbox.trial import Payload, Sandbox, Stop
from simulator.domain import DEFAULT, Domain, Scenario
from simulator.domain_spec import DomainSpec

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

PREFIX = "ASSAY_EVALUATOR_"
SCORE = "combined_score"
CORRECT = "correct"


class EvaluatorSettings(OfDomain):
    """What policies are tried on, and how; the variable ASSAY_EVALUATOR_SUITE sets ``suite``."""

    domain: DomainSetting = Field(DEFAULT, validate_default=True, description=DOMAIN)
    suite: str = Field(None, min_length=1, validate_default=True, description=SUITE)
    split: str = Field("train", pattern="^(train|validation|test|all)$")
    cell: str = Field("docker", pattern=f"^({'|'.join(KINDS)})$")
    slots: int = Field(1, ge=1, le=64, description="How many policies are tried side by side.")
    policy_cpu_seconds: float = Field(Limits().policy_cpu_seconds, gt=0, le=86_400)
    call_cpu_seconds: float = Field(Limits().call_cpu_seconds, gt=0, le=86_400)
    wall_seconds: float = Field(Limits().wall_seconds, gt=0, le=86_400)
    memory_mb: int = Field(Limits().memory_mb, ge=32, le=65_536)

    @classmethod
    def from_environment(cls) -> "EvaluatorSettings":
        """Return the settings of the environment, the defaults where it says nothing."""
        named = {
            name: os.environ[PREFIX + name.upper()]
            for name in cls.model_fields
            if os.environ.get(PREFIX + name.upper())
        }
        try:
            return cls.model_validate(named)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = f"{PREFIX}{first['loc'][0]}".upper()
            raise ConfigError(f"{name} is {first['input']!r}: {first['msg']}") from None

    @property
    def limits(self) -> Limits:
        """The limits of the cell that these settings stand for."""
        return Limits(
            policy_cpu_seconds=self.policy_cpu_seconds,
            call_cpu_seconds=self.call_cpu_seconds,
            wall_seconds=self.wall_seconds,
            memory_mb=self.memory_mb,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What became of a policy, in terms that any framework has."""

    candidate: str
    correct: bool
    """Whether it ended well, and believably, on every scenario."""
    combined_score: float
    """1.0 is the reference, higher is better; a failure keeps its charge; 0.0 if implausible."""
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
    return _metrics(_judge_file(program_path, settings))


def evaluate_program(
    program_path: str | Path, settings: EvaluatorSettings | None = None
) -> dict[str, Any]:
    """Return ``metrics`` and ``artifacts``: the fields of OpenEvolve's EvaluationResult."""
    judged = _judge_file(program_path, settings)
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
    judged = _judge_file(program_path, settings)
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
    return bench.judgement(trial, bench.verdict(trial))


def _judge_file(path: str | Path, settings: EvaluatorSettings | None) -> Judgement:
    chosen = settings or EvaluatorSettings.from_environment()
    return judge_policy(read_policy(str(path), chosen.domain), chosen)


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


def _figures(verdict: Verdict, spec: DomainSpec) -> dict[str, float]:
    """Return the domain's metrics over the scenarios that have them, and how many failed."""
    found = {each.key: metric_over(each, verdict.evaluations) for each in spec.metrics}
    failed = sum(1 for each in verdict.evaluations if each.outcome is not Outcome.OK)
    known = {key.replace(".", "_"): value for key, value in found.items() if value is not None}
    return {**known, "scenarios_failed": float(failed)}


def _feedback(trial: Trial, verdict: Verdict, baseline: list[Evaluation], domain: Domain) -> str:
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
    first = SeenAttempt(
        iteration=0,
        slot=0,
        origin="baseline",
        operator="baseline",
        outcome=str(Outcome.OK),
        score=1.0,
        evaluations=tuple(baseline),
    )
    score = "none" if verdict.score is None else f"{verdict.score:.4f}"
    meaning = f"1.0 is the {domain.spec.reference} baseline, higher is better"
    head = f"outcome {verdict.outcome}, score {score} ({meaning})"
    return "\n".join([head, *diagnose(attempt, first, domain)])


class Workbench:
    """Tries policies on the scenarios of its settings; the sandbox opens with the first of them."""

    def __init__(self, settings: EvaluatorSettings, *, ready: bool = True) -> None:
        """Find the scenarios and their references; with ``ready``, cells are started ahead."""
        self.settings = settings
        self._ready = ready
        domain = settings.domain
        self.scenarios: tuple[Scenario, ...] = suite_scenarios(
            settings.suite, domain, settings.split
        )
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None
        sandbox = self._open() if domain.trust == "sealed" else None
        found = reference_evaluations(self.scenarios, domain, sandbox)
        self.baseline: dict[str, Evaluation] = {each.scenario: each for each in found}
        self.references: dict[str, Reference] = references_of(found, self.scenarios)
        self._payloads = {
            each.name: Payload(name=each.name, data=domain.cell.encode_scenario(each))
            for each in self.scenarios
        }

    def try_policy(
        self, text: PolicyText, scenario: str | None = None, stop: Stop | None = None
    ) -> Trial:
        """Try a policy on all scenarios or on one; the first comes twice, to see it repeat."""
        if scenario is not None and scenario not in self._payloads:
            raise UserError(
                f"unknown scenario {scenario!r}, expected one of {', '.join(self._payloads)}"
            )
        payloads = list(self._payloads.values()) if scenario is None else [self._payloads[scenario]]
        if text.source is None:
            return never_tried(text, [each.name for each in payloads])
        return self._open().try_policy(text.source, [*payloads, payloads[0]], stop)

    def verdict(self, trial: Trial) -> Verdict:
        """Return the verdict on a trial that was made here."""
        return judge(trial, self.references, Scale(spec=self.settings.domain.spec))

    def judgement(self, trial: Trial, verdict: Verdict) -> Judgement:
        """Return what became of a policy, from its trial and the verdict on it."""
        domain = self.settings.domain
        names = dict.fromkeys(each.scenario for each in trial.evaluations)
        return Judgement(
            candidate=trial.candidate,
            correct=verdict.believed,
            combined_score=verdict.score or 0.0,
            scores={each.evaluation.scenario: each.score for each in verdict.judged},
            figures=_figures(verdict, domain.spec),
            outcome=str(verdict.outcome),
            problem=verdict.message,
            feedback=_feedback(trial, verdict, [self.baseline[each] for each in names], domain),
        )

    def info(self) -> dict[str, Any]:
        """Return the engine, image and isolation of the trials, for the record."""
        return self._open().info()

    def close(self) -> None:
        """Remove every cell."""
        with self._lock:
            opened, self._sandbox = self._sandbox, None
        if opened is not None:
            opened.close()

    def _open(self) -> Sandbox:
        with self._lock:
            if self._sandbox is None:
                settings = self.settings
                found = Sandbox(
                    settings.limits,
                    settings.slots,
                    self._ready,
                    cell=settings.cell,
                    domain=settings.domain,
                )
                self._sandbox = found.__enter__()
            return self._sandbox


@dataclass(slots=True)
class _Benches:
    """The benches of this process; a forked one begins with none, its parent's are not its own."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: dict[EvaluatorSettings, Workbench] = field(default_factory=dict)


_benches = _Benches()


def workbench(settings: EvaluatorSettings) -> Workbench:
    """Return this process's bench for these settings, closed when the process ends."""
    with _benches.lock:
        if settings not in _benches.known:
            if not _benches.known:
                _close_at_the_end()
            _benches.known[settings] = Workbench(settings)
        return _benches.known[settings]


def close_all() -> None:
    """Remove every cell of this process's benches; the next call opens new ones."""
    with _benches.lock:
        benches = list(_benches.known.values())
        _benches.known.clear()
    for each in benches:
        each.close()


def _close_at_the_end() -> None:
    """Close in processes of multiprocessing too, which end without the handlers of atexit."""
    atexit.register(close_all)
    Finalize(None, close_all, exitpriority=100)


def _forget() -> None:
    global _benches
    _benches = _Benches()


os.register_at_fork(after_in_child=_forget)


def _bench(settings: EvaluatorSettings | None) -> Workbench:
    return workbench(settings or EvaluatorSettings.from_environment())
