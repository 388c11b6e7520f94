"""A budget of evaluations: reserved before a candidate is begun, and never exceeded."""

from collections import Counter
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

from flows.attempt import Proposal, ProposalRequest
from flows.history.records import CandidateRow, EvaluationRow, ExperimentRow, Row
from flows.judging.splits import Splits
from flows.search.budget import most_tries
from flows.search.loop import run_search
from flows.search.progress import Happening, Notice, SearchResult
from tests.support.search_fakes import (
    SPLITS,
    FakeJournal,
    FakeProposer,
    FakeSandbox,
    better_each_time,
    config,
    proposal,
    services,
)

MOST = 10
"""Tries of a promoted candidate: 2 and 1 on train, 2 and 1 to confirm, 2 as an elite, 2 audits."""


def worse_each_time(request: ProposalRequest) -> Proposal:
    """Propose what is never confirmed and takes three tries."""
    return proposal(f"latency = {60 + request.iteration * 10 + request.slot}")


def now_and_then_better(request: ProposalRequest) -> Proposal:
    """Propose in turn what is better, what fails at once and what is worse."""
    if request.slot % 2:
        return worse_each_time(request)
    return better_each_time(request) if request.iteration % 3 else proposal("fails")


ANSWERS = (better_each_time, worse_each_time, now_and_then_better)


class Ran:
    """What a search on fakes did and recorded."""

    def __init__(self, answer: Any, earlier: Sequence[Row] = (), **settings: Any) -> None:
        journal, self.sandbox, self.said = FakeJournal(), FakeSandbox(), list[str]()
        chosen = config(guards__resamples=1000, budget__candidates=9, **settings)
        around: dict[str, Any] = {"journal": journal, "sandbox": self.sandbox}
        self.result: SearchResult = run_search(
            chosen, services(FakeProposer(answer), earlier=tuple(earlier), **around), self._watch
        )
        self.rows = [*earlier, *journal.rows]

    @property
    def tries(self) -> Counter[tuple[int, int]]:
        """Return the recorded tries of each candidate, those on test left out."""
        tried = {
            (row.iteration, row.slot, row.scenario, row.attempt)
            for row in self.rows
            if isinstance(row, EvaluationRow) and row.iteration > 0 and row.split != "test"
        }
        return Counter((iteration, slot) for iteration, slot, _, _ in tried)

    @property
    def candidates(self) -> dict[tuple[int, int], tuple[str | None, str]]:
        return {
            (row.iteration, row.slot): (row.source, row.standing)
            for row in self.rows
            if isinstance(row, CandidateRow)
        }

    @property
    def end(self) -> tuple[str, str | None]:
        last = [row for row in self.rows if isinstance(row, ExperimentRow)][-1]
        return last.status, last.status_detail

    def _watch(self, happening: Happening) -> None:
        self.said += [happening.message] if isinstance(happening, Notice) else []


def test_candidates_never_take_more_tries_than_the_budget() -> None:
    strategies = ("refine", "best_of_n", "evolve")
    for answer, strategy, slots, bound in product(ANSWERS, strategies, (1, 4), (9, 10, 23, 41)):
        ran = Ran(answer, budget__evaluations=bound, strategy=strategy, slots=slots)

        in_cells = sum(
            len(names) - ("t1" in names) * 2
            for source, names in ran.sandbox.trials
            if "latency =" in source or source == "fails"
        )
        assert sum(ran.tries.values()) == in_cells == ran.result.spend.evaluations <= bound
        assert bool(ran.tries) == (bound >= MOST)


def test_what_candidates_did_not_take_is_used_by_others() -> None:
    ran = Ran(worse_each_time, budget__evaluations=30, slots=4)

    assert Counter(iteration for iteration, _ in ran.tries) == {1: 3, 2: 2, 3: 1, 4: 1}
    assert ran.end == (
        "budget_exhausted",
        "21 of 30 evaluations are used and another candidate may take 10",
    )


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.nightly)])
def test_killed_after_any_row_it_ends_with_the_same_candidates(step: int) -> None:
    for answer, slots in product(ANSWERS, (1, 4)):
        settings: dict[str, Any] = {"budget__evaluations": 33, "slots": slots}
        whole = Ran(answer, **settings)
        begun = next(n for n, row in enumerate(whole.rows) if getattr(row, "iteration", 0))

        for kept in range(begun, len(whole.rows) - 1, step):
            again = Ran(answer, whole.rows[:kept], **settings)

            assert (again.candidates, again.tries) == (whole.candidates, whole.tries)
            assert again.end == whole.end
            assert again.result.spend.evaluations == whole.result.spend.evaluations


def test_a_budget_that_became_smaller_holds_for_what_is_left() -> None:
    whole = Ran(better_each_time, budget__evaluations=60, slots=4)
    first = next(n for n, row in enumerate(whole.rows, 1) if _place(row) == (1, 0))

    again = Ran(better_each_time, whole.rows[:first], budget__evaluations=25, slots=4)

    assert sorted(again.tries) == [(1, 0), (1, 1)]


def test_the_most_that_a_candidate_takes_is_what_a_promoted_one_takes() -> None:
    bare = Splits(train=SPLITS.train)
    chosen = config()

    assert most_tries(chosen, SPLITS) == max(Ran(better_each_time).tries.values()) == MOST
    assert most_tries(chosen, bare) == 3 + 2 + 2
    assert most_tries(config(guards__audit_scenarios=0), SPLITS) == MOST - 2


def test_what_a_budget_of_evaluations_allows_is_said_before_the_search() -> None:
    enough = Ran(worse_each_time, budget__evaluations=30).said
    little = Ran(worse_each_time, budget__evaluations=9)

    assert enough[-1] == (
        "30 evaluations allow at least 3 candidates: up to 10 are reserved for each before it "
        "starts"
    )
    assert little.said[-1] == (
        "warning: no candidate can be tried with 9 evaluations: give at least 10 as "
        "budget.evaluations or --evaluations"
    )
    assert little.end[0] == "budget_exhausted" and not little.tries


def _place(row: Row) -> tuple[int, int] | None:
    return (row.iteration, row.slot) if isinstance(row, CandidateRow) else None
