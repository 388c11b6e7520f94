"""Going on after an interruption: at the first missing attempt, with the same result."""

from dataclasses import replace
from typing import Any

import pytest

from flows.errors import ConfigError
from flows.history.records import CandidateRow, EvaluationRow, EventRow, ExperimentRow, Row
from flows.loop.ledger import Ledger
from flows.loop.proposing import Proposal, ProposalRequest, ProposerUnavailable
from flows.loop.session import ended
from flows.search import run_search
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
    return proposal(f"latency = {45 - request.iteration - request.slot / 4}  # {seen} {best}")


def essence(rows: list[Row]) -> list[Any]:
    """Return what an undisturbed run and a resumed one must agree on, each key once."""
    kept: dict[Any, Any] = {}
    for row in rows:
        if isinstance(row, CandidateRow):
            kept["c", row.iteration, row.slot] = replace(row, created_at="", seconds=0)
        elif isinstance(row, EvaluationRow):
            key = ("e", row.iteration, row.slot, row.scenario, row.attempt)
            kept[key] = replace(row, created_at="")
        elif isinstance(row, EventRow) and row.kind == "test":
            kept["t", row.message] = row.detail
    return sorted(kept.items(), key=lambda item: str(item[0]))


def undisturbed() -> FakeJournal:
    journal = FakeJournal()
    run_search(
        config(slots=2, budget__candidates=7), services(FakeProposer(answer), journal=journal)
    )
    return journal


@pytest.mark.parametrize("kept", range(1, 93))
def test_killed_after_any_row_a_second_run_gives_the_same_history(kept: int) -> None:
    whole = undisturbed()
    first = whole.rows[:kept]
    journal = FakeJournal()
    second = services(FakeProposer(answer), journal=journal, earlier=tuple(first))

    result = run_search(config(slots=2, budget__candidates=7), second)

    assert result.status == "finished"
    assert essence([*first, *journal.rows]) == essence(whole.rows)


def test_the_parameter_range_above_covers_the_whole_journal() -> None:
    assert len(undisturbed().rows) == 92


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


def test_attempts_lost_at_the_end_are_made_up_for() -> None:
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
