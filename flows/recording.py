"""The record hop: judge what was tried, recognise what is known already, and make it safe."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from flows.errors import TooManyLosses
from flows.happenings import Lost, Settled
from flows.ledger import Key, format_key
from flows.proposing import Prompt, Proposal
from flows.records import CandidateRow, Row
from flows.rows import candidate_row, evaluation_rows, scenario_row
from flows.scoring import Verdict, judge, worst_score
from flows.session import Session
from sandbox.outcome import Outcome, Trial

MOST_LOSSES_IN_A_ROW = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A proposal on its way: ``lost`` says why there is none, ``trial`` is None if not needed."""

    key: Key
    proposal: Proposal | None = None
    prompt: Prompt | None = None
    trial: Trial | None = None
    lost: str | None = None
    seconds: float = 0.0


def record(session: Session, draft: Draft) -> None:
    """Hop 4: make an attempt and its evaluations safe in one write, evaluations first."""
    if draft.lost is None and draft.proposal is not None:
        rows = _rows(session, draft, draft.proposal)
        if rows is not None:
            _keep(session, rows)
            return
        draft = replace(draft, lost="it repeats an attempt that was lost")
    _lose(session, draft)


def record_references(session: Session, draft: Draft) -> None:
    """Record the scenarios with the figures of the naive policy, which must do well everywhere."""
    trial = draft.trial
    if trial is None or trial.outcome is not Outcome.OK:
        why = draft.lost or _first_problem(trial)
        raise RuntimeError(f"the naive baseline failed, nothing can be scored against it: {why}")
    figures = {each.scenario: each for each in reversed(trial.evaluations)}
    session.record(
        scenario_row(session.experiment_id, scenario, figures[scenario.name], "naive")
        for scenario in session.services.scenarios
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
    )
    if source is None:
        score = worst_score(session.ledger.references())
        problem = proposal.problem or "the reply holds no policy"
        return [row(outcome=str(Outcome.MALFORMED), problem=problem, score=score)]
    if draft.trial is None:
        known = session.ledger.same_source(source)
        return None if known is None else [_repeat(session, known, row)]
    return _tried(session, draft.key, draft.trial, row)


def _repeat(session: Session, known: Key, row: "partial[CandidateRow]") -> CandidateRow:
    original = session.ledger.candidates[known]
    return row(
        outcome=original.outcome,
        score=original.score,
        problem=original.problem,
        problem_line=original.problem_line,
        duplicate_of=original.duplicate_of or format_key(known),
    )


def _tried(session: Session, key: Key, trial: Trial, row: "partial[CandidateRow]") -> Sequence[Row]:
    verdict = judge(trial, session.ledger.references())
    evaluations = evaluation_rows(
        key, trial, verdict, session.provenance, session.now(), _split(session)
    )
    same = session.ledger.same_behaviour([each.evaluation for each in verdict.judged])
    candidate = row(
        outcome=str(verdict.outcome),
        score=verdict.score,
        improved=_promotes(session, verdict),
        problem=verdict.problem.message if verdict.problem is not None else None,
        problem_line=verdict.problem.line if verdict.problem is not None else None,
        duplicate_of=format_key(same) if same is not None else None,
    )
    return [*evaluations, candidate]


def _promotes(session: Session, verdict: Verdict) -> bool:
    """Only a candidate that ended well everywhere and is plausible can become the best."""
    if verdict.outcome is not Outcome.OK or verdict.score is None:
        return False
    best = session.ledger.best
    return best is None or best.score is None or verdict.score > best.score


def _keep(session: Session, rows: Sequence[Row]) -> None:
    candidate = rows[-1]
    assert isinstance(candidate, CandidateRow)
    session.losses_in_a_row = 0
    session.record(rows)
    key = (candidate.iteration, candidate.slot)
    if candidate.improved:
        session.event(
            "new_best",
            f"{candidate.title}: score {candidate.score:.4f}",
            {"score": candidate.score, "candidate": candidate.candidate},
            key,
        )
    elif candidate.outcome == Outcome.OK and candidate.score is None:
        session.event("warning", candidate.problem or "", {"candidate": candidate.candidate}, key)
    session.watch(Settled(row=candidate, best=session.ledger.best, spend=session.spend()))


def _lose(session: Session, draft: Draft) -> None:
    why = draft.lost or "no proposal was made"
    session.losses_in_a_row += 1
    session.event("attempt_lost", why, key=draft.key)
    session.watch(Lost(iteration=draft.key[0], slot=draft.key[1], message=why))
    if session.losses_in_a_row >= MOST_LOSSES_IN_A_ROW:
        raise TooManyLosses(f"{MOST_LOSSES_IN_A_ROW} attempts in a row were lost; the last: {why}")


def _split(session: Session) -> str:
    return session.services.scenarios[0].split


def _first_problem(trial: Trial | None) -> str:
    if trial is None:
        return "it was not tried"
    problems = [each.problem.message for each in trial.evaluations if each.problem is not None]
    return f"{trial.outcome}: {problems[0]}" if problems else str(trial.outcome)
