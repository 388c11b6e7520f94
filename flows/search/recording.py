"""The end of an attempt: its ruling, and its rows in one write.

Below: the rows, as projections of the values of the loop.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from flows.attempt import Attempt, Prompt
from flows.errors import TooManyLosses
from flows.history.records import (
    RUNNING,
    CandidateRow,
    EvaluationRow,
    EventRow,
    ExperimentRow,
    Key,
    PromptRow,
    Row,
    ScenarioRow,
    format_key,
    key_of,
    parse_key,
)
from flows.judging.guards import (
    BARRED,
    PROMOTED,
    REFUSED,
    STOPPED,
    Rules,
    Ruling,
    rule,
    rule_alone,
    rule_on_repeat,
    seed_for,
)
from flows.judging.objectives import with_unit
from flows.judging.scoring import Judged, Verdict
from flows.judging.splits import Splits
from flows.names import name_of
from flows.search.progress import Lost, Settled
from flows.search.session import Provenance, Session
from flows.untrusted import counted
from sandbox.outcome import CellInfo, Evaluation, Outcome, Problem, Trial
from simulator.domain import Scenario
from simulator.domain_spec import DomainSpec, Objective, figure, plain_spec

MOST_LOSSES_IN_A_ROW = 5


def rule_on(session: Session, attempt: Attempt) -> Attempt:
    """Set the ruling, against the best at this moment, and the attempt that this one repeats."""
    train, ledger = attempt.train, session.ledger
    if attempt.lost is not None or attempt.source is None:
        return attempt
    if train is None:
        original = ledger.same_source(attempt.source)
        return _repeat_of(attempt, ledger.candidates[original] if original is not None else None)
    known = None if session.each_counts else ledger.same_behaviour(train.evaluations)
    if not train.believed:
        ruling = rule_alone(train)
    elif known is not None and attempt.again is None:
        ruling = rule_on_repeat(ledger.candidates[known])
    elif attempt.again is None and not attempt.is_baseline:
        ruling = Ruling()
    else:
        ruling = _against_best(session, attempt, train)
    return replace(attempt, ruling=ruling, same_as=known if ruling.standing != PROMOTED else None)


def record(session: Session, attempt: Attempt) -> None:
    """Record an attempt, its evaluations and its events in one write."""
    if attempt.lost is not None or attempt.proposal is None:
        _lose(session, attempt)
        return
    now = session.now()
    row = session.ledger.named(candidate_row(attempt, session.provenance, now))
    tries = tries_of(attempt, session.services.scenarios)
    events = _events(session, attempt, row)
    session.losses_in_a_row = 0
    # The candidate comes last: with its row the attempt is done.
    session.record([*evaluation_rows(attempt.key, tries, session.provenance, now), *events, row])
    session.watch(Settled(row=row, best=session.ledger.best, spend=session.spend()))
    for event in events:
        if event.kind in ("audit", "gap_alarm"):
            session.notice(event.message)


def record_references(
    session: Session, trials: Sequence[Trial], scenarios: Sequence[Scenario], lost: str | None
) -> None:
    """Record scenarios with the figures of the reference policy, which must do well everywhere."""
    reference = session.config.domain.spec.reference
    for trial in trials:
        if trial.outcome is not Outcome.OK:
            lost = _first_problem(trial)
    if lost is not None or not trials:
        raise RuntimeError(
            f"the reference policy {reference} failed, nothing can be scored against it: {lost}"
        )
    figures = {each.scenario: each for trial in trials for each in reversed(trial.evaluations)}
    session.record(
        scenario_row(session.experiment_id, scenario, figures[scenario.name], reference)
        for scenario in scenarios
    )


def _repeat_of(attempt: Attempt, original: CandidateRow | None) -> Attempt:
    """Copy the verdict of the original to an attempt that was not tried; it may have been lost."""
    if original is None:
        return replace(attempt, lost="it repeats an attempt that was lost")
    problem = None
    if original.problem is not None:
        problem = Problem(message=original.problem, line=original.problem_line)
    first = original.duplicate_of
    return replace(
        attempt,
        train=Verdict(
            outcome=Outcome(original.outcome), score=original.score, judged=(), problem=problem
        ),
        same_as=parse_key(first) if first is not None else key_of(original),
        ruling=rule_on_repeat(original),
    )


def _against_best(session: Session, attempt: Attempt, train: Verdict) -> Ruling:
    spec = session.config.domain.spec
    rules = Rules(
        guards=session.config.guards,
        objective=session.config.objective,
        guarded=tuple(spec.guarded(spec.objective(session.config.objective))),
        deciding=session.services.scenarios.deciding,
        seed=seed_for(session.config.seed, attempt.key),
        each_counts=session.each_counts,
        groups=session.services.scenarios.groups(spec.groups),
    )
    ledger = session.ledger
    best = anchor = None
    if ledger.best is not None:
        best = ledger.figures(key_of(ledger.best), rules.deciding, rules.guarded)
    if not attempt.is_baseline:
        first = ledger.best_before(1)
        assert first is not None, "the reference policy is promoted before any candidate is tried"
        anchor = ledger.figures((first.iteration, first.slot), rules.deciding, rules.guarded)
    return rule(attempt.title, train, attempt.validation, best, anchor, rules)


def _events(session: Session, attempt: Attempt, row: CandidateRow) -> list[EventRow]:
    """Return the events of an attempt: its standing, and the result of its audit.

    An event that a killed run recorded before the attempt itself is not repeated.
    """
    ruling = attempt.ruling
    found: list[tuple[str, str, dict[str, Any]]] = []
    if ruling.standing not in ("", STOPPED) and ruling.reason != "known":
        kinds = {PROMOTED: "new_best", REFUSED: "refused", BARRED: "warning"}
        kind = "gap_alarm" if ruling.reason == "gap" else kinds[ruling.standing]
        found.append((kind, f"{name_of(row)}: {ruling.detail}", _figures(row, ruling)))
    if attempt.audit is not None and attempt.trial is not None:
        same, words = audit_words(attempt.trial, attempt.audit, session.config.domain.spec)
        detail = {"same": same, "candidate": row.candidate}
        found.append(("audit", f"{name_of(row)}: {words}", detail))
    new = [each for each in found if not session.ledger.knows_event(each[0], attempt.key, each[1])]
    return session.event_rows(new, attempt.key)


def _figures(row: CandidateRow, ruling: Ruling) -> dict[str, Any]:
    return {
        "candidate": row.candidate,
        "reason": ruling.reason,
        "score": row.score,
        "validation_score": row.validation_score,
        "gain_low_percent": row.gain_low_percent,
        "gain_percent": ruling.interval.percent[1] if ruling.interval is not None else None,
        "gain_high_percent": row.gain_high_percent,
        "gap_percent": row.gap_percent,
    }


def _lose(session: Session, attempt: Attempt) -> None:
    why = attempt.lost or "no proposal was made"
    session.losses_in_a_row += 1
    session.event("attempt_lost", why, key=attempt.key)
    session.watch(Lost(iteration=attempt.key[0], slot=attempt.key[1], message=why))
    if session.losses_in_a_row >= MOST_LOSSES_IN_A_ROW:
        raise TooManyLosses(f"{MOST_LOSSES_IN_A_ROW} attempts in a row were lost; the last: {why}")


def _first_problem(trial: Trial) -> str:
    problems = [each.problem.message for each in trial.evaluations if each.problem is not None]
    return f"{trial.outcome}: {problems[0]}" if problems else str(trial.outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One evaluation of a trial and its purpose; ``judged`` is set for the scored one."""

    trial: Trial
    evaluation: Evaluation
    split: str
    purpose: str
    judged: Judged | None = None


