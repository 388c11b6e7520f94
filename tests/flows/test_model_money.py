"""Money in a whole search: reserved before a call, never exceeded, and nothing paid is lost."""

from pathlib import Path

import pytest

from flows.history.records import CandidateRow, EventRow, LlmCallRow
from flows.proposers.model import OpenAiProposer
from flows.search.budget import summary_lines
from flows.settings.search import SearchConfig
from tests.support import model_server as server
from tests.support.asked_search import Searched, answers, improves, search, searching
from tests.support.asking import StillClock
from tests.support.model_server import Behaviour, ModelServer

CALL, WORST = 1.9, 15.334
"""Dollars of a usual call, and of the largest one: a dense prompt and the longest reply."""

PAID = (LlmCallRow, CandidateRow)


def test_a_budget_in_dollars_ends_the_search_before_it_could_be_exceeded(tmp_path: Path) -> None:
    with ModelServer(improves) as running:
        chosen = searching(
            running.url, tmp_path / "p.toml", budget__dollars=21.0, budget__candidates=50
        )
        done = search(chosen)

    assert done.result is not None and done.result.status == "budget_exhausted"
    assert len(done.calls) == 3  # 21 dollars have room for 15.33 after none, one and two calls
    assert done.result.spend.dollars == pytest.approx(3 * CALL)
    assert "another call may cost $15.3340" in done.result.status_detail
    assert [row.outcome for row in done.candidates] == ["ok"] * 3


def test_calls_side_by_side_are_reserved_for_each(tmp_path: Path) -> None:
    with ModelServer(improves) as running:
        chosen = searching(running.url, tmp_path / "p.toml", budget__dollars=2 * WORST + 1, slots=3)
        done = search(chosen)

    first = {call.slot for call in done.calls if call.iteration == 1}
    assert first == {0, 1}  # the budget has room for two calls at their worst, not for three
    assert sum(call.cost_usd or 0 for call in done.calls) <= 2 * WORST + 1


def test_a_reply_that_was_paid_for_is_tried_even_when_nothing_is_left(tmp_path: Path) -> None:
    with ModelServer(improves) as running:
        chosen = searching(
            running.url, tmp_path / "p.toml", budget__dollars=17.0, budget__candidates=9
        )
        whole = search(chosen)
        after_the_call = 1 + next(
            number for number, row in enumerate(whole.rows) if isinstance(row, LlmCallRow)
        )
        killed = search(chosen, fails_after=after_the_call)
        asked = len(running.requests)
        resumed = search(chosen, earlier=killed.rows)

    assert len(whole.calls) == 1 and killed.candidates == []
    assert len(running.requests) == asked
    assert [row.source for row in resumed.candidates] == [row.source for row in whole.candidates]


def test_a_server_that_tells_no_tokens_cannot_make_a_budget_endless(tmp_path: Path) -> None:
    silent = server.says("```python\nlatency = 30\n```", usage={"total_tokens": None})
    with ModelServer(silent) as running:
        chosen = searching(
            running.url, tmp_path / "p.toml", budget__tokens=20_000, budget__candidates=50
        )
        done = search(chosen)

    assert done.result is not None and done.result.status == "budget_exhausted"
    assert len(done.calls) == 3
    assert "3 calls of unknown tokens" in done.result.status_detail


def test_a_budget_that_allows_no_call_makes_none(tmp_path: Path) -> None:
    with ModelServer(answers("latency = 3")) as running:
        done = search(searching(running.url, tmp_path / "p.toml", budget__dollars=1.0))

    assert running.requests == [] and done.candidates == []
    assert done.result is not None and done.result.status == "budget_exhausted"


def impatient(chosen: SearchConfig) -> OpenAiProposer:
    """Return the proposer of a search, for which waiting takes no time."""
    return OpenAiProposer(chosen.proposer, {}, StillClock())


def losses(done: Searched) -> list[str]:
    events = [row for row in done.rows if isinstance(row, EventRow)]
    return [row.message for row in events if row.kind == "attempt_lost"]


