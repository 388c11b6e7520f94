"""The record hop: judge what was tried, recognise what is known already, and make it safe."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from flows.attempt import Draft, Proposal
from flows.errors import TooManyLosses
from flows.history.records import CandidateRow, EventRow, Key, Row, format_key
from flows.judging.guards import BARRED, PROMOTED, REFUSED, Ruling
from flows.judging.scoring import worst_score
from flows.judging.splits import TRAIN
from flows.search.deciding import (
    known_behaviour,
    rule,
    rule_on_repeat,
    train_verdict,
    validation_verdict,
)
from flows.search.rows import audit_words, candidate_row, evaluation_rows, scenario_row, tries_of
from flows.search.session import Session
from flows.search.watching import Lost, Settled
from sandbox.outcome import Outcome, Trial
from simulator.scenario import Scenario

MOST_LOSSES_IN_A_ROW = 5


def record(session: Session, draft: Draft) -> None:
    """Hop 4: make an attempt, its evaluations and what they mean safe in one write."""
    if draft.lost is None and draft.proposal is not None:
        rows = _rows(session, draft, draft.proposal)
        if rows is not None:
            _keep(session, rows)
            return
        draft = replace(draft, lost="it repeats an attempt that was lost")
    _lose(session, draft)


def record_references(
    session: Session, trials: Sequence[Trial], scenarios: Sequence[Scenario], lost: str | None
) -> None:
    """Record scenarios with the figures of the naive policy, which must do well everywhere."""
    for trial in trials:
        if trial.outcome is not Outcome.OK:
            lost = _first_problem(trial)
    if lost is not None or not trials:
        raise RuntimeError(f"the naive baseline failed, nothing can be scored against it: {lost}")
    figures = {each.scenario: each for trial in trials for each in reversed(trial.evaluations)}
    session.record(
        scenario_row(session.experiment_id, scenario, figures[scenario.name], "naive")
        for scenario in scenarios
    )


def _rows(session: Session, draft: Draft, proposal: Proposal) -> Sequence[Row] | None:
    """Return the rows of an attempt, or None when the attempt that it repeats was lost."""
    source = proposal.source
    row = partial(
        candidate_row,
        draft.key,
        proposal,
        session.provenance,
        candidate=hashlib.sha256(source.encode()).hexdigest() if source is not None else None,
        created_at=session.now(),
        seconds=draft.seconds,
        prompt_sha256=draft.prompt.sha256 if draft.prompt is not None else None,
        trial=draft.trial,
        cell_seconds=draft.cell_seconds,
    )
    if source is None:
        score = worst_score(session.ledger.references(TRAIN), session.config.objective)
        problem = proposal.problem or "the reply holds no policy"
        return [row(outcome=str(Outcome.MALFORMED), problem=problem, score=score)]
    if draft.trial is None:
        known = session.ledger.same_source(source)
        return None if known is None else [_repeat(session, known, row)]
    return _tried(session, draft, row)


def _repeat(session: Session, known: Key, row: "partial[CandidateRow]") -> CandidateRow:
    original = session.ledger.candidates[known]
    return row(
        outcome=original.outcome,
        score=original.score,
        problem=original.problem,
        problem_line=original.problem_line,
        duplicate_of=original.duplicate_of or format_key(known),
        ruling=rule_on_repeat(session, known),
    )


def _tried(session: Session, draft: Draft, row: "partial[CandidateRow]") -> Sequence[Row]:
    verdict, ruling = train_verdict(session, draft), rule(session, draft)
    same = known_behaviour(session, verdict) if ruling.standing != PROMOTED else None
    candidate = row(
        outcome=str(verdict.outcome),
        score=verdict.score,
        problem=verdict.problem.message if verdict.problem is not None else None,
        problem_line=verdict.problem.line if verdict.problem is not None else None,
        duplicate_of=format_key(same) if same is not None else None,
        ruling=ruling,
    )
    verdicts = [verdict, validation_verdict(session, draft)]
    tries = tries_of(draft, verdicts, session.services.scenarios)
    evaluations = evaluation_rows(draft.key, tries, session.provenance, session.now())
    events = _events(session, draft, candidate, ruling)
    return [*evaluations, *events, candidate]  # with the candidate the attempt is done


def _events(session: Session, draft: Draft, row: CandidateRow, ruling: Ruling) -> list[EventRow]:
    """Return what is worth telling about the attempt: its standing, and what its audit found.

    What a run told before it was killed, with the attempt not yet recorded, is not told again.
    """
    told: list[tuple[str, str, dict[str, Any]]] = []
    if ruling.standing == PROMOTED:
        told.append(("new_best", f"{row.title}: {ruling.detail}", _figures(row, ruling)))
    elif ruling.standing == REFUSED and ruling.reason != "known":
        told.append(("refused", f"{row.title}: {ruling.detail}", _figures(row, ruling)))
    elif ruling.standing == BARRED and ruling.reason != "known":
        kind = "gap_alarm" if ruling.reason == "gap" else "warning"
        told.append((kind, f"{row.title}: {ruling.detail}", _figures(row, ruling)))
    if draft.audit is not None and draft.trial is not None:
        same, words = audit_words(draft.trial, draft.audit)
        told.append(("audit", f"{row.title}: {words}", {"same": same, "candidate": row.candidate}))
    new = [each for each in told if not session.ledger.told(each[0], draft.key, each[1])]
    return session.event_rows(new, draft.key)


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


def _keep(session: Session, rows: Sequence[Row]) -> None:
    session.losses_in_a_row = 0
    session.record(rows)
    row = next(each for each in rows if isinstance(each, CandidateRow))
    session.watch(Settled(row=row, best=session.ledger.best, spend=session.spend()))
    for each in rows:
        if isinstance(each, EventRow) and each.kind in ("audit", "gap_alarm"):
            session.notice(each.message)


def _lose(session: Session, draft: Draft) -> None:
    why = draft.lost or "no proposal was made"
    session.losses_in_a_row += 1
    session.event("attempt_lost", why, key=draft.key)
    session.watch(Lost(iteration=draft.key[0], slot=draft.key[1], message=why))
    if session.losses_in_a_row >= MOST_LOSSES_IN_A_ROW:
        raise TooManyLosses(f"{MOST_LOSSES_IN_A_ROW} attempts in a row were lost; the last: {why}")


def _first_problem(trial: Trial) -> str:
    problems = [each.problem.message for each in trial.evaluations if each.problem is not None]
    return f"{trial.outcome}: {problems[0]}" if problems else str(trial.outcome)
