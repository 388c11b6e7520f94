"""The end of a search: the best and the baselines on the test scenarios, once."""

import math
from collections.abc import Sequence
from functools import partial

from flows.attempt import Draft, Proposal
from flows.history.records import CandidateRow, EvaluationRow, Key, key_of
from flows.judging.guards import seed_for
from flows.judging.intervals import Interval, paired_interval
from flows.judging.leaderboard import stays, verdict_on_test
from flows.judging.scoring import geometric_mean, judge
from flows.judging.splits import TEST, FinalTest
from flows.search.recording import record_references
from flows.search.rows import evaluation_rows, scored_tries
from flows.search.session import Session
from flows.search.trying import try_in_cells
from flows.threads import side_by_side
from sandbox.outcome import Outcome, Trial

SEED_KEY = (-1, 0)
"""No attempt has it: the seed of the interval on test."""


def touch_test(session: Session) -> None:
    """Try the best and all baselines on test, unless this very best was tried there before."""
    best, guards = session.ledger.best, session.config.guards
    test = session.services.scenarios.final_test() if guards.test else FinalTest(scenarios=())
    if not test.scenarios or best is None:
        return
    session.refuse_other_test(test.scenarios)
    tests = session.ledger.tested(test.seed)
    if not tests or tests[-1].detail.get("candidate") != best.candidate:
        _touch(session, test, best)
    touched, seeds = len(session.ledger.tested(test.seed)), _seeds(session)
    if touched > 1:
        session.event_once(
            "warning",
            f"{test.words} were used {touched} times by this experiment, each time with another "
            "best: their figures are no longer independent of the search",
            {"touched": touched},
        )
    if len(seeds) > 1:
        session.event_once(
            "warning",
            f"this experiment was tested on {len(seeds)} sets of test scenarios: quote the "
            "verdicts of all of them, not of the most favourable",
            {"seeds": seeds},
        )


def _seeds(session: Session) -> list[int | None]:
    """Return the seeds of all tests so far, None for the suite's own."""
    return list(dict.fromkeys(row.detail.get("seed") for row in session.ledger.tests))


def _touch(session: Session, test: FinalTest, best: CandidateRow) -> None:
    wanted = [row for row in session.ledger.baselines() if row.outcome == Outcome.OK]
    wanted += [best] if best.iteration > 0 else []
    _try_all(session, test, [row for row in wanted if not _on_test(session, test, key_of(row))])
    _conclude(session, test, best, [row for row in wanted if row.iteration == 0])


def _try_all(session: Session, test: FinalTest, rows: Sequence[CandidateRow]) -> None:
    """Try policies on test, naive before all others: they are measured against its figures."""
    left = list(rows)
    if left and key_of(left[0]) == (0, 0):
        trial = _trial(session, test, left[0])
        record_references(session, [trial], test.scenarios, None)
        _record(session, left.pop(0), trial)
    width = session.config.slots
    for start in range(0, len(left), width):
        chunk = left[start : start + width]
        trials = side_by_side([partial(_trial, session, test, row) for row in chunk])
        for row, trial in zip(chunk, trials, strict=True):
            _record(session, row, trial)


def _trial(session: Session, test: FinalTest, row: CandidateRow) -> Trial:
    proposal = Proposal(
        source=row.source, title=row.title, origin=row.origin, operator=row.operator
    )
    draft = Draft(key=key_of(row), proposal=proposal)
    return try_in_cells(session, draft, TEST, test.scenarios)


def _record(session: Session, row: CandidateRow, trial: Trial) -> None:
    verdict = judge(trial, session.ledger.references(TEST), session.config.objective)
    tries = scored_tries(trial, verdict, TEST)
    session.record(evaluation_rows(key_of(row), tries, session.provenance, session.now()))


def _conclude(
    session: Session, test: FinalTest, best: CandidateRow, baselines: Sequence[CandidateRow]
) -> None:
    """Record what the test scenarios say, the best baseline there being the one to beat."""
    bar = max(baselines, key=lambda row: _score(session, test, key_of(row)))
    score, bar_score = _score(session, test, key_of(best)), _score(session, test, key_of(bar))
    detail = {
        "candidate": best.candidate,
        "title": best.title,
        "score": score,
        "baseline": bar.title,
        "baseline_candidate": bar.candidate,
        "baseline_score": bar_score,
        "scenarios": len(test.scenarios),
        "touched": len(session.ledger.tested(test.seed)) + 1,
    }
    if test.seed is not None:
        detail |= {"seed": test.seed}
    if best.iteration == 0:
        message = (
            f"{stays(best.title)}; on {test.words} the best is {bar.title}, score {bar_score:.3f}"
        )
    else:
        interval = _interval(session, test, best, bar)
        message = verdict_on_test(best, score, bar.title, bar_score, interval, test.words)
        message += _failures(session, test, best)
        low, mean, high = interval.percent
        detail |= {
            "level": interval.level,
            "gain_low_percent": low if interval.scenarios > 1 else None,
            "gain_percent": mean,
            "gain_high_percent": high if math.isfinite(high) else None,
        }
    session.event("test", message, detail, key_of(best))


def _interval(session: Session, test: FinalTest, best: CandidateRow, bar: CandidateRow) -> Interval:
    own, other = _rows(session, test, key_of(best)), _rows(session, test, key_of(bar))
    guards = session.config.guards
    return paired_interval(
        [(own[name].score or 1.0) / (other[name].score or 1.0) for name in other],
        level=guards.confidence,
        resamples=guards.resamples,
        seed=seed_for(session.config.seed, SEED_KEY),
    )


def _failures(session: Session, test: FinalTest, best: CandidateRow) -> str:
    rows = _rows(session, test, key_of(best)).values()
    failed = [row for row in rows if row.outcome != Outcome.OK]
    if not failed:
        return ""
    return f"; it failed on {len(failed)} of {len(rows)} test scenarios ({failed[0].outcome})"


def _rows(session: Session, test: FinalTest, key: Key) -> dict[str, EvaluationRow]:
    names = {each.name for each in test.scenarios}
    return {name: row for name, row in session.ledger.scored(key).items() if name in names}


def _score(session: Session, test: FinalTest, key: Key) -> float:
    return geometric_mean([row.score or 1.0 for row in _rows(session, test, key).values()])


def _on_test(session: Session, test: FinalTest, key: Key) -> bool:
    return len(_rows(session, test, key)) == len(test.scenarios)