def scenario_row(
    experiment: str, scenario: Scenario, baseline: Evaluation, policy: str
) -> ScenarioRow:
    """Return the row of a scenario with the figures of the policy that it is measured against."""
    return ScenarioRow(
        experiment_id=experiment,
        scenario=scenario.name,
        family=scenario.family,
        split=scenario.split,
        sha256=scenario.sha256,
        duration_seconds=scenario.duration_seconds,
        size=dict(scenario.size),
        figures=dict(scenario.figures),
        params=dict(scenario.settings),
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
        domain=provenance.domain.name,
        domain_version=provenance.domain.spec.version,
        **_standing(attempt.ruling),
    )


def started_row(
    provenance: Provenance, kind: str, name: str, suite: str, config: dict[str, Any], created: str
) -> ExperimentRow:
    """Return the row of an experiment that is no search and begins: ``kind`` says what it is."""
    domain = provenance.domain
    return ExperimentRow(
        experiment_id=provenance.experiment_id,
        name=name,
        created_at=created,
        status=RUNNING,
        seed=0,
        domain=domain.name,
        domain_version=domain.spec.version,
        domain_sha256=domain.sha256,
        domain_spec=plain_spec(domain.spec),
        suite=suite,
        objective=domain.spec.objective().name,
        proposer=kind,
        strategy=kind,
        model=None,
        config=config,
        config_sha256=provenance.config_sha256,
        assay_version=provenance.assay_version,
        simulator_version=provenance.simulator_version,
        image_id=provenance.image_id,
        flow_run_id=provenance.flow_run_id,
    )


