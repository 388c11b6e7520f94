"""Budgets: when a search stops and what counts as spent."""

from typing import Any

import pytest

from flows.history.records import EventRow, LlmCallRow
from flows.loop.budget import (
    Reserve,
    Spend,
    room_for,
    spend_of,
    stop_reason,
    summary_lines,
    wall_seconds,
)
from flows.settings.sections import BudgetConfig


def event(kind: str, second: int) -> EventRow:
    return EventRow(
        experiment_id="e",
        sequence=second,
        kind=kind,
        iteration=None,
        slot=None,
        message="",
        detail={},
        created_at=f"2026-01-01T00:00:{second:02d}.000+00:00",
    )


def call(**changes: Any) -> LlmCallRow:
    fields: dict[str, Any] = {
        "experiment_id": "e",
        "iteration": 1,
        "slot": 0,
        "attempt": 0,
        "request_sha256": "r",
        "prompt_sha256": "p",
        "provider": "host",
        "model": "m",
        "api": "chat",
        "outcome": "ok",
        "error": None,
        "reply": "text",
        "finish_reason": "stop",
        "request_id": None,
        "input_tokens": 100,
        "cached_tokens": None,
        "output_tokens": 50,
        "reasoning_tokens": None,
        "cost_usd": 0.25,
        "seconds": 1.0,
        "created_at": "2026-01-01T00:00:01.000+00:00",
        **changes,
    }
    return LlmCallRow(**fields)


def test_every_candidate_tried_is_the_planned_end() -> None:
    stop = stop_reason(BudgetConfig(candidates=3), Spend(candidates=3))

    assert stop is not None and stop.planned
    assert room_for(BudgetConfig(candidates=3), Spend(candidates=1)) == 2


@pytest.mark.parametrize(
    ("budget", "spend", "word"),
    [
        ({"minutes": 1.0}, {"seconds": 60.0}, "minutes"),
        ({"tokens": 1000}, {"tokens": 700, "largest_call_tokens": 400}, "tokens"),
        ({"tokens": 1000}, {"tokens": 1000}, "tokens"),
        ({"tokens": 1000}, {"reserve": Reserve(tokens=1001)}, "another call may take 1001"),
        ({"dollars": 1.0}, {"reserve": Reserve(dollars=1.5)}, "another call may cost $1.5000"),
        ({"evaluations": 30}, {"evaluations": 30}, "30 of 30 evaluations are used"),
        (
            {"tokens": 1000},
            {"tokens": 100, "largest_call_tokens": 100, "uncounted_calls": 9},
            "as may 9 whose tokens were not told",
        ),
        ({"dollars": 1.0}, {"dollars": 0.8, "largest_call_dollars": 0.3}, "$0.8000 of $1 are used"),
    ],
)
def test_a_budget_stops_the_search_before_it_is_exceeded(
    budget: dict[str, Any], spend: dict[str, Any], word: str
) -> None:
    stop = stop_reason(BudgetConfig(**budget), Spend(**spend))

    assert stop is not None and not stop.planned
    assert word in stop.reason


def test_room_for_one_call_need_not_be_room_for_three() -> None:
    budget, spend = BudgetConfig(tokens=1000), Spend(tokens=500, largest_call_tokens=200)

    assert stop_reason(budget, spend, calls=1) is None
    assert stop_reason(budget, spend, calls=3) is not None


def test_what_was_replayed_is_not_paid_twice() -> None:
    spend = spend_of([call(), call(attempt=1, replayed=True), call(attempt=2, cost_usd=None)])

    assert (spend.calls, spend.tokens, spend.dollars) == (2, 300, 0.25)
    assert (spend.largest_call_tokens, spend.unpriced_calls) == (150, 1)


def test_calls_that_may_have_been_charged_without_a_word_are_counted_as_such() -> None:
    silent = call(attempt=1, input_tokens=None, output_tokens=None, cost_usd=None)
    cut = call(attempt=2, outcome="timeout", input_tokens=None, output_tokens=None, cost_usd=None)
    refused = call(attempt=3, outcome="bad_request", input_tokens=None, output_tokens=None)

    assert spend_of([call(), silent, cut, refused]).uncounted_calls == 2


def test_the_summary_says_what_an_improvement_cost() -> None:
    spend = Spend(candidates=24, calls=26, input_tokens=900, output_tokens=80, dollars=1.5)

    assert summary_lines(spend, 3) == [
        "24 proposals from 26 calls: 900 tokens in, 80 out, $1.5000",
        "3 improvements at $0.5000 each",
    ]
    assert summary_lines(spend, 0)[1] == "no improvement for $1.5000"


def test_the_summary_hides_nothing_that_is_not_known() -> None:
    spend = Spend(
        candidates=2,
        calls=3,
        replayed_calls=1,
        cached_tokens=5,
        unpriced_calls=2,
        uncounted_calls=1,
    )

    assert summary_lines(spend, 1) == [
        "2 proposals from 3 calls and 1 replayed: 0 tokens in (5 cached), 0 out, $0.0000",
        "not in these dollars: 2 calls of unknown price",
        "1 call may have been charged; how much was not told",
    ]
    assert summary_lines(Spend(candidates=9), 2) == [
        "9 proposals; no model was asked, nothing was paid"
    ]


def test_pauses_between_runs_are_not_wall_time() -> None:
    rows = [event("started", 0), event("new_best", 5), event("resumed", 40), event("finished", 43)]

    assert wall_seconds(rows) == 8.0
    assert wall_seconds([]) == 0.0
