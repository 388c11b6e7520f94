"""A search, readable from the top: propose, screen and try, confirm, record, feed back, again."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from flows.attempt import (
    Draft,
    Prompt,
    Proposal,
    ProposalRequest,
    ProposerUnavailable,
    baseline_proposals,
)
from flows.errors import TooManyLosses
from flows.history.records import format_key
from flows.prompting.prompts import render_prompt
from flows.search.budget import Stop, stop_reason
from flows.search.final_test import touch_test
from flows.search.places import charges, open_slots
from flows.search.recording import record, record_references
from flows.search.rows import prompt_row
from flows.search.session import Services, Session
from flows.search.strategies import Plan
from flows.search.trying import confirm, prove, screen_and_try, validate
from flows.search.watching import SearchResult, Watch, Working, ignore
from flows.settings.search import SearchConfig
from flows.threads import side_by_side
from flows.trials import Around, patiently

T = TypeVar("T")


def run_search(
    config: SearchConfig, services: Services, watch: Watch = ignore, around: Around | None = None
) -> SearchResult:
    """Search until a budget ends it; everything is recorded as it happens, whatever comes."""
    session = Session(config, services, watch)
    session.around = around or patiently(services.clock, session.notice)
    session.begin()
    try:
        stop = _search(session)
    except TooManyLosses as error:
        session.end("finished_with_losses", str(error))
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


def _search(session: Session) -> Stop:
    try_baselines(session)
    iteration = session.ledger.next_iteration()
    paid = max((key[0] for key in session.ledger.unused_replies()), default=0)
    while (
        stop := stop_reason(session.config.budget, session.spend(before=iteration))
    ) is None or iteration <= paid:
        run_iteration(session, iteration)
        iteration += 1
    touch_test(session)
    return stop


def run_iteration(session: Session, iteration: int) -> None:
    """Fill the open slots: what is new is tried on train, what is better there a second time.

    Everything is decided in the order of slots, so that the width of an iteration is part of the
    configuration and chance has no part in it.
    """
    requests = feedback(session, iteration, open_slots(session, iteration))
    drafts = side_by_side([partial(propose, session, request) for request in requests])
    drafts = screen_and_try(session, drafts)
    drafts = confirm(session, drafts)
    for draft in drafts:
        record(session, prove(session, draft))


def propose(session: Session, request: ProposalRequest) -> Draft:
    """Hop 1: ask for the next policy."""
    key = (request.iteration, request.slot)
    request = replace(request, recorded_calls=session.ledger.calls_of(key))
    session.watch(Working(iteration=key[0], slot=key[1], hop="propose"))
    began = session.seconds()
    ask: Callable[[], Proposal] = partial(session.services.proposer.propose, request)
    try:
        proposal = session.around("propose", format_key(key), ask)
    except ProposerUnavailable as error:
        return Draft(key=key, lost=str(error))
    seconds = session.seconds() - began
    prompt = proposal.prompt or request.prompt
    return Draft(key=key, proposal=proposal, prompt=prompt, seconds=seconds)


def feedback(session: Session, iteration: int, slots: list[int]) -> list[ProposalRequest]:
    """Hop 5: what the next proposals learn from the past, as the strategy plans it."""
    attempts, best = session.ledger.attempts(), session.ledger.best_before(iteration)
    requests = []
    for slot, allowed in zip(slots, charges(session, iteration, slots), strict=True):
        plan = session.strategy.plan(attempts, iteration, slot)
        shown = best if best in plan.visible else session.ledger.best_before(1)
        requests.append(
            ProposalRequest(
                experiment_id=session.experiment_id,
                seed=session.config.seed,
                iteration=iteration,
                slot=slot,
                prompt=_prompt(session, plan),
                attempts=plan.visible,
                best=shown,
                record_call=session.record_call,
                charges=allowed,
                move=plan.move,
                chosen=plan.chosen,
                shorter=partial(_prompt, session, plan),
                seconds_left=session.seconds_left(),
                notice=session.notice,
            )
        )
    return requests


def try_baselines(session: Session) -> None:
    """Iteration 0: the library policies that everything else is compared with, naive first."""
    drafts = [
        Draft(key=(0, slot), proposal=proposal)
        for slot, proposal in enumerate(baseline_proposals(session.config.baselines))
        if (0, slot) not in session.ledger.candidates
    ]
    if drafts and drafts[0].key == (0, 0):
        scenarios = session.services.scenarios
        naive = validate(session, screen_and_try(session, [drafts.pop(0)]))[0]
        measured = [*scenarios.train, *scenarios.validation]
        record_references(session, naive.trials, measured, naive.lost)
        record(session, naive)
    width = session.config.slots
    for start in range(0, len(drafts), width):
        tried = screen_and_try(session, drafts[start : start + width])
        for draft in validate(session, tried):
            record(session, draft)


def _prompt(session: Session, plan: Plan, tokens: int | None = None) -> Prompt | None:
    """Return the prompt of a plan, recorded; None for a proposer that does without.

    It has as many tokens as the configuration says, or fewer for a server with less room.
    """
    if not session.services.proposer.uses_prompt:
        return None
    config = session.config
    if tokens is not None and tokens < config.feedback.prompt_tokens:
        feedback = config.feedback.model_copy(update={"prompt_tokens": tokens})
        config = config.model_copy(update={"feedback": feedback})
    prompt = render_prompt(
        config=config,
        scenarios=session.services.scenarios.train,
        attempts=plan.visible,
        move=plan.move,
        chosen=plan.chosen,
    )
    if not session.ledger.knows_prompt(prompt.sha256):
        session.record([prompt_row(prompt)])
    return prompt
