"""Trials in cells: on train, again before a promotion, and the verdicts on both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from flows.attempt import Attempt
from flows.history.records import format_key
from flows.judging.guards import BARRED, PROMOTED, rule_alone
from flows.judging.scoring import (
    References,
    Verdict,
    behaviour,
    judge,
    judge_repeats,
    normalised_sha256,
    worst_verdict,
)
from flows.judging.splits import audited
from flows.names import spoken
from flows.search.ledger import Ledger
from flows.search.progress import Working
from flows.search.racing import Race, is_spared, race, to_beat
from flows.search.session import Session
from flows.trials import completed, has_limit, in_one, rejoined, shares, side_by_side
from sandbox.errors import CellFailed
from sandbox.outcome import Outcome, Trial
from sandbox.source import candidate_id
from simulator.domain import Scenario

FEWEST_PER_CELL = 4
"""For fewer scenarios a cell of their own takes longer to start than it saves."""


def race_before(session: Session, iteration: int) -> Race | None:
    """Return the race of an iteration, from the attempts of iterations before; None without one."""
    settings = session.config.racing
    if not settings.enabled:
        return None
    names, ledger = [each.name for each in session.services.scenarios.train], session.ledger
    past, stopped = ledger.complete_before(iteration, names), ledger.stopped_before(iteration)
    if not past:
        return None
    known = list(past.values())
    latest = [past.get(key) or stopped[key] for key in sorted(past | stopped) if key[0] > 0]
    costs = ledger.calls_before(iteration, names)
    return race(costs, known, latest, to_beat(known), settings.confidence)


def try_on_train(
    session: Session, attempts: Sequence[Attempt], by: Race | None = None
) -> list[Attempt]:
    """Try the attempts whose source is new on train, in a race where there is one; judge them."""
    references = session.references()
    return [judge_on_train(each, references) for each in run_on_train(session, attempts, by)]


def confirm(session: Session, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Try the attempts that beat the best on train again, in fresh cells.

    The validation scenarios are new to it; the first train scenario it has to decide the same in
    another cell. Without validation scenarios that is asked of all of train.
    """
    train, validation = session.services.scenarios.train, session.services.scenarios.validation
    scenarios = [*validation, train[0]] if validation else train
    chosen = to_confirm(session.ledger, attempts, each_counts=session.each_counts)
    small, large = small_first(validation) if session.each_counts else ([], [])
    if small and large:
        attempts = _run_small_first(session, attempts, chosen, [*small, train[0]], large)
    else:
        attempts = run_again(session, attempts, chosen, scenarios)
    references = session.references()
    return [judge_again(each, references) for each in attempts]


def validate(session: Session, attempts: Sequence[Attempt]) -> list[Attempt]:
    """Try baselines on validation; that they repeat their decisions is known."""
    validation = session.services.scenarios.validation
    good = [a for a in attempts if a.trial is not None and a.trial.outcome is Outcome.OK]
    return run_again(session, attempts, good, validation) if validation else list(attempts)


def prove(session: Session, attempt: Attempt) -> Attempt:
    """Try an attempt that would be promoted on all of train again, and audit it.

    Other decisions on train bar it; the audit, another calling mode, is only reported.
    """
    if attempt.ruling.standing != PROMOTED or attempt.is_baseline:
        return attempt
    if session.services.scenarios.validation:
        attempt = _try_elite(session, attempt)
    if attempt.lost is None and attempt.ruling.standing == PROMOTED:
        attempt = _try_audit(session, attempt)
    return attempt


