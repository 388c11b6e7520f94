"""Rows of the history as projections of the loop's values; nothing here touches the disk."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flows.attempt import Attempt, Prompt
from flows.history.records import (
    RUNNING,
    CandidateRow,
    EvaluationRow,
    ExperimentRow,
    Key,
    PromptRow,
    ScenarioRow,
    format_key,
)
from flows.judging.guards import PROMOTED, Ruling
from flows.judging.scoring import Judged, Verdict
from flows.judging.splits import Splits
from flows.settings.search import SearchConfig, config_sha256, experiment_id
from flows.untrusted import counted
from sandbox.outcome import CellInfo, Evaluation, Trial
from simulator.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The origin of a row: versions, image, configuration."""

    experiment_id: str
    config_sha256: str
    assay_version: str
    simulator_version: str
    image_id: str | None
    flow_run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One evaluation of a trial and its purpose; ``judged`` is set for the scored one."""

    trial: Trial
    evaluation: Evaluation
    split: str
    purpose: str
    judged: Judged | None = None


def experiment_row(
    config: SearchConfig, provenance: Provenance, model: str | None, created_at: str
) -> ExperimentRow:
    """Return the row of an experiment that begins."""
    return ExperimentRow(
        experiment_id=experiment_id(config),
        name=config.name,
        created_at=created_at,
        status=RUNNING,
        seed=config.seed,
        suite=config.suite,
        objective=config.objective,
        proposer=config.proposer.kind,
        strategy=config.strategy,
        model=model,
        config=config.model_dump(mode="json", exclude={"guards": {"fresh_test"}}),
        config_sha256=config_sha256(config),
        assay_version=provenance.assay_version,
        simulator_version=provenance.simulator_version,
        image_id=provenance.image_id,
        flow_run_id=provenance.flow_run_id,
    )


def scenario_row(
    experiment: str, scenario: Scenario, baseline: Evaluation, policy: str
) -> ScenarioRow:
    """Return the row of a scenario with the figures of the policy that it is measured against."""
    pipelines = scenario.workload.pipelines
    return ScenarioRow(
        experiment_id=experiment,
        scenario=scenario.name,
        family=scenario.family,
        split=scenario.split,
        sha256=scenario.sha256,
        pipelines=len(pipelines),
        operators=sum(len(pipeline.operators) for pipeline in pipelines),
        duration_seconds=float(scenario.params.duration),
        params=scenario.params.to_mapping(),
        baseline_policy=policy,
        baseline_stats=baseline.stats or {},
        baseline_metrics=baseline.metrics or {},
    )


def candidate_row(attempt: Attempt, provenance: Provenance, created_at: str) -> CandidateRow:
    """Return the row of an attempt that was judged."""
    proposal, verdict, trial = attempt.proposal, attempt.train, attempt.trial
    assert proposal is not None, "an attempt without a proposal is lost"
    assert verdict is not None, "what is recorded was judged"
    cell: CellInfo | None = trial.cell if trial is not None else None
    return CandidateRow(
        experiment_id=provenance.experiment_id,
        iteration=attempt.key[0],
        slot=attempt.key[1],
        candidate=_candidate(proposal.source, trial),
        title=proposal.title,
        origin=proposal.origin,
        operator=proposal.operator,
        parents=list(proposal.parents),
        source=proposal.source,
        outcome=str(verdict.outcome),
        score=verdict.score,
        problem=verdict.problem.message if verdict.problem is not None else None,
        problem_line=verdict.problem.line if verdict.problem is not None else None,
        duplicate_of=format_key(attempt.same_as) if attempt.same_as is not None else None,
        prompt_sha256=attempt.prompt.sha256 if attempt.prompt is not None else None,
        created_at=created_at,
        seconds=round(attempt.seconds, 3),
        cell_seconds=attempt.cell_seconds,
        image_id=cell.image_id if cell is not None else provenance.image_id,
        isolation=cell.isolation if cell is not None else None,
        findings=[asdict(finding) for finding in trial.findings] if trial is not None else [],
        simulator_version=provenance.simulator_version,
        config_sha256=provenance.config_sha256,
        **_standing(attempt.ruling),
    )


def evaluation_rows(
    key: Key, tries: Sequence[Tried], provenance: Provenance, created_at: str
) -> list[EvaluationRow]:
    """Return a row for each try; those of a scenario are numbered in their order from 0."""
    counts: dict[str, int] = {}
    rows = []
    for tried in tries:
        scenario = tried.evaluation.scenario
        attempt = counts.get(scenario, 0)
        counts[scenario] = attempt + 1
        rows.append(_evaluation_row(key, tried, attempt, provenance, created_at))
    return rows


def prompt_row(prompt: Prompt) -> PromptRow:
    """Return the row of a prompt as it is sent."""
    return PromptRow(
        prompt_sha256=prompt.sha256,
        template=prompt.template,
        template_sha256=prompt.template_sha256,
        messages=[
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ],
    )


def _candidate(source: str | None, trial: Trial | None) -> str | None:
    """Return the sha256 of a source; without one, that of the bytes that were tried."""
    if source is not None:
        return hashlib.sha256(source.encode()).hexdigest()
    return trial.candidate if trial is not None else None


def _standing(ruling: Ruling) -> dict[str, Any]:
    low, high = ruling.gain_percent
    return {
        "improved": ruling.standing == PROMOTED,
        "validation_score": ruling.validation_score,
        "standing": ruling.standing,
        "standing_detail": ruling.detail,
        "gain_low_percent": low,
        "gain_high_percent": high,
        "gap_percent": ruling.gap_percent,
    }


def _evaluation_row(
    key: Key, tried: Tried, attempt: int, provenance: Provenance, created_at: str
) -> EvaluationRow:
    judged, trial = tried.judged, tried.trial
    shown = judged.evaluation if judged is not None else tried.evaluation
    metrics = shown.metrics or {}
    own = float(metrics.get("weighted_latency_seconds") or 0.0)
    return EvaluationRow(
        experiment_id=provenance.experiment_id,
        iteration=key[0],
        slot=key[1],
        scenario=shown.scenario,
        attempt=attempt,
        candidate=trial.candidate,
        split=tried.split,
        outcome=str(shown.outcome),
        score=judged.score if judged is not None else None,
        weighted_latency_seconds=judged.weighted_latency_seconds if judged is not None else own,
        problem=shown.problem.message if shown.problem is not None else None,
        problem_line=shown.problem.line if shown.problem is not None else None,
        problem_tick=shown.problem.tick if shown.problem is not None else None,
        stats=shown.stats,
        metrics=shown.metrics,
        policy_calls=shown.policy_calls,
        policy_cpu_seconds=shown.policy_cpu_seconds,
        seconds=shown.seconds,
        decision_sha256=shown.decision_sha256,
        prints=shown.prints,
        image_id=trial.cell.image_id if trial.cell is not None else provenance.image_id,
        simulator_version=provenance.simulator_version,
        config_sha256=provenance.config_sha256,
        created_at=created_at,
        purpose=tried.purpose,
    )


def tries_of(attempt: Attempt, scenarios: Splits) -> list[Tried]:
    """Return the evaluations of all trials in order: score, repeat, elite, audit."""
    verdicts = [each for each in (attempt.train, attempt.validation) if each is not None]
    judged = {each.evaluation.scenario: each for verdict in verdicts for each in verdict.judged}
    splits = {each.name: each.split for each in scenarios.every}
    confirmed = "repeat" if scenarios.validation else "elite"
    tries: list[Tried] = []
    for trial, purpose in (
        (attempt.trial, "repeat"),
        (attempt.again, confirmed),
        (attempt.elite, "elite"),
        (attempt.audit, "audit"),
    ):
        if trial is not None:
            tries += _tried(trial, purpose, judged, splits)
    return tries


def scored_tries(trial: Trial, verdict: Verdict, split: str) -> list[Tried]:
    """Return the evaluations of a trial in which every scenario was tried once."""
    return [
        Tried(trial=trial, evaluation=each.evaluation, split=split, purpose="score", judged=each)
        for each in verdict.judged
    ]


def audit_words(trial: Trial, audit: Trial) -> tuple[bool, str]:
    """Return whether being called in every tick changed nothing, and that in words."""
    scored = {each.scenario: each for each in reversed(trial.evaluations)}
    changed = [
        _change(scored[each.scenario], each)
        for each in audit.evaluations
        if not _same(scored[each.scenario], each)
    ]
    scenarios = counted(len(audit.evaluations), "scenario")
    if not changed:
        return True, f"audit: called in every tick, it makes the same decisions on {scenarios}"
    return False, f"audit: called in every tick, it decides differently: {'; '.join(changed)}"


def _tried(
    trial: Trial, purpose: str, judged: dict[str, Judged], splits: Mapping[str, str]
) -> Iterator[Tried]:
    """Yield the evaluations of a trial; the first of a scenario is the scored one, if judged."""
    for each in trial.evaluations:
        scored = judged.pop(each.scenario, None)
        yield Tried(
            trial=trial,
            evaluation=each,
            split=splits[each.scenario],
            purpose=purpose if scored is None else "score",
            judged=scored,
        )


def _same(scored: Evaluation, audited: Evaluation) -> bool:
    return (scored.outcome, scored.decision_sha256) == (audited.outcome, audited.decision_sha256)


def _change(scored: Evaluation, audited: Evaluation) -> str:
    return f"{audited.scenario} {_brief(audited)} instead of {_brief(scored)}"


def _brief(evaluation: Evaluation) -> str:
    latency = (evaluation.metrics or {}).get("weighted_latency_seconds")
    return str(evaluation.outcome) if latency is None else f"{latency:.2f} s"