@pytest.mark.parametrize(
    ("calls", "slots", "asked"), [(1, 1, [1]), (3, 1, [3]), (3, 2, [2, 1]), (2, 3, [1, 1])]
)
def test_a_request_is_repeated_only_where_the_budget_has_room_for_it_too(
    tmp_path: Path, calls: int, slots: int, asked: list[int]
) -> None:
    with ModelServer(server.hangs()) as running:
        chosen = searching(
            running.url,
            tmp_path / "p.toml",
            budget__dollars=calls * WORST + 1,
            slots=slots,
            proposer__timeout_seconds=0.2,
        )
        done = search(chosen, proposer=impatient(chosen))

    made = [sum(call.slot == slot for call in done.calls) for slot in range(len(asked))]
    assert (made, len(running.requests)) == (asked, calls)
    assert done.result is not None and done.result.status == "budget_exhausted"
    assert len(losses(done)) == len(asked)
    assert "not asked again: it may have been charged, and the budget has" in losses(done)[0]


@pytest.mark.parametrize(
    "behaviour",
    [
        server.says("", usage={"total_tokens": None}),
        server.raw(b'data: {"choices": []}\n\ndata: [DONE]\n'),
        server.refuses(),
        server.breaks(),
        server.breaks(unsent=100),
    ],
)
def test_whatever_may_have_been_charged_holds_as_much_as_a_call_can_cost(
    tmp_path: Path, behaviour: Behaviour
) -> None:
    with ModelServer(behaviour) as running:
        chosen = searching(running.url, tmp_path / "p.toml", budget__dollars=WORST + 1)
        done = search(chosen, proposer=impatient(chosen))

    assert len(running.requests) == 1
    assert done.result is not None and done.result.status == "budget_exhausted"
    assert "the same is reserved for 1 call of unknown tokens" in done.result.status_detail
    assert "1 call may have been charged; the amount is unknown" in summary_lines(
        done.result.spend, 0
    )


def test_what_never_reached_a_server_holds_nothing(tmp_path: Path) -> None:
    with ModelServer(improves) as gone:
        chosen = searching(gone.url, tmp_path / "p.toml", budget__dollars=WORST + 1)
    done = search(chosen, proposer=impatient(chosen))

    assert {call.outcome for call in done.calls} == {"connection_error"}
    assert done.result is not None and done.result.spend.uncounted_calls == 0


def test_the_price_of_a_reply_that_was_cut_off_is_not_known_either(tmp_path: Path) -> None:
    with ModelServer(server.cut_off("```python\nlat")) as running:
        chosen = searching(running.url, tmp_path / "p.toml", proposer__model="unlisted")
        done = search(chosen)

    assert done.result is not None
    assert "not in these dollars: 4 calls of unknown price" in summary_lines(done.result.spend, 0)


def test_a_search_on_a_small_budget_is_the_same_wherever_it_was_cut(tmp_path: Path) -> None:
    with ModelServer(improves) as running:
        chosen = searching(running.url, tmp_path / "p.toml", budget__dollars=2 * WORST + 1, slots=3)
        proposer, whole = impatient(chosen), search(chosen)
        after = [n for n, row in enumerate(whole.rows, 1) if isinstance(row, PAID)]
        resumed = [search(chosen, earlier=whole.rows[:n], proposer=proposer) for n in after]

    assert [call.iteration for call in whole.calls] == [1, 1, 2, 3] and len(after) == 9
    for again in resumed:
        assert sources(again) == sources(whole)
        assert {(c.iteration, c.slot, c.attempt) for c in again.calls} == {
            (c.iteration, c.slot, c.attempt) for c in whole.calls
        }


def test_what_an_interrupted_run_may_have_paid_for_is_not_asked_again(tmp_path: Path) -> None:
    with ModelServer(server.hangs()) as running:
        chosen = searching(
            running.url,
            tmp_path / "p.toml",
            budget__dollars=2 * WORST + 1,
            slots=2,
            proposer__timeout_seconds=0.2,
        )
        whole = search(chosen, proposer=impatient(chosen))
        first = next(n for n, row in enumerate(whole.rows) if isinstance(row, LlmCallRow))
        resumed = search(chosen, earlier=whole.rows[: first + 1], proposer=impatient(chosen))

    assert [len(whole.calls), len(resumed.calls), len(running.requests)] == [2, 2, 3]
    assert losses(resumed) == losses(whole)


def sources(done: Searched) -> dict[tuple[int, int], str | None]:
    return {(row.iteration, row.slot): row.source for row in done.candidates}
