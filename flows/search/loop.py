"""A search, readable from the top: propose, try on train, confirm, rule, record, and again."""

from collections.abc import Sequence
from functools import partial

from flows.attempt import (
    Attempt,
    Prompt,
    ProposalRequest,
    ProposerUnavailable,
    baseline_proposals,
)
from flows.errors import TooManyLosses
from flows.history.records import format_key
from flows.prompting.prompts import render_prompt
from flows.proposers.prices import may_be_charged
from flows.search.budget import Place, Stop, places, room_for, stop_reason
from flows.search.final_test import run_final_test
from flows.search.recording import record, record_references, rule_on
from flows.search.rows import prompt_row
from flows.search.session import Services, Session
from flows.search.strategies import Plan
from flows.search.trying import (
    confirm,
    judge_again,
    judge_on_train,
    prove,
    run_on_train,
    try_on_train,
    validate,
)
from flows.search.watching import SearchResult, Watch, Working, ignore
from flows.settings.search import SearchConfig
from flows.trials import Around, patiently, side_by_side


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
    run_final_test(session)
    return stop


def run_iteration(session: Session, iteration: int) -> None:
    """Fill the open slots of an iteration.

    Everything is decided in the order of slots, so that the width of an iteration is part of the
    configuration and chance has no part in it.
    """
    attempts = propose(session, feedback(session, iteration))
    attempts = try_on_train(session, attempts)
    attempts = confirm(session, attempts)
    for attempt in attempts:
        record(session, prove(session, rule_on(session, attempt)))


def try_baselines(session: Session) -> None:
    """Iteration 0: the library policies that everything else is compared with, naive first."""
    baselines = [
        Attempt(key=(0, slot), proposal=proposal)
        for slot, proposal in enumerate(baseline_proposals(session.config.baselines))
        if (0, slot) not in session.ledger.candidates
    ]
    if baselines and baselines[0].key == (0, 0):
        record(session, rule_on(session, try_naive(session, baselines.pop(0))))
    width = session.config.slots
    for start in range(0, len(baselines), width):
        tried = validate(session, try_on_train(session, baselines[start : start + width]))
        for attempt in tried:
            record(session, rule_on(session, judge_again(attempt, session.references())))


def try_naive(session: Session, naive: Attempt) -> Attempt:
    """Try naive, whose figures every score is measured against, its own included."""
    [naive] = validate(session, run_on_train(session, [naive]))
    scenarios = session.services.scenarios
    trials = [each for each in (naive.trial, naive.again) if each is not None]
    record_references(session, trials, [*scenarios.train, *scenarios.validation], naive.lost)
    references = session.references()
    return judge_again(judge_on_train(naive, references), references)


def feedback(session: Session, iteration: int) -> list[ProposalRequest]:
    """Return a request for each open slot, with the attempts that the strategy shows."""
    attempts, best = session.ledger.attempts(), session.ledger.best_before(iteration)
    requests = []
    for place in open_places(session, iteration):
        plan = session.strategy.plan(attempts, iteration, place.slot)
        shown = best if best in plan.visible else session.ledger.best_before(1)
        requests.append(
            ProposalRequest(
                experiment_id=session.experiment_id,
                seed=session.config.seed,
                iteration=iteration,
                slot=place.slot,
                prompt=_prompt(session, plan),
                attempts=plan.visible,
                best=shown,
                record_call=session.record_call,
                recorded_calls=session.ledger.calls_of((iteration, place.slot)),
                charges=place.charges,
                move=plan.move,
                chosen=plan.chosen,
                shorter=partial(_prompt, session, plan),
                seconds_left=session.seconds_left(),
                notice=session.notice,
            )
        )
    return requests


def propose(session: Session, requests: Sequence[ProposalRequest]) -> list[Attempt]:
    """Ask for the next policies, side by side; without an answer the attempt is lost."""

    def ask(request: ProposalRequest) -> Attempt:
        key, proposer = (request.iteration, request.slot), session.services.proposer
        session.watch(Working(iteration=key[0], slot=key[1], hop="propose"))
        began = session.seconds()
        try:
            proposal = session.around("propose", format_key(key), lambda: proposer.propose(request))
        except ProposerUnavailable as error:
            return Attempt(key=key, lost=str(error))
        seconds = session.seconds() - began
        prompt = proposal.prompt or request.prompt
        return Attempt(key=key, proposal=proposal, prompt=prompt, seconds=seconds)

    return side_by_side(ask, requests)


def open_places(session: Session, iteration: int) -> list[Place]:
    """Return the places of an iteration that are not recorded and that the budget has room for."""
    budget, ledger = session.config.budget, session.ledger
    before = session.spend(before=iteration)
    slots = session.strategy.slots(iteration, room_for(budget, before))
    return places(
        budget,
        before=before,
        now=session.spend(),
        slots=slots,
        recorded={slot for it, slot in ledger.candidates if it == iteration},
        replied={slot for it, slot in ledger.unused_replies() if it == iteration},
        charged={
            slot
            for slot in slots
            if any(may_be_charged(call) for call in ledger.calls_of((iteration, slot)))
        },
    )


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
