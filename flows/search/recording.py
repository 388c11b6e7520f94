"""The end of an attempt: its ruling, and its rows in one write."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flows.attempt import Attempt
from flows.errors import TooManyLosses
from flows.history.records import CandidateRow, EventRow, key_of, parse_key
from flows.judging.guards import (
    BARRED,
    PROMOTED,
    REFUSED,
    Rules,
    Ruling,
    rule,
    rule_alone,
    rule_on_repeat,
    seed_for,
)
from flows.judging.scoring import Verdict
from flows.search.rows import (
    audit_words,
    candidate_row,
    evaluation_rows,
    scenario_row,
    tries_of,
)
from flows.search.session import Session
from flows.search.watching import Lost, Settled
from sandbox.outcome import Outcome, Problem, Trial
from simulator.scenario import Scenario

MOST_LOSSES_IN_A_ROW = 5


def rule_on(session: Session, attempt: Attempt) -> Attempt:
    """Set the ruling, against the best at this moment, and the attempt that this one repeats."""
    train, ledger = attempt.train, session.ledger
    if attempt.lost is not None or attempt.source is None:
        return attempt
    if train is None:
        original = ledger.same_source(attempt.source)
        return _repeat_of(attempt, ledger.candidates[original] if original is not None else None)
    known = ledger.same_behaviour(train.evaluations)
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
    row = candidate_row(attempt, session.provenance, now)
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
    rules = Rules(
        guards=session.config.guards,
        objective=session.config.objective,
        deciding=session.services.scenarios.deciding,
        seed=seed_for(session.config.seed, attempt.key),
    )
    ledger = session.ledger
    best = ledger.figures(key_of(ledger.best), rules.deciding) if ledger.best is not None else None
    anchor = None
    if not attempt.is_baseline:
        first = ledger.best_before(1)
        assert first is not None, "naive is promoted before any candidate is tried"
        anchor = ledger.figures((first.iteration, first.slot), rules.deciding)
    return rule(attempt.title, train, attempt.validation, best, anchor, rules)


def _events(session: Session, attempt: Attempt, row: CandidateRow) -> list[EventRow]:
    """Return the events of an attempt: its standing, and the result of its audit.

    An event that a killed run recorded before the attempt itself is not repeated.
    """
    ruling = attempt.ruling
    found: list[tuple[str, str, dict[str, Any]]] = []
    if ruling.standing and ruling.reason != "known":
        kinds = {PROMOTED: "new_best", REFUSED: "refused", BARRED: "warning"}
        kind = "gap_alarm" if ruling.reason == "gap" else kinds[ruling.standing]
        found.append((kind, f"{row.title}: {ruling.detail}", _figures(row, ruling)))
    if attempt.audit is not None and attempt.trial is not None:
        same, words = audit_words(attempt.trial, attempt.audit)
        found.append(("audit", f"{row.title}: {words}", {"same": same, "candidate": row.candidate}))
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