def run_on_train(
    session: Session, attempts: Sequence[Attempt], by: Race | None = None
) -> list[Attempt]:
    """Try on train, the first scenario twice, each source once that was not tried before.

    Slots without work take a share of the scenarios.
    """
    fresh: dict[str, Attempt] = {}
    for each in attempts:
        if each.source is not None and session.ledger.same_source(each.source) is None:
            fresh.setdefault(normalised_sha256(each.source), each)
    train = session.services.scenarios.train

    if by is not None:
        return _replaced(attempts, _run_race(session, list(fresh.values()), by))

    cells = session.config.slots // max(1, len(fresh))

    def run(attempt: Attempt) -> Attempt:
        attempt, trial = _timed(session, attempt, "try", [*train, train[0]], cells)
        return replace(attempt, trial=trial)

    return _replaced(attempts, side_by_side(run, list(fresh.values())))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runner:
    """An attempt in a race: its trials so far, and the scenarios of each rung that is left."""

    attempt: Attempt
    left: tuple[tuple[str, ...], ...]
    trials: tuple[Trial, ...] = ()
    spared: bool = False
    """Whether it is tried on all scenarios whatever it does."""

    def at_once(self) -> "_Runner":
        """Return the same with all that is left in one rung."""
        return replace(self, left=(tuple(chain.from_iterable(self.left)),))


