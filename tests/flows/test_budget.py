"""Budgets: when a search stops and what counts as spent."""

from functools import reduce
from math import inf
from typing import Any

from flows.history.records import EventRow, LlmCallRow
from flows.search.budget import (
    Place,
    Reserve,
    Spend,
    calls_left,
    places,
    slots_of,
    spent_with,
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


def spent(*calls: LlmCallRow) -> Spend:
    """Return what these calls have used."""
    return reduce(spent_with, calls, Spend())


def test_every_candidate_tried_is_the_planned_end() -> None:
    stop = stop_reason(BudgetConfig(candidates=3), Spend(candidates=3))

    assert stop is not None and stop.planned


def test_an_iteration_is_as_wide_as_there_are_slots_and_candidates_left() -> None:
    budget = BudgetConfig(candidates=5)

    widths = [len(slots_of(budget, 3, Spend(candidates=tried))) for tried in (0, 2, 4, 5, 6)]

    assert widths == [3, 3, 1, 0, 0]


ENDS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"minutes": 1.0}, {"seconds": 60.0}, "minutes"),
    ({"tokens": 1000}, {"tokens": 700, "largest_call_tokens": 400}, "tokens"),
    ({"tokens": 1000}, {"tokens": 1000}, "tokens"),
    ({"tokens": 1000}, {"reserve": Reserve(tokens=1001)}, "another call may take 1001"),
    ({"dollars": 1.0}, {"reserve": Reserve(dollars=1.5)}, "another call may cost $1.5000"),
    ({"evaluations": 30}, {"evaluations": 30}, "30 of 30 evaluations are used"),
    (
        {"evaluations": 30},
        {"evaluations": 12, "reserve": Reserve(evaluations=19)},
        "12 of 30 evaluations are used and another candidate may take 19",
    ),
    (
        {"tokens": 1000},
        {"tokens": 100, "largest_call_tokens": 100, "uncounted_calls": 9},
        "the same is reserved for 9 calls of unknown tokens",
    ),
    ({"dollars": 1.0}, {"dollars": 0.8, "largest_call_dollars": 0.3}, "$0.8000 of $1 are used"),
]


def test_a_budget_stops_the_search_before_it_is_exceeded() -> None:
    for budget, spend, word in ENDS:
        stop = stop_reason(BudgetConfig(**budget), Spend(**spend))

        assert stop is not None and not stop.planned
        assert word in stop.reason


def test_room_for_one_call_need_not_be_room_for_three() -> None:
    budget, spend = BudgetConfig(tokens=1000), Spend(tokens=500, largest_call_tokens=200)

    assert stop_reason(budget, spend, calls=1) is None
    assert stop_reason(budget, spend, calls=3) is not None


def test_an_iteration_has_as_many_places_as_there_is_room_for() -> None:
    budget, spend = BudgetConfig(evaluations=60), Spend(reserve=Reserve(evaluations=19))
    money = BudgetConfig(tokens=1000, dollars=9.0)
    used = Spend(tokens=400, dollars=1.0, reserve=Reserve(tokens=200, dollars=2.0))

    assert [len(all_open(budget, spend, wanted)) for wanted in (0, 1, 4)] == [0, 1, 3]
    assert (calls_left(money, used), len(all_open(money, used, 8))) == (3, 3)
    assert calls_left(budget, spend) == inf


def all_open(budget: BudgetConfig, spend: Spend, wanted: int) -> list[Place]:
    """Return the places of an iteration of which nothing is recorded."""
    nothing: set[int] = set()
    return places(
        budget,
        before=spend,
        now=spend,
        slots=range(wanted),
        recorded=nothing,
        replied=nothing,
        charged=nothing,
    )


def test_what_was_replayed_is_not_paid_twice() -> None:
    spend = spent(call(), call(attempt=1, replayed=True), call(attempt=2, cost_usd=None))

    assert (spend.calls, spend.tokens, spend.dollars) == (2, 300, 0.25)
    assert (spend.largest_call_tokens, spend.unpriced_calls) == (150, 1)


def test_calls_that_may_have_been_charged_without_a_word_are_counted_as_such() -> None:
    silent = call(attempt=1, input_tokens=None, output_tokens=None, cost_usd=None)
    cut = call(attempt=2, outcome="timeout", input_tokens=None, output_tokens=None, cost_usd=None)
    refused = call(attempt=3, outcome="bad_request", input_tokens=None, output_tokens=None)

    assert spent(call(), silent, cut, refused).uncounted_calls == 2


def test_an_answer_of_any_kind_without_its_tokens_may_have_been_charged() -> None:
    for outcome in ("bad_reply", "truncated", "refused", "connection_lost"):
        silent = call(outcome=outcome, input_tokens=None, output_tokens=None, cost_usd=None)
        half = call(outcome=outcome, input_tokens=None, cost_usd=None)

        assert (spent(silent).uncounted_calls, spent(silent).unpriced_calls) == (1, 0)
        assert spent(half).uncounted_calls == 1


def test_an_unknown_price_is_reported_whatever_the_answer_was() -> None:
    for outcome in ("ok", "bad_reply", "truncated", "refused"):
        spend = spent(call(outcome=outcome, cost_usd=None))

        assert (spend.unpriced_calls, spend.uncounted_calls) == (1, 0)
        assert "not in these dollars: 1 call of unknown price" in summary_lines(spend, 0)


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
        "1 call may have been charged; the amount is unknown",
    ]
    assert summary_lines(Spend(candidates=9), 2) == [
        "9 proposals; no model was asked, nothing was paid"
    ]


def test_pauses_between_runs_are_not_wall_time() -> None:
    rows = [event("started", 0), event("new_best", 5), event("resumed", 40), event("finished", 43)]

    assert wall_seconds(rows) == 8.0
    assert wall_seconds([]) == 0.0
