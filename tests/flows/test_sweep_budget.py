"""What a search of a sweep may use: its own limits, and no more than is left for all."""

from dataclasses import replace
from math import inf
from typing import Any

from flows.search.budget import Reserve, Spend, covered_seconds
from flows.settings.sweep import SweepConfig
from flows.sweep import Left, Standing, budget_of, left_of, next_up, why_not

T = "2026-01-02T03:0{}:00.000+00:00"


def sweep(**budget: Any) -> SweepConfig:
    return SweepConfig.model_validate(
        {
            "budget": {"candidates": 10, "dollars": 5},
            "sweep": {"models": ["a", "b"], "offline": True, "budget": budget},
        }
    )


def standings(config: SweepConfig, *spends: Spend) -> list[Standing]:
    members = config.members()
    return [
        Standing(member=member, experiment_id=str(member.number), spend=spend)
        for member, spend in zip(members, [*spends, *[Spend()] * len(members)], strict=False)
    ]


def test_what_is_left_is_the_limit_less_what_all_have_committed() -> None:
    config = sweep(dollars=4, candidates=12, minutes=10)
    paid = Spend(candidates=3, dollars=1.0, uncounted_calls=1, reserve=Reserve(dollars=0.5))
    first, second, offline = standings(config, paid, Spend(candidates=2, dollars=0.25))
    first = replace(first, spans=((T.format(0), T.format(4)),))
    second = replace(second, spans=((T.format(1), T.format(5)),))

    left = left_of(config, [first, second, offline], running_seconds=60.0)

    assert left == Left(candidates=7, tokens=inf, dollars=2.25, seconds=600 - 300 - 60)


def test_time_that_several_searches_share_counts_once() -> None:
    spans = [(T.format(4), T.format(6)), (T.format(0), T.format(2)), (T.format(1), T.format(3))]

    assert covered_seconds(spans) == 300.0
    assert covered_seconds([]) == 0.0


def test_a_search_gets_its_share_of_what_is_left_beside_what_it_used() -> None:
    first, _, offline = standings(sweep(), Spend(candidates=2, dollars=1.0, seconds=60.0))
    left = Left(candidates=9, dollars=3.0, seconds=120.0)

    alone, shared, free = (
        budget_of(first, left),
        budget_of(first, left, share=2),
        budget_of(offline, left, share=2),
    )

    assert alone is not None and shared is not None and free is not None
    assert (alone.candidates, alone.dollars, alone.minutes) == (10, 4.0, 3.0)
    assert (shared.candidates, shared.dollars, shared.minutes) == (6, 2.5, 3.0)
    assert (free.candidates, free.dollars, free.minutes) == (4, 5.0, 2.0)


def test_its_own_limit_holds_where_more_is_left_for_all() -> None:
    first, *_ = standings(sweep())

    budget = budget_of(first, Left(dollars=100.0))

    assert budget == first.member.config.budget


def test_a_search_begins_only_where_there_is_room_for_a_call_and_a_candidate() -> None:
    first, _, offline = standings(sweep(), Spend(reserve=Reserve(dollars=0.5)))
    poor, rich, spent = Left(dollars=0.4), Left(dollars=0.6), Left(candidates=0)

    assert "another call may cost $0.5000" in why_not(first, budget_of(first, poor))
    assert why_not(first, budget_of(first, rich)) == ""
    assert why_not(offline, budget_of(offline, Left(dollars=0.0, tokens=0))) == ""
    assert "nothing is left" in why_not(offline, budget_of(offline, spent))


def test_one_that_was_cut_off_is_ended_properly_though_nothing_is_left() -> None:
    used = Spend(candidates=2, dollars=1.0, reserve=Reserve(dollars=0.5))
    first, *_ = standings(sweep(), used)
    cut_off = replace(first, status="running")
    ended = replace(first, status="budget_exhausted", ended=True)
    left = Left(candidates=0, dollars=0.0)

    assert why_not(cut_off, budget_of(cut_off, left)) == ""
    assert why_not(ended, budget_of(ended, left)) == "all 2 candidates were tried"
    assert why_not(ended, budget_of(ended, Left())) == ""


def test_what_is_new_begins_before_what_may_go_on_and_side_by_side_they_share() -> None:
    reserve = Reserve(dollars=0.5)
    used = Spend(candidates=2, dollars=1.0, reserve=reserve)
    first, second, _ = standings(sweep(), used, Spend(reserve=reserve))
    ended = replace(first, status="budget_exhausted", ended=True)

    alone = next_up([ended, second], Left(dollars=2.0), 1)
    shared = next_up([ended, second], Left(dollars=2.0), 2)

    assert alone is not None and shared is not None
    assert alone[0] == shared[0] == second
    assert (alone[1].dollars, shared[1].dollars) == (2.0, 1.0)


def test_where_a_share_is_too_small_for_any_search_one_gets_all_that_is_left() -> None:
    reserve = Reserve(dollars=0.5)
    first, second, _ = standings(sweep(), Spend(reserve=reserve), Spend(reserve=reserve))

    found = next_up([first, second], Left(dollars=0.8), 2)

    assert found is not None and found[1].dollars == 0.8
    assert next_up([first, second], Left(dollars=0.4), 2) is None
    assert next_up([replace(first, refused="no credit")], Left(), 1) is None
    assert next_up([first, second], Left(), 0) is None
