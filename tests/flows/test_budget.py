"""Budgets: when a search stops and what counts as spent."""

from typing import Any

import pytest

from flows.budget import Spend, room_for, spend_of, stop_reason, wall_seconds
from flows.config_sections import BudgetConfig
from flows.records import EventRow, LlmCallRow


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


def test_pauses_between_runs_are_not_wall_time() -> None:
    rows = [event("started", 0), event("new_best", 5), event("resumed", 40), event("finished", 43)]

    assert wall_seconds(rows) == 8.0
    assert wall_seconds([]) == 0.0
