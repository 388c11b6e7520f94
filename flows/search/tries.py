"""Every evaluation of an attempt with what it was for, and what an audit found, in words."""

from collections.abc import Iterator, Mapping

from flows.judging.scoring import Judged, Verdict
from flows.search.deciding import train_verdict, validation_verdict
from flows.search.drafts import Draft
from flows.search.rows import Tried
from flows.search.session import Session
from flows.wording import counted
from sandbox.outcome import Evaluation, Trial


def tries_of(session: Session, draft: Draft) -> list[Tried]:
    """Return what was tried, in the order of trials: score, repeat, elite, audit."""
    verdicts = [train_verdict(session, draft), validation_verdict(session, draft)]
    judged = {
        each.evaluation.scenario: each
        for verdict in verdicts
        if verdict is not None
        for each in verdict.judged
    }
    splits = {each.name: each.split for each in session.services.scenarios.every}
    tries: list[Tried] = []
    if draft.trial is not None:
        tries += _tried(draft.trial, "repeat", judged, splits)
    if draft.second is not None:
        seen = {each.evaluation.scenario for each in tries}
        fresh = {name: each for name, each in judged.items() if name not in seen}
        again = "repeat" if session.services.scenarios.validation else "elite"
        tries += _tried(draft.second, again, fresh, splits)
    if draft.elite is not None:
        tries += _tried(draft.elite, "elite", {}, splits)
    if draft.audit is not None:
        tries += _tried(draft.audit, "audit", {}, splits)
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
        return True, f"audit: called in every tick it decides the same on {scenarios}"
    return False, f"audit: called in every tick it differs: {'; '.join(changed)}"


def _tried(
    trial: Trial, purpose: str, judged: Mapping[str, Judged], splits: Mapping[str, str]
) -> Iterator[Tried]:
    """Yield the evaluations of a trial; the first of a scenario to be judged is the scored one."""
    open_scores = dict(judged)
    for each in trial.evaluations:
        scored = open_scores.pop(each.scenario, None)
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
