"""A search, readable from the top: propose, screen and try, record, feed back, and again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from flows.baselines import baseline_proposals
from flows.budget import Stop, room_for, stop_reason
from flows.clock import Clock
from flows.config import SearchConfig
from flows.errors import TooManyLosses
from flows.happenings import SearchResult, Working
from flows.ledger import format_key
from flows.prompts import render_prompt
from flows.proposing import Proposal, ProposalRequest, ProposerUnavailable
from flows.recording import Draft, record, record_references
from flows.rows import prompt_row
from flows.scoring import normalised_sha256
from flows.session import Services, Session, Watch
from flows.side_by_side import side_by_side
from sandbox.errors import CellFailed, SandboxUnavailable
from sandbox.outcome import Trial

T = TypeVar("T")
RETRY_SECONDS = (1.0, 4.0)
"""Waits before a hop whose failure is ours is begun again."""
OURS = (CellFailed, SandboxUnavailable)


class Around(Protocol):
    """Runs a hop that leaves this process; an orchestrator puts a task of its own around it."""

    def __call__(self, hop: str, label: str, call: Callable[[], T]) -> T:
        """Return what ``call`` returns; begin a trial again when its failure is ours."""
        ...


def ignore(_: object) -> None:
    """Watch nothing."""


def run_search(
    config: SearchConfig, services: Services, watch: Watch = ignore, around: Around | None = None
) -> SearchResult:
    """Search until a budget ends it; everything is recorded as it happens, whatever comes."""
    session = Session(config, services, watch)
    session.begin()
    try:
        stop = _search(session, around or patiently(services.clock, session.notice))
    except TooManyLosses as error:
        stop = Stop(planned=False, reason=str(error))
        session.end("finished_with_losses", stop.reason)
        return session.ledger.result(session.spend())
    except Exception as error:
        session.end("failed", f"{type(error).__name__}: {error}")
        raise
    except BaseException:
        session.end("interrupted", "interrupted; the same command continues")
        raise
    lost = session.ledger.lost()
    if not stop.planned:
        session.end("budget_exhausted", stop.reason)
    elif lost:
        session.end("finished_with_losses", f"{stop.reason}; {lost} attempts were lost")
    else:
        session.end("finished", stop.reason)
    return session.ledger.result(session.spend())


def _search(session: Session, around: Around) -> Stop:
    try_baselines(session, around)
    iteration = session.ledger.next_iteration()
    while (stop := stop_reason(session.config.budget, session.spend())) is None:
        run_iteration(session, around, iteration)
        iteration += 1
    return stop


def run_iteration(session: Session, around: Around, iteration: int) -> None:
    """Propose for every open slot, try what is new, record in order of slots."""
    slots = open_slots(session, iteration)
    if not slots:
        return
    request = feedback(session, iteration)
    drafts = side_by_side(
        [partial(_propose, session, around, replace(request, slot=slot)) for slot in slots]
    )
    for draft in _try_new(session, around, drafts):
        record(session, draft)


def propose(session: Session, request: ProposalRequest) -> Proposal:
    """Hop 1: ask for the next policy."""
    return session.services.proposer.propose(request)


def screen_and_try(session: Session, source: str) -> Trial:
    """Hops 2 and 3: screen the source and try it in one cell on all scenarios."""
    return session.services.sandbox.try_policy(source, session.payloads())


def try_baselines(session: Session, around: Around) -> None:
    """Iteration 0: the library policies that everything else is compared with, naive first."""
    drafts = [
        Draft(key=(0, slot), proposal=proposal)
        for slot, proposal in enumerate(baseline_proposals(session.config.baselines))
        if (0, slot) not in session.ledger.candidates
    ]
    if drafts and drafts[0].key == (0, 0):
        naive = _try(session, around, drafts.pop(0))
        record_references(session, naive)
        record(session, naive)
    width = session.config.slots
    for start in range(0, len(drafts), width):
        for draft in _try_new(session, around, drafts[start : start + width]):
            record(session, draft)


def open_slots(session: Session, iteration: int) -> list[int]:
    """Return the slots of ``iteration`` that are not recorded and that the budget has room for."""
    done = {slot for it, slot in session.ledger.candidates if it == iteration}
    spend = session.spend()
    room = room_for(session.config.budget, spend) + len(done)
    slots = [slot for slot in session.strategy.slots(iteration, room) if slot not in done]
    while len(slots) > 1 and stop_reason(session.config.budget, spend, calls=len(slots)):
        slots.pop()
    return slots


def feedback(session: Session, iteration: int) -> ProposalRequest:
    """Hop 5: what the next proposals learn from the past; the caller sets the slot."""
    attempts = session.strategy.visible(session.ledger.attempts(), iteration)
    prompt = None
    if session.services.proposer.uses_prompt:
        prompt = render_prompt(
            config=session.config, scenarios=session.services.scenarios, attempts=attempts
        )
        if not session.ledger.knows_prompt(prompt.sha256):
            session.record([prompt_row(prompt)])
    return ProposalRequest(
        experiment_id=session.experiment_id,
        seed=session.config.seed,
        iteration=iteration,
        slot=0,
        prompt=prompt,
        attempts=attempts,
        best=session.ledger.best_before(iteration),
        record_call=session.record_call,
    )


def patiently(clock: Clock, say: Callable[[str], None]) -> Around:
    """Return the plain way to run a hop: again after a wait when the failure is ours."""

    def run(hop: str, label: str, call: Callable[[], T]) -> T:
        for seconds in RETRY_SECONDS:
            try:
                return call()
            except OURS as error:
                say(f"{hop} {label}: again in {seconds:g} s: {error}")
                clock.wait(seconds)
        return call()

    return run


def _propose(session: Session, around: Around, request: ProposalRequest) -> Draft:
    key = (request.iteration, request.slot)
    request = replace(request, recorded_calls=session.ledger.calls_of(key))
    session.watch(Working(iteration=key[0], slot=key[1], hop="propose"))
    began = session.seconds()
    try:
        proposal = around("propose", format_key(key), partial(propose, session, request))
    except ProposerUnavailable as error:
        return Draft(key=key, lost=str(error))
    return Draft(
        key=key,
        proposal=proposal,
        prompt=request.prompt,
        seconds=session.seconds() - began,
    )


def _try_new(session: Session, around: Around, drafts: Sequence[Draft]) -> list[Draft]:
    """Try what has a source that was not tried before; the rest passes through."""
    fresh: dict[str, Draft] = {}
    for draft in drafts:
        source = draft.proposal.source if draft.proposal is not None else None
        if source is not None and session.ledger.same_source(source) is None:
            fresh.setdefault(normalised_sha256(source), draft)
    tried = {draft.key: draft for draft in fresh.values()}
    if tried:
        done = side_by_side([partial(_try, session, around, draft) for draft in tried.values()])
        tried = {draft.key: draft for draft in done}
    return [tried.get(draft.key, draft) for draft in drafts]


def _try(session: Session, around: Around, draft: Draft) -> Draft:
    assert draft.proposal is not None and draft.proposal.source is not None
    key, title = draft.key, draft.proposal.title
    session.watch(Working(iteration=key[0], slot=key[1], hop="try", title=title))
    began = session.seconds()
    try:
        source = draft.proposal.source
        trial = around("try", format_key(key), partial(screen_and_try, session, source))
    except CellFailed as error:
        return replace(draft, lost=f"the cell failed: {error}")
    return replace(draft, trial=trial, seconds=draft.seconds + session.seconds() - began)
