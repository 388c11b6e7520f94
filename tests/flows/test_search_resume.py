"""Going on after an interruption: at the first missing attempt, with the same result."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from flows.attempt import Proposal, ProposalRequest, ProposerUnavailable
from flows.errors import ConfigError
from flows.experiment import ended
from flows.history.records import CandidateRow, EvaluationRow, EventRow, ExperimentRow, Row
from flows.judging.splits import Splits
from flows.search.ledger import Ledger
from flows.search.loop import run_search
from flows.settings.search import SearchConfig
from tests.support.search_fakes import (
    SPLITS,
    FakeClock,
    FakeJournal,
    FakeProposer,
    better_each_time,
    config,
    proposal,
    scenario,
    services,
)


def answer(request: ProposalRequest) -> Proposal:
    """Depend on everything that a proposal may depend on."""
    seen = len(request.attempts)
    best = request.best.iteration if request.best is not None else -1
    if request.iteration == 3:
        return proposal("latency = 40")
    if request.slot == 1 and request.iteration == 2:
        return proposal("latency = 42 v1 = 60 v2 = 60")  # worse than the best on validation
    if request.slot == 1 and request.iteration == 1:
        return proposal("latency = 20 v1 = 49 v2 = 49")  # far better on train only
    return proposal(f"latency = {45 - request.iteration - request.slot / 4}  # {seen} {best}")


def answer_racing(request: ProposalRequest) -> Proposal:
    """Propose good ones in the first slot and hopeless ones in the second."""
    better = f"latency = {45 - request.iteration}"
    return proposal(better if request.slot == 0 else f"latency = {90 + request.iteration}")


OF_ONE_RUN = ("started", "resumed")
FEW = Splits(train=SPLITS.train, validation=SPLITS.validation[:1], test=SPLITS.test[:1])
"""So few scenarios that warnings are recorded at the beginning."""


def essence(rows: list[Row]) -> list[Any]:
    """Return what an undisturbed run and a resumed one must agree on, each key and event once."""
    kept: dict[Any, Any] = {}
    for row in rows:
        if isinstance(row, CandidateRow):
            kept["c", row.iteration, row.slot] = replace(row, created_at="", seconds=0)
        elif isinstance(row, EvaluationRow):
            key = ("e", row.iteration, row.slot, row.scenario, row.attempt)
            kept[key] = replace(row, created_at="")
        elif isinstance(row, EventRow):
            kept["v", row.sequence] = replace(row, sequence=0, created_at="")
        elif isinstance(row, ExperimentRow):
            kept["x"] = (row.status, row.status_detail)
    here = (*OF_ONE_RUN, "interrupted")
    return sorted((row for row in kept.values() if getattr(row, "kind", "") not in here), key=str)


def run(splits: Splits, candidates: int, earlier: list[Row]) -> list[Row]:
    """Return what one run adds to the journal; one that finds the end only completes it."""
    settings = settings_of(splits, candidates)
    ledger = Ledger(earlier)
    if ended(ledger.experiment, ledger.tried(), settings):
        assert ledger.experiment is not None
        return [ledger.experiment]
    journal = FakeJournal()
    changes = {"scenarios": splits, "journal": journal, "earlier": tuple(earlier)}
    proposer = FakeProposer(answer_racing if settings.racing.enabled else answer)
    assert run_search(settings, services(proposer, **changes)).status == "finished"
    return journal.rows


def undisturbed(splits: Splits, budgets: Sequence[int]) -> tuple[list[Row], list[int]]:
    """Return all rows of runs with these budgets, and how many there are after each."""
    rows: list[Row] = []
    ends = []
    for candidates in budgets:
        rows += run(splits, candidates, rows)
        ends.append(len(rows))
    return rows, ends


MANY = replace(SPLITS, train=tuple(scenario(name) for name in ("one", "two", "three", "four")))
"""So many train scenarios that candidates are raced, and one is stopped."""
SEARCHES = {
    "plain": (SPLITS, [7]),
    "raised": (SPLITS, [3, 7]),
    "few": (FEW, [5]),
    "raced": (MANY, [9]),
}


def settings_of(splits: Splits, candidates: int) -> SearchConfig:
    raced = {"racing__enabled": True, "racing__confidence": 0.75} if splits is MANY else {}
    return config(slots=2, budget__candidates=candidates, **raced)


@cache
def whole_search(name: str) -> tuple[list[Row], list[int]]:
    """Return the rows of one of the searches, undisturbed, and how many each of its runs has."""
    return undisturbed(*SEARCHES[name])


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", SEARCHES)
def test_killed_after_any_row_a_second_run_gives_the_same_history(name: str, step: int) -> None:
    (whole, ends), (splits, budgets) = whole_search(name), SEARCHES[name]
    standings = {row.standing for row in whole if isinstance(row, CandidateRow)}
    assert ("stopped" in standings) == (name == "raced")

    differing = []
    for kept in range(1, len(whole) + 1, step):
        rows = whole[:kept]
        for candidates, end in zip(budgets, ends, strict=True):
            if kept <= end:
                rows += run(splits, candidates, rows)
        if essence(rows) != essence(whole):
            differing.append(kept)

    assert not differing, f"{len(differing)} of {len(whole)} cuts give another history"


class InterruptedJournal(FakeJournal):
    """Meets Ctrl-C while it waits for the disk; what it was given is there all the same."""

    def __init__(self, kept: int) -> None:
        super().__init__()
        self._kept = kept

    def append_all(self, rows: Sequence[Row]) -> None:
        before = len(self.rows)
        super().append_all(rows)
        if before < self._kept <= len(self.rows):
            raise KeyboardInterrupt


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.nightly)])
def test_ctrl_c_while_a_row_is_written_costs_no_other_row(every: int) -> None:
    (whole, _), (splits, [candidates]) = whole_search("plain"), SEARCHES["plain"]
    settings = settings_of(splits, candidates)

    differing = []
    for kept in range(1, len(whole) + 1, every):
        journal = InterruptedJournal(kept)
        with pytest.raises(KeyboardInterrupt):
            run_search(settings, services(FakeProposer(answer), scenarios=splits, journal=journal))
        rows = [*journal.rows, *run(splits, candidates, journal.rows)]
        if essence(rows) != essence(whole):
            differing.append(kept)

    assert not differing, f"{len(differing)} of {len(whole)} interruptions give another history"


def test_the_histories_that_are_cut_hold_every_kind_of_event() -> None:
    kinds = {
        row.kind for name in SEARCHES for row in whole_search(name)[0] if isinstance(row, EventRow)
    }

    assert kinds == {
        *OF_ONE_RUN,
        "new_best",
        "refused",
        "audit",
        "gap_alarm",
        "warning",
        "test",
        "finished",
    }


def test_a_search_that_is_cut_stops_candidates() -> None:
    rows = [row for row in whole_search("raced")[0] if isinstance(row, CandidateRow)]

    assert "stopped" in [row.standing for row in rows]


def test_an_interruption_is_recorded_and_the_rest_is_done_next_time() -> None:
    calls = iter(range(100))

    def impatient(request: ProposalRequest) -> Proposal:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return better_each_time(request)

    journal = FakeJournal()
    with pytest.raises(KeyboardInterrupt):
        run_search(config(), services(FakeProposer(impatient), journal=journal))
    statuses = [row.status for row in journal.rows if isinstance(row, ExperimentRow)]
    assert statuses == ["running", "interrupted"]

    again = services(FakeProposer(better_each_time), earlier=tuple(journal.rows))
    assert run_search(config(), again).spend.candidates == 4


def test_attempts_lost_at_the_end_are_made_by_the_next_run() -> None:
    def away(request: ProposalRequest) -> Proposal:
        if request.iteration > 2:
            raise ProposerUnavailable("gone")
        return better_each_time(request)

    journal = FakeJournal()
    first = run_search(config(), services(FakeProposer(away), journal=journal))
    again = services(FakeProposer(better_each_time), earlier=tuple(journal.rows))
    second = run_search(config(), again)

    assert (first.status, first.lost) == ("finished_with_losses", 5)
    assert [row.iteration for row in second.candidates] == [0, 1, 2, 3, 4]
    assert second.lost == 3


def test_a_changed_suite_is_refused() -> None:
    journal = FakeJournal()
    run_search(config(), services(FakeProposer(better_each_time), journal=journal))
    changed = replace(SPLITS, train=(scenario("one"), replace(scenario("two"), sha256="0" * 64)))

    with pytest.raises(ConfigError, match=r"has changed since .* \(two\)"):
        run_search(
            config(budget__candidates=9),
            services(
                FakeProposer(better_each_time), scenarios=changed, earlier=tuple(journal.rows)
            ),
        )


def test_time_of_earlier_runs_counts() -> None:
    journal, clock = FakeJournal(), FakeClock(step=20.0)
    settings = {"budget__minutes": 2, "budget__candidates": 1000}
    run_search(
        config(**settings), services(FakeProposer(better_each_time), journal=journal, clock=clock)
    )

    again = services(FakeProposer(better_each_time), earlier=tuple(journal.rows))
    result = run_search(config(**settings), again)

    assert result.status == "budget_exhausted"
    assert len(result.candidates) == sum(isinstance(row, CandidateRow) for row in journal.rows)


def test_an_ended_experiment_is_known_unless_its_budget_was_raised() -> None:
    journal = FakeJournal()
    run_search(config(), services(FakeProposer(better_each_time), journal=journal))
    ledger = Ledger(journal.rows)

    assert ended(ledger.experiment, ledger.tried(), config())
    assert not ended(ledger.experiment, ledger.tried(), config(budget__candidates=9))
    assert not ended(None, 0, config())


def test_an_experiment_is_not_continued_with_another_content_of_its_domain() -> None:
    journal = FakeJournal()
    run_search(config(), services(FakeProposer(better_each_time), journal=journal))
    other = [
        replace(row, domain_sha256="0" * 64) if isinstance(row, ExperimentRow) else row
        for row in journal.rows
    ]
    again = FakeJournal()

    with pytest.raises(ConfigError, match=r"domain pipelines has changed since search-\w+ began"):
        run_search(
            config(budget__candidates=9),
            services(FakeProposer(better_each_time), journal=again, earlier=tuple(other)),
        )

    assert again.rows == []


def test_every_row_of_a_result_names_the_domain_that_was_simulated() -> None:
    journal, domain = FakeJournal(), config().domain
    run_search(config(), services(FakeProposer(better_each_time), journal=journal))

    named = {
        (row.domain, row.domain_version, row.domain_sha256)
        for row in journal.rows
        if isinstance(row, ExperimentRow | EvaluationRow)
    }

    assert named == {(domain.name, domain.spec.version, domain.sha256)}
