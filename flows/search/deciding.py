"""What an attempt's trials say: its verdict on train, and whether it may be called the best."""

from collections.abc import Mapping
from dataclasses import replace

from flows.attempt import Draft
from flows.history.records import Key, format_key, key_of
from flows.judging.guards import (
    BARRED,
    PROMOTED,
    Figures,
    Rules,
    Ruling,
    rule_on_baseline,
    rule_on_candidate,
    seed_for,
)
from flows.judging.scoring import Verdict, judge
from flows.judging.splits import TRAIN, VALIDATION
from flows.search.session import Session
from sandbox.outcome import Evaluation, Outcome, Trial


def train_verdict(session: Session, draft: Draft) -> Verdict:
    """Return the verdict on the train scenarios; what was tried again must be decided the same."""
    assert draft.trial is not None, "what was not tried has no verdict"
    references = session.ledger.references(TRAIN)
    again = [each for each in _second_tries(draft) if each.scenario in references]
    return judge(draft.trial, references, session.config.objective, again)


def validation_verdict(session: Session, draft: Draft) -> Verdict | None:
    """Return the verdict on the validation scenarios, None when they were not tried."""
    references = session.ledger.references(VALIDATION)
    tried = tuple(each for each in _second_tries(draft) if each.scenario in references)
    if draft.second is None or not tried:
        return None
    return judge(_part(draft.second, tried), references, session.config.objective)


def may_be_better(session: Session, draft: Draft) -> bool:
    """Return whether a draft did better on train than the best when its iteration began.

    What behaves as an earlier attempt does is known already; but it may differ from a barred one
    where that was barred, on validation.
    """
    verdict = train_verdict(session, draft)
    best = session.ledger.best_before(draft.key[0])
    if verdict.outcome is not Outcome.OK or verdict.score is None or best is None:
        return False
    known = known_behaviour(session, verdict)
    if known is not None and session.ledger.candidates[known].standing != BARRED:
        return False
    return verdict.score > (best.score or 0.0)


def known_behaviour(session: Session, verdict: Verdict) -> Key | None:
    """Return the first attempt that decided the same on every train scenario."""
    return session.ledger.same_behaviour([each.evaluation for each in verdict.judged])


def rule(session: Session, draft: Draft) -> Ruling:
    """Return what the draft may be called, against the best at this moment."""
    verdict = train_verdict(session, draft)
    if verdict.outcome is Outcome.NONDETERMINISTIC:
        return Ruling(standing=BARRED, reason="nondeterministic", detail=_message(verdict))
    if verdict.outcome is not Outcome.OK:
        return Ruling()
    if verdict.score is None:
        return Ruling(standing=BARRED, reason="implausible", detail=_message(verdict))
    known = known_behaviour(session, verdict)
    if known is not None and draft.second is None:
        return rule_on_repeat(session, known)
    validated = validation_verdict(session, draft)
    if validated is not None and validated.score is None:
        return Ruling(standing=BARRED, reason="implausible", detail=_message(validated))
    own = _figures(draft.title, verdict, validated)
    rules = _rules(session, draft.key)
    if draft.key[0] == 0:
        return _rule_on_baseline(session, own, validated, rules)
    if draft.second is None:
        return Ruling()
    failed = ""
    if validated is not None and validated.outcome is not Outcome.OK:
        failed = f"{validated.outcome}: {_message(validated)}"
    best, anchor = session.ledger.best, session.ledger.best_before(1)
    assert best is not None, "naive is promoted before any candidate is tried"
    assert anchor is not None, "naive is promoted before any candidate is tried"
    return rule_on_candidate(
        own,
        session.ledger.figures(key_of(best), rules.deciding),
        session.ledger.figures((anchor.iteration, anchor.slot), rules.deciding),
        rules,
        failed,
    )


def rule_on_repeat(session: Session, known: Key) -> Ruling:
    """Return the standing of an attempt that repeats another: it is never better than that one."""
    original = session.ledger.candidates[known]
    if original.standing in ("", PROMOTED):
        return Ruling()
    return Ruling(
        standing=original.standing,
        reason="known",
        detail=f"the same as {format_key(known)}: {original.standing_detail}",
    )


def _rule_on_baseline(
    session: Session, own: Figures, validated: Verdict | None, rules: Rules
) -> Ruling:
    if validated is not None and validated.outcome is not Outcome.OK:
        return Ruling()
    best = session.ledger.best
    figures = session.ledger.figures(key_of(best), rules.deciding) if best is not None else None
    return rule_on_baseline(own, figures, rules)


def _rules(session: Session, key: Key) -> Rules:
    return Rules(
        guards=session.config.guards,
        objective=session.config.objective,
        deciding=session.services.scenarios.deciding,
        seed=seed_for(session.config.seed, key),
    )


def _figures(title: str, train: Verdict, validated: Verdict | None) -> Figures:
    decisive = train if validated is None else validated
    return Figures(
        title=title,
        train=_scores(train),
        deciding=_scores(decisive),
        latencies={e.evaluation.scenario: e.weighted_latency_seconds for e in decisive.judged},
    )


def _scores(verdict: Verdict) -> Mapping[str, float]:
    return {each.evaluation.scenario: each.score for each in verdict.judged}


def _second_tries(draft: Draft) -> tuple[Evaluation, ...]:
    later = (draft.second, draft.elite)
    return tuple(each for trial in later if trial is not None for each in trial.evaluations)


def _part(trial: Trial, evaluations: tuple[Evaluation, ...]) -> Trial:
    return replace(trial, evaluations=evaluations)


def _message(verdict: Verdict) -> str:
    return verdict.problem.message if verdict.problem is not None else ""
