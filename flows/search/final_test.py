"""The end of a search: the best and the baselines on the test scenarios, once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.attempt import Attempt, Proposal
from flows.history.records import CandidateRow, EvaluationRow, key_of
from flows.judging.guards import seed_for
from flows.judging.intervals import paired_interval
from flows.judging.leaderboard import stays, verdict_on_test
from flows.judging.scoring import geometric_mean, judge
from flows.judging.splits import TEST, FinalTest
from flows.search.ledger import Ledger
from flows.search.recording import record_references
from flows.search.rows import evaluation_rows, scored_tries
from flows.search.session import Session
from flows.search.trying import try_in_cells
from flows.settings.sections import GuardConfig
from flows.trials import side_by_side
from sandbox.outcome import Outcome, Trial

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
            session.config.guards,
            seed_for(session.config.seed, SEED_KEY),
        )
        session.event("test", message, detail | {"touched": len(uses) + 1}, key_of(best))
    _warn(session, test)


def conclusion(
    test: FinalTest, best: Tested, baselines: Sequence[Tested], guards: GuardConfig, seed: int
) -> tuple[str, dict[str, Any]]:
    """Return the verdict in words and figures, against the best baseline on the test."""
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
        best_there = f"the best on {test.words} is {bar.row.title}, score {bar.score:.3f}"
        return f"{stays(best.row.title)}; {best_there}", detail
    own, other = best.scored, bar.scored
    interval = paired_interval(
        [(own[name].score or 1.0) / (other[name].score or 1.0) for name in other],
        level=guards.confidence,
        resamples=guards.resamples,
        seed=seed,
    )
    low, mean, high = interval.percent
    detail |= {
        "level": interval.level,
        "gain_low_percent": low if interval.scenarios > 1 else None,
        "gain_percent": mean,
        "gain_high_percent": high if math.isfinite(high) else None,
    }
    message = verdict_on_test(best.row, best.score, bar.row.title, bar.score, interval, test.words)
    failed = [each for each in best.scored.values() if each.outcome != Outcome.OK]
    if failed:
        message += (
            f"; it failed on {len(failed)} of {len(best.scored)} test scenarios "
            f"({failed[0].outcome})"
        )
    return message, detail


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
    verdict = judge(trial, session.ledger.references(TEST), session.config.objective)
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
