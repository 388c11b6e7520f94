"""A search, readable from the top: propose, try on train, confirm, rule, record, and again.

At its end the best and the baselines are tried on the test scenarios, once.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flows.attempt import (
    Attempt,
    Prompt,
    Proposal,
    ProposalRequest,
    ProposerUnavailable,
    baseline_proposals,
)
from flows.errors import TooManyLosses
from flows.history.records import CandidateRow, EvaluationRow, format_key, key_of
from flows.judging.guards import seed_for
from flows.judging.intervals import paired_interval, weakest
from flows.judging.leaderboard import stays, verdict_on_test
from flows.judging.objectives import cannot_be_beaten
from flows.judging.scoring import PLAUSIBLE_SLACK, geometric_mean, judge
from flows.judging.splits import TEST, TRAIN, VALIDATION, FinalTest
from flows.names import called
from flows.prompting.prompts import render_prompt
from flows.proposers.prices import may_be_charged
from flows.search.budget import Place, Stop, places, slots_of, stop_reason
from flows.search.ledger import Ledger
from flows.search.progress import SearchResult, Watch, Working, ignore
from flows.search.recording import (
    evaluation_rows,
    prompt_row,
    record,
    record_references,
    rule_on,
    scored_tries,
)
from flows.search.session import Services, Session
from flows.search.strategies import Plan
from flows.search.trying import (
    confirm,
    judge_again,
    judge_on_train,
    prove,
    race_before,
    run_on_train,
    try_in_cells,
    try_on_train,
    validate,
)
from flows.settings.search import SearchConfig
from flows.trials import Around, patiently, side_by_side
from sandbox.outcome import Outcome, Trial


def run_search(
    config: SearchConfig,
    services: Services,
    watch: Watch = ignore,
    around: Around | None = None,
    conclude: Callable[[Session], None] | None = None,
) -> SearchResult:
    """Search until a budget ends it; everything is recorded as it happens, whatever comes.

    ``conclude`` is what is done with the best at the end, by default the final test.
    """
    session = Session(config, services, watch)
    session.around = around or patiently(services.clock, session.notice)
    session.begin()
    try:
        stop = _search(session, conclude or run_final_test)
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


def _search(session: Session, conclude: Callable[[Session], None]) -> Stop:
    try_baselines(session)
    iteration = session.ledger.next_iteration()
    paid = max((key[0] for key in session.ledger.unused_replies()), default=0)
    while (
        stop := nothing_left(session, iteration)
        or stop_reason(session.config.budget, session.spend(before=iteration))
    ) is None or iteration <= paid:
        if conclude is run_final_test and _ends_with(session, iteration):
            session.services.sandbox.last_trials()
        run_iteration(session, iteration)
        iteration += 1
    conclude(session)
    return stop


def _ends_with(session: Session, iteration: int) -> bool:
    """Return whether nothing is tried after this iteration, unless attempts of it are lost."""
    config, scenarios = session.config, session.services.scenarios
    left = config.budget.candidates - session.spend(before=iteration).candidates
    tested = config.guards.test and (scenarios.fresh is not None or bool(scenarios.test))
    return left <= config.slots and not tested


def nothing_left(session: Session, iteration: int) -> Stop | None:
    """Return that the search may stop where no policy can do better than the best in a scenario."""
    ledger, best = session.ledger, session.ledger.best_before(iteration)
    objective = session.config.domain.spec.objective(session.config.objective)
    if best is None or objective.bound is None:
        return None
    key = best.iteration, best.slot
    scored = ledger.scored(key)
    for name, reference in (ledger.references(TRAIN) | ledger.references(VALIDATION)).items():
        row = scored.get(name)
        if row is None or row.outcome != Outcome.OK:
            return None
        if not cannot_be_beaten(objective, row, reference, PLAUSIBLE_SLACK):
            return None
    words = f"{called(ledger.candidates[key])} has the best possible {objective.label}"
    return Stop(planned=True, reason=f"{words} in every scenario")


def run_iteration(session: Session, iteration: int) -> None:
    """Fill the open slots of an iteration.

    Everything is decided in the order of slots, so that the width of an iteration is part of the
    configuration and chance has no part in it.
    """
    race = race_before(session, iteration)
    attempts = propose(session, feedback(session, iteration))
    attempts = try_on_train(session, attempts, race)
    attempts = confirm(session, attempts)
    for attempt in attempts:
        record(session, prove(session, rule_on(session, attempt)))


def try_baselines(session: Session) -> None:
    """Iteration 0: the library policies that all others are compared with, the reference first."""
    config = session.config
    proposals = baseline_proposals(config.baselines, config.domain)
    baselines = [
        Attempt(key=(0, slot), proposal=proposal)
        for slot, proposal in enumerate(proposals)
        if (0, slot) not in session.ledger.candidates
    ]
    if baselines and baselines[0].key == (0, 0):
        record(session, rule_on(session, try_reference(session, baselines.pop(0))))
    width = config.slots
    for start in range(0, len(baselines), width):
        tried = validate(session, try_on_train(session, baselines[start : start + width]))
        for attempt in tried:
            record(session, rule_on(session, judge_again(attempt, session.references())))


def try_reference(session: Session, first: Attempt) -> Attempt:
    """Try the policy whose figures every score is measured against, its own included."""
    [first] = validate(session, run_on_train(session, [first]))
    scenarios = session.services.scenarios
    trials = [each for each in (first.trial, first.again) if each is not None]
    record_references(session, trials, [*scenarios.train, *scenarios.validation], first.lost)
    references = session.references()
    return judge_again(judge_on_train(first, references), references)


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
                contract=session.config.domain.contract,
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
    slots = slots_of(budget, session.config.slots, before)
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


SEED_KEY = (-1, 0)
"""No attempt has it: the seed of the interval on test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A policy and its evaluations on the test scenarios, by scenario."""

    row: CandidateRow
    scored: Mapping[str, EvaluationRow]

    @property
    def score(self) -> float:
        return geometric_mean([each.score or 1.0 for each in self.scored.values()])


def run_final_test(session: Session) -> None:
    """Try the best and all baselines on test, unless this very best was tried there before."""
    best, ledger = session.ledger.best, session.ledger
    if best is None or not session.config.guards.test:
        return
    test = session.services.scenarios.final_test()
    if not test.scenarios:
        return
    session.refuse_other_test(test.scenarios)
    uses = ledger.tested(test.seed)
    if not uses or uses[-1].detail.get("candidate") != best.candidate:
        baselines = [row for row in ledger.baselines() if row.outcome == Outcome.OK]
        wanted = [*baselines, best] if best.iteration > 0 else baselines
        known = [_tested(ledger, test, row) for row in wanted]
        missing = [each.row for each in known if len(each.scored) < len(test.scenarios)]
        _try_all(session, test, missing)
        tested = {key_of(row): _tested(ledger, test, row) for row in wanted}
        message, detail = conclusion(
            test,
            tested[key_of(best)],
            [tested[key_of(row)] for row in baselines],
            session.config,
        )
        session.event("test", message, detail | {"touched": len(uses) + 1}, key_of(best))
    _warn(session, test)


def conclusion(
    test: FinalTest, best: Tested, baselines: Sequence[Tested], config: SearchConfig
) -> tuple[str, dict[str, Any]]:
    """Return the verdict in words and figures, against the best baseline on the test.

    Where there are groups of scenarios, the gain is that of the group where it is least certain.
    """
    bar = max(baselines, key=lambda each: each.score)
    detail: dict[str, Any] = {
        "candidate": best.row.candidate,
        "title": best.row.title,
        "score": best.score,
        "baseline": bar.row.title,
        "baseline_candidate": bar.row.candidate,
        "baseline_score": bar.score,
        "scenarios": len(test.scenarios),
    }
    if test.seed is not None:
        detail |= {"seed": test.seed}
    if best.row.iteration == 0:
        best_there = f"The best on {test.words} is {bar.row.title}, score {bar.score:.3f}."
        return f"{stays(best.row.title)} {best_there}", detail
    own, other = best.scored, bar.scored
    intervals = {
        label: paired_interval(
            [(own[name].score or 1.0) / (other[name].score or 1.0) for name in names],
            level=config.guards.confidence,
            resamples=config.guards.resamples,
            seed=seed_for(config.seed, SEED_KEY),
        )
        for label, names in (test.groups(config.domain.spec.groups) or {"": tuple(other)}).items()
    }
    interval = weakest(intervals.values())
    low, mean, high = interval.percent
    detail |= {
        "level": interval.level,
        "gain_low_percent": low if interval.scenarios > 1 else None,
        "gain_percent": mean,
        "gain_high_percent": high if math.isfinite(high) else None,
    }
    message = verdict_on_test(best.row, best.score, bar.row.title, bar.score, interval, test.words)
    if len(intervals) > 1:
        message += "".join(f" {label}: {each.words()}." for label, each in intervals.items())
        detail["groups"] = {label: each.percent[1] for label, each in intervals.items()}
    failed = [each for each in best.scored.values() if each.outcome != Outcome.OK]
    if failed:
        message += (
            f" It failed on {len(failed)} of {len(best.scored)} test scenarios "
            f"({failed[0].outcome})."
        )
    return message, detail


def _try_all(session: Session, test: FinalTest, rows: Sequence[CandidateRow]) -> None:
    """Try policies on test, the reference first: all others are measured against its figures."""
    left, width = list(rows), session.config.slots
    if left and key_of(left[0]) == (0, 0):
        trial = _trial(session, test, left[0])
        record_references(session, [trial], test.scenarios, None)
        _record(session, left.pop(0), trial)
    for start in range(0, len(left), width):
        chunk = left[start : start + width]
        if start + width >= len(left):
            session.services.sandbox.last_trials()
        trials = side_by_side(lambda row: _trial(session, test, row), chunk)
        for row, trial in zip(chunk, trials, strict=True):
            _record(session, row, trial)


def _trial(session: Session, test: FinalTest, row: CandidateRow) -> Trial:
    proposal = Proposal(
        source=row.source, title=row.title, origin=row.origin, operator=row.operator
    )
    attempt = Attempt(key=key_of(row), proposal=proposal)
    return try_in_cells(session, attempt, TEST, test.scenarios)


def _record(session: Session, row: CandidateRow, trial: Trial) -> None:
    verdict = judge(trial, session.ledger.references(TEST), session.scale)
    tries = scored_tries(trial, verdict, TEST)
    session.record(evaluation_rows(key_of(row), tries, session.provenance, session.now()))


def _tested(ledger: Ledger, test: FinalTest, row: CandidateRow) -> Tested:
    """Return what is recorded of a policy on the test so far."""
    names = {each.name for each in test.scenarios}
    scored = ledger.scored(key_of(row))
    return Tested(row=row, scored={name: each for name, each in scored.items() if name in names})


def _warn(session: Session, test: FinalTest) -> None:
    """Warn of a test that was used more than once, and of several tests."""
    used = len(session.ledger.tested(test.seed))
    if used > 1:
        session.event_once(
            "warning",
            f"{test.words} were used {used} times by this experiment, each time with another "
            "best: their figures are no longer independent of the search",
            {"touched": used},
        )
    seeds = list(dict.fromkeys(row.detail.get("seed") for row in session.ledger.tests))
    if len(seeds) > 1:
        session.event_once(
            "warning",
            f"this experiment was tested on {len(seeds)} sets of test scenarios: quote the "
            "verdicts of all of them, not of the most favourable",
            {"seeds": seeds},
        )
