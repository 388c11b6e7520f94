"""Hops 2 and 3: screen a source and try it in a cell, and give what did better a second look."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from flows.attempt import Draft
from flows.history.records import format_key
from flows.judging.guards import PROMOTED
from flows.judging.scoring import behaviour, normalised_sha256
from flows.judging.splits import AUDIT_CALLS, with_policy_calls
from flows.search.deciding import may_be_better, rule
from flows.search.session import Session
from flows.search.watching import Working
from flows.threads import side_by_side
from flows.trials import joined, shares
from sandbox.errors import CellFailed
from sandbox.outcome import Outcome, Trial
from simulator.scenario import Scenario

FEWEST_PER_CELL = 4
"""For fewer scenarios a cell of their own takes longer to start than it saves."""


def screen_and_try(session: Session, drafts: Sequence[Draft]) -> list[Draft]:
    """Try on train what has a source that was not tried before; the rest passes through."""
    fresh: dict[str, Draft] = {}
    for draft in drafts:
        if draft.source is not None and session.ledger.same_source(draft.source) is None:
            fresh.setdefault(normalised_sha256(draft.source), draft)
    return _replaced(drafts, fresh.values(), partial(_try_on_train, session))


def confirm(session: Session, drafts: Sequence[Draft]) -> list[Draft]:
    """Try again, in fresh cells, what did better on train than the best when this began.

    Slots that would have nothing to do take part of the scenarios of those that have. The
    validation scenarios are new to it; with the first train scenario it has to decide the same
    in another cell. All of train is tried again only where it would then be promoted.
    """
    chosen: list[Draft] = []
    behaviours: set[object] = set()
    for draft in drafts:
        if draft.lost is not None or draft.trial is None or not may_be_better(session, draft):
            continue
        marks = behaviour(draft.trial.evaluations)
        if marks not in behaviours:
            chosen.append(draft)
        behaviours.add(marks)
    return _replaced(drafts, chosen, partial(_try_again, session, _cells_for(session, chosen)))


def validate(session: Session, drafts: Sequence[Draft]) -> list[Draft]:
    """Try baselines on the validation scenarios: they are known to decide the same again."""
    validation = session.services.scenarios.validation
    good = [d for d in drafts if d.trial is not None and d.trial.outcome is Outcome.OK]
    if not validation:
        return list(drafts)
    cells = _cells_for(session, good)
    return _replaced(drafts, good, lambda draft: _second(session, draft, validation, cells))


def prove(session: Session, draft: Draft) -> Draft:
    """Try what is about to be promoted on all of train again, and as if called in every tick.

    The first has to be decided the same and may still bar it; the second is only told.
    """
    if not _to_promote(session, draft):
        return draft
    if session.services.scenarios.validation:
        draft = _try_elite(session, draft)
    return _audit(session, draft) if _to_promote(session, draft) else draft


def try_in_cells(
    session: Session, draft: Draft, hop: str, scenarios: Sequence[Scenario], cells: int = 1
) -> Trial:
    """Return how a source did on ``scenarios``, shared out among up to so many cells.

    What a cell was to try is begun again when the fault is ours.
    """
    assert draft.source is not None, "only what has a source is tried"
    iteration, slot = draft.key
    session.watch(Working(iteration=iteration, slot=slot, hop=hop, title=draft.title))
    label = format_key(draft.key) if hop == "try" else f"{format_key(draft.key)} {hop}"
    try_policy = partial(session.services.sandbox.try_policy, draft.source)
    parts = shares(session.payloads(scenarios), min(cells, len(scenarios) // FEWEST_PER_CELL))
    names = [f"{label} {n}/{len(parts)}" for n in range(1, len(parts) + 1)]
    calls = [
        partial(session.around, "try", name if len(parts) > 1 else label, partial(try_policy, part))
        for name, part in zip(names, parts, strict=True)
    ]
    return joined(side_by_side(calls))


def _try_on_train(session: Session, draft: Draft) -> Draft:
    train = session.services.scenarios.train
    trial, draft = _timed(session, draft, "try", [*train, train[0]])
    return replace(draft, trial=trial)


def _try_again(session: Session, cells: int, draft: Draft) -> Draft:
    train, validation = session.services.scenarios.train, session.services.scenarios.validation
    return _second(session, draft, [*validation, train[0]] if validation else train, cells)


def _cells_for(session: Session, drafts: Sequence[Draft]) -> int:
    """Return how many cells each of ``drafts`` may have, so that all slots have work."""
    return session.config.slots // max(1, len(drafts))


def _second(session: Session, draft: Draft, scenarios: Sequence[Scenario], cells: int) -> Draft:
    second, draft = _timed(session, draft, "confirm", scenarios, cells)
    return replace(draft, second=second)


def _to_promote(session: Session, draft: Draft) -> bool:
    if draft.lost is not None or draft.second is None or draft.key[0] == 0:
        return False
    return rule(session, draft).standing == PROMOTED


def _try_elite(session: Session, draft: Draft) -> Draft:
    elite, draft = _timed(session, draft, "elite", session.services.scenarios.train)
    return replace(draft, elite=elite)


def _audit(session: Session, draft: Draft) -> Draft:
    scenarios = _to_audit(session)
    if not scenarios:
        return draft
    try:
        return replace(draft, audit=try_in_cells(session, draft, "audit", scenarios))
    except CellFailed as error:
        session.event("warning", f"the audit could not be made: {error}", key=draft.key)
        return draft


def _timed(
    session: Session, draft: Draft, hop: str, scenarios: Sequence[Scenario], cells: int = 1
) -> tuple[Trial | None, Draft]:
    """Return the trial and the draft with its time; without a trial the draft is lost."""
    began = session.seconds()
    try:
        trial = try_in_cells(session, draft, hop, scenarios, cells)
    except CellFailed as error:
        return None, replace(draft, lost=f"the cell failed: {error}")
    return trial, replace(draft, seconds=draft.seconds + session.seconds() - began)


def _to_audit(session: Session) -> list[Scenario]:
    """Return the train scenarios to audit on, with the other way of calling; none if it is used."""
    chosen = session.services.scenarios.train[: session.config.guards.audit_scenarios]
    return [
        with_policy_calls(each, AUDIT_CALLS)
        for each in chosen
        if each.params.policy_calls != AUDIT_CALLS
    ]


def _replaced(
    drafts: Sequence[Draft], some: Iterable[Draft], work: Callable[[Draft], Draft]
) -> list[Draft]:
    """Return all drafts in order, with work done on some of them side by side."""
    done = {draft.key: draft for draft in side_by_side([partial(work, each) for each in some])}
    return [done.get(draft.key, draft) for draft in drafts]