def attempt_rows(
    attempt: Attempt, scenarios: Sequence[Scenario], provenance: Provenance, created_at: str
) -> list[Row]:
    """Return what is recorded of a policy outside a search, its own row last.

    With the reference policy, at 0/0, come the scenarios that were tried.
    """
    assert attempt.trial is not None, "what is recorded was tried"
    rows: list[Row] = []
    if attempt.key == (0, 0):
        figures = {each.scenario: each for each in reversed(attempt.trial.evaluations)}
        reference = provenance.domain.spec.reference
        rows += [
            scenario_row(provenance.experiment_id, each, figures[each.name], reference)
            for each in scenarios
        ]
    tries = tries_of(attempt, Splits(train=tuple(scenarios)))
    rows += evaluation_rows(attempt.key, tries, provenance, created_at)
    return [*rows, candidate_row(attempt, provenance, created_at)]


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
    domain = provenance.domain
    objective = domain.spec.objective()
    own = figure(objective.figure, shown.metrics, shown.stats)
    place, cell = tried.evaluation.place, trial.cell or provenance
    if shown.outcome is Outcome.SIMULATOR_FAILED:
        judged = None  # nobody is charged
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
        cost=judged.cost if judged is not None else own,
        cost_unit=objective.unit,
        problem=shown.problem.message if shown.problem is not None else None,
        problem_line=shown.problem.line if shown.problem is not None else None,
        problem_step=shown.problem.step if shown.problem is not None else None,
        stats=shown.stats,
        metrics=shown.metrics,
        policy_calls=shown.policy_calls,
        policy_cpu_seconds=shown.policy_cpu_seconds,
        seconds=shown.seconds,
        decision_sha256=shown.decision_sha256,
        prints=shown.prints,
        image_id=place.image_id if place is not None else cell.image_id,
        simulator_version=provenance.simulator_version,
        config_sha256=provenance.config_sha256,
        domain=domain.name,
        domain_version=domain.spec.version,
        domain_sha256=domain.sha256,
        trust=domain.trust,
        created_at=created_at,
        host=place.host if place is not None else None,
        engine=place.engine if place is not None else None,
        isolation=place.isolation if place is not None else None,
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


def audit_words(trial: Trial, audit: Trial, spec: DomainSpec) -> tuple[bool, str]:
    """Return whether the audit's calling mode changed nothing, and that in words."""
    scored = {each.scenario: each for each in reversed(trial.evaluations)}
    changed = [
        _change(scored[each.scenario], each, spec.objective())
        for each in audit.evaluations
        if not _same(scored[each.scenario], each)
    ]
    scenarios = counted(len(audit.evaluations), "scenario")
    called = f"audit: called {spec.calls.audit.replace('_', ' ')},"
    if not changed:
        return True, f"{called} it makes the same decisions on {scenarios}"
    return False, f"{called} it decides differently: {'; '.join(changed)}"


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


def _change(scored: Evaluation, audited: Evaluation, by: Objective) -> str:
    return f"{audited.scenario} {_brief(audited, by)} instead of {_brief(scored, by)}"


def _brief(evaluation: Evaluation, by: Objective) -> str:
    own = figure(by.figure, evaluation.metrics, evaluation.stats)
    return str(evaluation.outcome) if own is None else with_unit(own, by.unit, ".2f")
