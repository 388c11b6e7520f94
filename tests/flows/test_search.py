"""The loop: what is tried, recorded, recognised and promoted, with fakes all around it."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, TypeVar

import pytest

from flows.attempt import Proposal, ProposalRequest
from flows.history.records import CandidateRow, EvaluationRow, EventRow, ExperimentRow, ScenarioRow
from flows.judging import guards
from flows.search import trying
from flows.search.loop import run_search
from flows.search.progress import Happening, Settled
from tests.support.search_fakes import (
    SPLITS,
    FakeClock,
    FakeJournal,
    FakeProposer,
    FakeSandbox,
    better_each_time,
    config,
    proposal,
    services,
)

T = TypeVar("T")


def rows_of(journal: FakeJournal, kind: type[T]) -> list[T]:
    return [row for row in journal.rows if isinstance(row, kind)]


def keys(rows: Sequence[CandidateRow]) -> list[tuple[int, int]]:
    return [(row.iteration, row.slot) for row in rows]


def test_baselines_come_first_and_then_every_candidate_of_the_budget() -> None:
    journal = FakeJournal()
    proposer = FakeProposer(better_each_time)

    result = run_search(config(), services(proposer, journal=journal))

    assert keys(result.candidates) == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]
    assert (result.status, result.spend.candidates) == ("finished", 4)
    assert result.best is not None and keys([result.best]) == [(4, 0)]
    assert [row.status for row in rows_of(journal, ExperimentRow)] == ["running", "finished"]


@pytest.mark.parametrize(("tested", "tries"), [(True, 19), (False, 14)])
def test_no_cell_is_started_ahead_once_the_last_trials_begin(tested: bool, tries: int) -> None:
    class Counting(FakeSandbox):
        def last_trials(self) -> None:
            told.append(len(self.trials))

    told: list[int] = []
    search = services(FakeProposer(better_each_time), sandbox=Counting())

    run_search(config(budget__candidates=4, guards__test=tested), search)

    assert told == [tries]


def test_every_row_of_an_attempt_is_recorded_with_its_repeat() -> None:
    journal = FakeJournal()

    run_search(
        config(budget__candidates=1), services(FakeProposer(better_each_time), journal=journal)
    )

    tried = [row for row in rows_of(journal, EvaluationRow) if row.iteration == 1]
    once = pytest.approx(50 / 49)
    assert [(row.scenario, row.attempt, row.purpose, row.score) for row in tried] == [
        ("one", 0, "score", once),
        ("two", 0, "score", once),
        ("one", 1, "repeat", None),
        ("v1", 0, "score", once),
        ("v2", 0, "score", once),
        ("one", 2, "repeat", None),
        ("one", 3, "elite", None),
        ("two", 1, "elite", None),
        ("one", 4, "audit", None),
        ("two", 2, "audit", None),
        ("t1", 0, "score", once),
        ("t2", 0, "score", once),
    ]
    known = [(row.scenario, row.split) for row in rows_of(journal, ScenarioRow)]
    assert known == [(each.name, each.split) for each in SPLITS.every]


def test_a_proposal_sees_earlier_iterations_only() -> None:
    proposer = FakeProposer(better_each_time)

    run_search(config(slots=2), services(proposer))

    seen = {
        (request.iteration, request.slot): [(a.iteration, a.slot) for a in request.attempts]
        for request in proposer.requests
    }
    assert seen[(1, 1)] == [(0, 0)]
    assert seen[(2, 0)] == seen[(2, 1)] == [(0, 0), (1, 0), (1, 1)]


def test_slots_side_by_side_give_the_rows_of_one_after_another_in_order() -> None:
    result = run_search(
        config(slots=3, budget__candidates=5), services(FakeProposer(better_each_time))
    )

    assert keys(result.candidates) == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1)]


def test_a_failed_policy_is_recorded_scored_worst_and_never_the_best() -> None:
    journal = FakeJournal()
    fails = FakeProposer(lambda _: proposal("fails = True"))

    result = run_search(config(budget__candidates=1), services(fails, journal=journal))

    row = result.candidates[-1]
    assert (row.outcome, row.problem, row.problem_line) == ("policy_error", "ValueError: no", 1)
    assert row.score == pytest.approx(0.5)
    assert result.best is not None and result.best.title == "naive"


def test_a_reply_without_a_policy_is_malformed_and_not_the_end() -> None:
    answers = iter([proposal(None, problem="prose only"), proposal("latency = 10")])

    result = run_search(
        config(budget__candidates=2), services(FakeProposer(lambda _: next(answers)))
    )

    malformed, good = result.candidates[1:]
    assert (malformed.outcome, malformed.candidate, malformed.problem) == (
        "malformed",
        None,
        "prose only",
    )
    assert good.improved


def test_the_same_source_again_is_not_tried_again() -> None:
    answers = iter(["latency = 10", "latency = 10  # again", "latency =  (10)", "latency = 9"])
    sandbox = FakeSandbox()
    proposer = FakeProposer(lambda _: proposal(next(answers)))

    result = run_search(config(), services(proposer, sandbox=sandbox))

    assert [row.duplicate_of for row in result.candidates[1:]] == [None, "1/0", "1/0", None]
    assert [row.score for row in result.candidates[2:4]] == [result.candidates[1].score] * 2
    assert not result.candidates[2].improved
    assert len(sandbox.tried_on("v1")) == len(set(sandbox.tried_on("one"))) == 3


def test_the_same_source_in_one_iteration_is_tried_once() -> None:
    sandbox = FakeSandbox()
    proposer = FakeProposer(lambda _: proposal("latency = 10"))

    result = run_search(config(slots=2, budget__candidates=2), services(proposer, sandbox=sandbox))

    assert [row.duplicate_of for row in result.candidates[1:]] == [None, "1/0"]
    assert len(sandbox.tried_on("v1")) == 2


def test_the_same_behaviour_of_another_source_is_recognised() -> None:
    answers = iter(["latency = 10", "other = 1; latency = 10"])
    proposer = FakeProposer(lambda _: proposal(next(answers)))

    result = run_search(config(budget__candidates=2), services(proposer))

    assert result.candidates[2].duplicate_of == "1/0"
    assert result.candidates[2].score == result.candidates[1].score


def test_a_restless_policy_is_nondeterministic_and_never_the_best() -> None:
    proposer = FakeProposer(lambda _: proposal("restless = 1; latency = 10"))

    result = run_search(config(budget__candidates=1), services(proposer))

    assert result.candidates[1].outcome == "nondeterministic"
    assert result.best is not None and result.best.title == "naive"


def test_the_watcher_sees_each_attempt_when_it_is_safe() -> None:
    journal = FakeJournal()
    seen: list[tuple[int, int]] = []

    def watch(happening: Happening) -> None:
        if isinstance(happening, Settled):
            assert happening.row in journal.rows
            seen.append((happening.row.iteration, happening.row.slot))

    run_search(config(), services(FakeProposer(better_each_time), journal=journal), watch)

    assert seen == [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]


def test_a_new_best_is_an_event() -> None:
    journal = FakeJournal()

    run_search(
        config(budget__candidates=2), services(FakeProposer(better_each_time), journal=journal)
    )

    kinds = [(row.kind, row.sequence) for row in rows_of(journal, EventRow)]
    bests = ["new_best", *["new_best", "audit"] * 2]
    assert [kind for kind, _ in kinds] == ["started", *bests, "test", "finished"]
    assert [number for _, number in kinds] == list(range(8))


def test_time_ends_a_search_and_the_status_says_so() -> None:
    clock = FakeClock(step=5.0)
    proposer = FakeProposer(better_each_time)

    result = run_search(
        config(budget__minutes=2, budget__candidates=1000), services(proposer, clock=clock)
    )

    assert result.status == "budget_exhausted"
    assert "of 2 minutes" in result.status_detail
    assert 0 < result.spend.candidates < 10


def test_what_is_decided_of_an_attempt_is_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def count(module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def counted(*args: Any, **more: Any) -> Any:
            calls.append(name)
            return real(*args, **more)

        monkeypatch.setattr(module, name, counted)

    def answer(request: ProposalRequest) -> Proposal:
        calls.clear()  # the baselines are tried
        return better_each_time(request)

    count(trying, "judge")
    count(guards, "paired_interval")
    count(guards, "unpaired_interval")
    result = run_search(config(budget__candidates=1), services(FakeProposer(answer)))

    assert result.best is not None and result.best.iteration == 1
    assert calls == ["judge", "judge", "unpaired_interval", "paired_interval"]
