"""Money in a whole search: reserved before a call, never exceeded, and nothing paid is lost."""

from pathlib import Path

import pytest

from flows.history.records import LlmCallRow
from tests.support import model_server as server
from tests.support.asked_search import answers, improves, search, searching
from tests.support.model_server import ModelServer

CALL, WORST = 1.9, 15.334
"""Dollars of a usual call, and of the largest one: a dense prompt and the longest reply."""


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
    assert "tokens were not told" in done.result.status_detail


def test_a_budget_that_allows_no_call_makes_none(tmp_path: Path) -> None:
    with ModelServer(answers("latency = 3")) as running:
        done = search(searching(running.url, tmp_path / "p.toml", budget__dollars=1.0))

    assert running.requests == [] and done.candidates == []
    assert done.result is not None and done.result.status == "budget_exhausted"