def _run_race(session: Session, attempts: Sequence[Attempt], by: Race) -> list[Attempt]:
    """Try on train in rungs, all attempts side by side; slots that are free take a share."""
    slots = session.config.slots
    runners = {}
    for each in attempts:
        spared = is_spared((each.key[0] - 1) * slots + each.key[1] + 1)
        runners[each.key] = _Runner(attempt=each, left=by.parts(), spared=spared)
    while running := [each for each in runners.values() if each.left]:
        rung = partial(_run_rung, session, by, slots // len(running))
        runners |= {each.attempt.key: each for each in side_by_side(rung, running)}
    return [each.attempt for each in runners.values()]


def _run_rung(session: Session, by: Race, cells: int, runner: _Runner) -> _Runner:
    """Try an attempt in its next rung, on up to ``cells`` cells; the first scenario twice at last.

    What fails in a rung is tried on all the others at once and judged as without a race, except
    after a time limit, which ends every trial.
    """
    references, train = session.references(), session.services.scenarios.train
    scenarios = {each.name: each for each in train}
    part = [scenarios[name] for name in runner.left[0]]
    runner = replace(runner, left=runner.left[1:])
    if not runner.left and (train[0] in part or _repeats(runner.trials, train[0])):
        part.append(train[0])
    hop = _rung_name(runner.trials, part, train)
    attempt, trial = _timed(session, runner.attempt, hop, part, cells)
    runner = replace(runner, attempt=attempt)
    if trial is None:
        return replace(runner, left=())
    trials = (*runner.trials, trial)
    runner = replace(runner, trials=trials)
    if not runner.left or has_limit(trial):
        done = replace(attempt, trial=completed(trials, list(scenarios)))
        return replace(runner, attempt=done, left=())
    whole = in_one(trials, list(scenarios))
    verdict = judge(whole, references.train, references.scale)
    if runner.spared or not verdict.believed:
        return runner.at_once()
    stopped = by.stops({each.evaluation.scenario: each.score for each in verdict.judged})
    if stopped:
        return replace(runner, attempt=replace(attempt, trial=whole, stopped=stopped), left=())
    return runner


def _repeats(trials: Sequence[Trial], first: Scenario) -> bool:
    """Return whether a scenario was tried well, so that it can be seen whether it repeats."""
    tried = (each for trial in trials for each in trial.evaluations)
    return any(each.scenario == first.name and each.outcome is Outcome.OK for each in tried)


def _rung_name(trials: Sequence[Trial], part: Sequence[Scenario], train: Sequence[Scenario]) -> str:
    tried = sum(len(each.evaluations) for each in trials) + len({each.name for each in part})
    return f"try {min(tried, len(train))}/{len(train)}"


def run_again(
    session: Session,
    attempts: Sequence[Attempt],
    chosen: Sequence[Attempt],
    scenarios: Sequence[Scenario],
) -> list[Attempt]:
    """Try the chosen ones on more scenarios; slots without work take a share of theirs."""
    cells = session.config.slots // max(1, len(chosen))

    def run(attempt: Attempt) -> Attempt:
        attempt, trial = _timed(session, attempt, "confirm", scenarios, cells)
        return replace(attempt, again=trial)

    return _replaced(attempts, side_by_side(run, chosen))


def small_first(scenarios: Sequence[Scenario]) -> tuple[list[Scenario], list[Scenario]]:
    """Return the scenarios that are no larger than their mean, and the others."""
    sizes = [sum(each.size.values()) for each in scenarios]
    parts: tuple[list[Scenario], list[Scenario]] = ([], [])
    for each, size in zip(scenarios, sizes, strict=True):
        parts[size * len(sizes) > sum(sizes)].append(each)
    return parts


def _run_small_first(
    session: Session,
    attempts: Sequence[Attempt],
    chosen: Sequence[Attempt],
    small: Sequence[Scenario],
    large: Sequence[Scenario],
) -> list[Attempt]:
    """Try on large scenarios only what is not worse in any small one, which refuses it already."""
    keys, references = {each.key for each in chosen}, session.references()
    first = run_again(session, attempts, chosen, small)
    left = [e for e in first if e.key in keys and not _is_beaten(session, e, references)]
    names = [each.name for each in (*small, *large)]
    done = []
    for before, after in zip(first, run_again(session, first, left, large), strict=True):
        if after is not before and before.again is not None and after.again is not None:
            after = replace(after, again=in_one([before.again, after.again], names))
        done.append(after)
    return done


def _is_beaten(session: Session, attempt: Attempt, references: References) -> bool:
    """Return whether nothing more can be of use: it is worse than the best in a scenario."""
    again, best = attempt.again, session.ledger.best_before(attempt.key[0])
    if again is None or best is None or has_limit(again):
        return True
    fresh = tuple(each for each in again.evaluations if each.scenario in references.validation)
    verdict = judge(replace(again, evaluations=fresh), references.validation, references.scale)
    theirs = session.ledger.scored((best.iteration, best.slot))
    return any(
        each.score < (theirs[each.evaluation.scenario].score or 0.0) for each in verdict.judged
    )


def to_confirm(
    ledger: Ledger, attempts: Sequence[Attempt], *, each_counts: bool = False
) -> list[Attempt]:
    """Return the attempts that beat the best of the iterations before on train, each once.

    An attempt that behaves like an earlier one is known already, except where that one was barred:
    the two may differ on validation, where it was caught. Where every scenario counts by itself,
    what is as good on train as the best may be better on validation, and what is alike may differ.
    """
    chosen: list[Attempt] = []
    behaviours: set[object] = set()
    for each in attempts:
        train, best = each.train, ledger.best_before(each.key[0])
        if each.trial is None or train is None or not train.believed or best is None:
            continue
        if (train.score or 0.0) < (best.score or 0.0):
            continue
        if each_counts:
            chosen.append(each)
            continue
        if train.score == best.score:
            continue
        known = ledger.same_behaviour(train.evaluations)
        if known is not None and ledger.candidates[known].standing != BARRED:
            continue
        marks = behaviour(train.evaluations)
        if marks not in behaviours:
            chosen.append(each)
        behaviours.add(marks)
    return chosen


def judge_on_train(attempt: Attempt, references: References) -> Attempt:
    """Set the verdict on train: of a trial, or of a reply that holds no policy."""
    if attempt.trial is not None:
        verdict = judge(attempt.trial, references.train, references.scale)
        if attempt.stopped:
            verdict = replace(verdict, score=None, stopped=attempt.stopped)
        return replace(attempt, train=verdict)
    if attempt.proposal is not None and attempt.proposal.source is None:
        problem = attempt.proposal.problem or "the reply holds no policy"
        worst = worst_verdict(Outcome.MALFORMED, problem, references.train, references.scale)
        return replace(attempt, train=worst)
    return attempt


def judge_again(attempt: Attempt, references: References) -> Attempt:
    """Set the verdict on validation; repeats on train must make the same decisions."""
    again, train = attempt.again, attempt.train
    if again is None or train is None:
        return attempt
    fresh = tuple(each for each in again.evaluations if each.scenario in references.validation)
    validation = None
    if fresh:
        part = replace(again, evaluations=fresh)
        validation = judge(part, references.validation, references.scale)
    return replace(attempt, train=_repeated(train, again, references), validation=validation)


def try_in_cells(
    session: Session, attempt: Attempt, hop: str, scenarios: Sequence[Scenario], cells: int = 1
) -> Trial:
    """Return the trial of a source on ``scenarios``, distributed over up to ``cells`` cells.

    Their shares cost about the same, as earlier attempts tell. A cell's share is retried when the
    failure is not the policy's.
    """
    source = attempt.source
    assert source is not None, "only what has a source is tried"
    iteration, slot = attempt.key
    name = attempt.title if attempt.is_baseline else spoken(candidate_id(source))
    session.watch(Working(iteration=iteration, slot=slot, hop=hop, title=name))
    label = f"{format_key(attempt.key)} {hop.removeprefix('try')}".replace("  ", " ").strip()
    count = min(cells, len(scenarios) // FEWEST_PER_CELL)
    parts = [list(scenarios)]
    if count > 1:
        costs = session.ledger.calls_before(iteration, [each.name for each in scenarios])
        parts = [[e for e in scenarios if e.name in names] for names in shares(costs, count)]

    def run(number: int) -> Trial:
        name = label if len(parts) == 1 else f"{label} {number + 1}/{len(parts)}"
        sandbox, part = session.services.sandbox, session.payloads(parts[number])
        return session.around("try", name, lambda: sandbox.try_policy(source, part))

    tried = side_by_side(run, range(len(parts)))
    return rejoined(tried, [each.name for each in scenarios])


def _try_elite(session: Session, attempt: Attempt) -> Attempt:
    assert attempt.train is not None, "what is promoted was judged"
    train, slots = session.services.scenarios.train, session.config.slots
    attempt, trial = _timed(session, attempt, "elite", train, slots)
    if trial is None or attempt.train is None:
        return attempt
    verdict = _repeated(attempt.train, trial, session.references())
    ruling = rule_alone(verdict)
    if ruling.standing:
        return replace(attempt, elite=trial, train=verdict, ruling=ruling)
    return replace(attempt, elite=trial)


def _try_audit(session: Session, attempt: Attempt) -> Attempt:
    train, config = session.services.scenarios.train, session.config
    scenarios = audited(train[: config.guards.audit_scenarios], config.domain)
    if not scenarios:
        return attempt
    try:
        return replace(attempt, audit=try_in_cells(session, attempt, "audit", scenarios))
    except CellFailed as error:
        session.event("warning", f"the audit could not be made: {error}", key=attempt.key)
        return attempt


def _repeated(train: Verdict, trial: Trial, references: References) -> Verdict:
    repeats = [each for each in trial.evaluations if each.scenario in references.train]
    return judge_repeats(train, repeats, references.train, references.scale)


def _timed(
    session: Session, attempt: Attempt, hop: str, scenarios: Sequence[Scenario], cells: int = 1
) -> tuple[Attempt, Trial | None]:
    """Return the attempt with its time, and the trial; without one the attempt is lost."""
    began = session.seconds()
    try:
        trial = try_in_cells(session, attempt, hop, scenarios, cells)
    except CellFailed as error:
        return replace(attempt, lost=f"the cell failed: {error}"), None
    return replace(attempt, seconds=attempt.seconds + session.seconds() - began), trial


def _replaced(attempts: Sequence[Attempt], changed: Sequence[Attempt]) -> list[Attempt]:
    """Return all attempts in order, with the changed ones replaced."""
    by_key = {each.key: each for each in changed}
    return [by_key.get(each.key, each) for each in attempts]
