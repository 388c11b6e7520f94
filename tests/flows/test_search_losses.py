"""Failures of ours in the loop: begun again, recorded as losses, never as a policy's failure."""

import pytest

from flows.attempt import Proposal, ProposalRequest, ProposerRefused, ProposerUnavailable
from flows.history.records import EventRow, ExperimentRow
from flows.search.loop import run_search
from flows.trials import RETRY_SECONDS
from sandbox.errors import CellFailed, SandboxUnavailable
from tests.support.search_fakes import (
    FakeClock,
    FakeJournal,
    FakeProposer,
    FakeSandbox,
    better_each_time,
    config,
    proposal,
    services,
)


def statuses(journal: FakeJournal) -> list[str]:
    return [row.status for row in journal.rows if isinstance(row, ExperimentRow)]


def kinds(journal: FakeJournal) -> list[str]:
    return [row.kind for row in journal.rows if isinstance(row, EventRow)]


def test_a_cell_that_failed_once_is_no_loss() -> None:
    clock, sandbox = FakeClock(), FakeSandbox([CellFailed("no answer")])
    proposer = FakeProposer(better_each_time)

    result = run_search(config(), services(proposer, sandbox=sandbox, clock=clock))

    assert (result.status, result.lost) == ("finished", 0)
    assert clock.waits == [RETRY_SECONDS[0]]


def test_a_cell_that_keeps_failing_loses_the_attempt_only() -> None:
    journal = FakeJournal()
    sandbox = FakeSandbox([CellFailed("no answer")] * 3)
    proposer = FakeProposer(better_each_time)

    result = run_search(config(), services(proposer, sandbox=sandbox, journal=journal))

    assert (result.status, result.lost) == ("finished_with_losses", 1)
    assert [row.iteration for row in result.candidates] == [0, 2, 3, 4, 5]
    assert kinds(journal).count("attempt_lost") == 1


def test_without_a_sandbox_the_search_ends_and_no_policy_is_blamed() -> None:
    journal = FakeJournal()
    sandbox = FakeSandbox([SandboxUnavailable("the daemon is gone")] * 3)
    proposer = FakeProposer(better_each_time)

    with pytest.raises(SandboxUnavailable, match="daemon is gone"):
        run_search(config(), services(proposer, sandbox=sandbox, journal=journal))

    assert statuses(journal) == ["running", "failed"]
    assert "attempt_lost" not in kinds(journal)


def test_a_proposer_that_is_away_costs_attempts_and_the_search_goes_on() -> None:
    away = iter([True, True, False, False])

    def answer(request: ProposalRequest) -> Proposal:
        if next(away):
            raise ProposerUnavailable("the server does not answer")
        return better_each_time(request)

    result = run_search(config(budget__candidates=2), services(FakeProposer(answer)))

    assert (result.status, result.lost) == ("finished_with_losses", 2)
    assert not result.cut_short
    assert [row.iteration for row in result.candidates] == [0, 3, 4]


def test_five_losses_in_a_row_cut_the_search_short() -> None:
    journal = FakeJournal()

    def answer(_: ProposalRequest) -> Proposal:
        raise ProposerUnavailable("the server does not answer")

    result = run_search(config(), services(FakeProposer(answer), journal=journal))

    assert result.status == "finished_with_losses"
    assert "5 attempts in a row were lost" in result.status_detail
    assert result.cut_short
    assert kinds(journal).count("attempt_lost") == 5


def test_a_refusing_proposer_ends_the_search_with_its_message() -> None:
    journal = FakeJournal()

    def answer(_: ProposalRequest) -> Proposal:
        raise ProposerRefused("the key is wrong")

    with pytest.raises(ProposerRefused, match="key is wrong"):
        run_search(config(), services(FakeProposer(answer), journal=journal))

    assert statuses(journal) == ["running", "failed"]


def test_a_naive_baseline_that_fails_is_an_error_of_ours() -> None:
    class Broken(FakeSandbox):
        def try_policy(self, source, scenarios):  # type: ignore[no-untyped-def]
            return super().try_policy("fails", scenarios)

    with pytest.raises(RuntimeError, match=r"reference policy naive failed.*policy_error"):
        run_search(config(), services(FakeProposer(lambda _: proposal("x")), sandbox=Broken()))
