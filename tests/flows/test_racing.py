"""Racing: what is stopped, what never is, and what is recorded and told of it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.errors import ConfigError
from flows.history.records import CandidateRow, EvaluationRow, Row
from flows.judging.leaderboard import leaderboard
from flows.prompting.diagnoses import diagnose
from flows.prompting.prompts import headline
from flows.search.ledger import Ledger
from flows.search.loop import run_search
from flows.search.progress import attempt_line
from flows.search.racing import (
    START_CALLS,
    Race,
    fewest_attempts,
    informative_order,
    race,
    rungs_that_pay,
    to_beat,
)
from flows.settings.search import config_sha256
from flows.trials import completed
from sandbox.outcome import Outcome
from simulator.domain import BOOTSTRAP
from tests.support.examples import at_night
from tests.support.search_fakes import (
    DOMAIN,
    SPLITS,
    FakeJournal,
    FakeProposer,
    FakeSandbox,
    config,
    evaluation,
    failure,
    proposal,
    scenario,
    services,
    trial,
)

NAMES = ("one", "two", "three", "four", "five", "six")
MANY = replace(SPLITS, train=tuple(map(scenario, NAMES)))
RACED = {"racing__enabled": True, "racing__confidence": 0.75}
COSTS = dict.fromkeys(NAMES, 5.0 * START_CALLS)
"""So much that a cell's start is little beside it."""

scores = st.fixed_dictionaries({name: st.floats(0.2, 5.0) for name in NAMES})
pasts = st.lists(scores, min_size=19, max_size=40)


def mean(own: Mapping[str, float]) -> float:
    return math.fsum(map(math.log, own.values())) / len(own)


def stopped_at(found: Race, own: dict[str, float]) -> int | None:
    """Return after how many scenarios an attempt with these scores is stopped."""
    for rung in found.rungs:
        if found.stops({name: own[name] for name in found.order[:rung]}):
            return rung
    return None


@settings(max_examples=at_night(60))
@given(pasts)
def test_of_recorded_attempts_that_beat_the_best_no_more_are_stopped_than_the_confidence_allows(
    past: list[dict[str, float]],
) -> None:
    for bar in past[:3]:
        found = race(COSTS, past, [*past, 1, 2], bar, 0.95)
        if found is None:
            continue
        for rung, lift in zip(found.rungs, found.lifts, strict=True):
            first = replace(found, rungs=(rung,), lifts=(lift,))
            wrongly = [o for o in past if mean(o) > mean(bar) and stopped_at(first, o)]
            assert len(wrongly) <= 0.05 * (len(past) + 1)


@settings(max_examples=at_night(60))
@given(pasts)
def test_the_order_is_of_all_scenarios_and_follows_from_the_attempts(
    past: list[dict[str, float]],
) -> None:
    order = informative_order(COSTS, past)

    assert sorted(order) == sorted(NAMES)
    assert informative_order(COSTS, [dict(reversed(each.items())) for each in past]) == order


def test_what_ranks_like_all_at_the_least_cost_comes_first_and_ties_go_by_the_suite() -> None:
    past = [{"a": 1.0, "b": x, "c": x * y} for x, y in ((1.0, 2.0), (2.0, 1.0), (4.0, 3.0))]

    assert informative_order({"a": 9.0, "b": 9.0, "c": 9.0}, past)[0] == "b"
    assert informative_order({"a": 9.0, "b": 99.0 * START_CALLS, "c": 9.0}, past)[0] != "b"
    alike = [dict.fromkeys(NAMES, x) for x in (1.0, 2.0)]
    assert informative_order(COSTS, alike) == NAMES


@given(pasts)
def test_the_best_is_to_be_beaten(past: list[dict[str, float]]) -> None:
    assert mean(to_beat(past)) == max(map(mean, past))


def test_too_few_attempts_or_scenarios_race_nobody() -> None:
    past = [dict.fromkeys(NAMES, 1.0 + n) for n in range(19)]

    assert fewest_attempts(0.95) == 19 and fewest_attempts(0.9) == 9
    assert race(COSTS, past[:18], past, past[-1], 0.95) is None
    assert race(COSTS, past, [], past[-1], 0.95) is None
    assert race(COSTS, past, past, past[-1], 0.95) is not None
    assert race({"one": COSTS["one"]}, past, past, past[-1], 0.95) is None


costs = st.lists(st.floats(0.0, 4.0 * START_CALLS), min_size=2, max_size=12)


@given(costs, st.data())
def test_rungs_save_more_than_the_starts_of_their_cells(
    each: list[float], data: st.DataObject
) -> None:
    places = st.lists(st.booleans(), min_size=len(each) - 1, max_size=len(each) - 1)
    ends = data.draw(st.lists(places, min_size=1, max_size=20))

    def spent(rungs: tuple[int, ...]) -> float:
        parts = [next(((n, r) for n, r in enumerate(rungs, 1) if e[r - 1]), None) for e in ends]
        whole = len(rungs) + 1, len(each)
        return sum(sum(each[:last]) + START_CALLS * n for n, last in (p or whole for p in parts))

    rungs = rungs_that_pay(each, ends)

    assert list(rungs) == sorted(set(rungs))
    assert spent(rungs) < spent(()) or not rungs


def test_no_rung_pays_where_nobody_is_stopped_or_a_start_costs_more_than_the_rest() -> None:
    assert rungs_that_pay([9.0] * 6, [[True] * 5, [False] * 5]) == ()
    assert rungs_that_pay([9.0 * START_CALLS] * 6, [[False] * 5] * 3) == ()
    assert rungs_that_pay([9.0 * START_CALLS] * 15, [[True] * 14] * 3) == (3,)


def search(*policies: str, **changes: Any) -> tuple[list[CandidateRow], FakeJournal, FakeSandbox]:
    """Search through these policies, one for each proposal, on six train scenarios."""
    journal, sandbox = FakeJournal(), FakeSandbox()
    proposer = FakeProposer(lambda asked: proposal(policies[asked.iteration - 1]))
    chosen = config(budget__candidates=len(policies), **{**RACED, **changes})
    outside = services(proposer, journal=journal, sandbox=sandbox, scenarios=MANY)
    result = run_search(chosen, outside)
    return [row for row in result.candidates if row.iteration > 0], journal, sandbox


USUAL = ("latency = 40", "latency = 44", "latency = 42", "latency = 80", "latency = 81")
HOPELESS = "latency = 90"


def tried(rows: list[Row], iteration: int) -> list[EvaluationRow]:
    return [r for r in rows if isinstance(r, EvaluationRow) and r.iteration == iteration]


def test_what_can_no_longer_become_the_best_is_stopped_and_passes_no_guard() -> None:
    rows, journal, sandbox = search(*USUAL, HOPELESS, "latency = 30")
    stopped, better = rows[5:]

    assert (stopped.standing, stopped.outcome, stopped.score) == ("stopped", "ok", None)
    assert stopped.standing_detail.startswith("after 1 of 6 scenarios: could no longer become the")
    assert (stopped.improved, stopped.validation_score) == (False, None)
    assert [row.purpose for row in tried(journal.rows, 6)] == ["score"]
    assert all(row.score for row in tried(journal.rows, 6))
    assert sandbox.tried_on("v1").count(HOPELESS) == 0
    assert better.standing == "promoted"
    assert all(stopped.title not in cells for cells in leaderboard(rows[5:6]))
    assert "(stopped: after 1 of 6 scenarios" in attempt_line(stopped)


def test_what_is_not_stopped_has_the_rows_of_a_search_without_racing() -> None:
    policies = (*USUAL, "latency = 30", "latency = 29 two fails", "latency = 28 one fails", "fails")
    raced, plain = (search(*policies, racing__enabled=on)[1].rows for on in (True, False))

    for iteration in range(len(USUAL) + 1, len(policies) + 1):
        one, other = (
            [replace(row, config_sha256="", experiment_id="") for row in tried(rows, iteration)]
            for rows in (raced, plain)
        )
        assert one == other, policies[iteration - 1]


def test_slots_of_those_that_are_stopped_share_the_work_of_the_others_and_change_no_result() -> (
    None
):
    twelve = replace(SPLITS, train=tuple(scenario(f"s{n}") for n in range(12)))
    others = ("latency = 30", "latency = 29 s0 fails", "latency = 28 s7 fails", "fails")

    def rows_of(*, raced: bool) -> tuple[dict[Any, Any], list[int]]:
        journal, sandbox = FakeJournal(), FakeSandbox()
        asked = iter((*USUAL, "latency = 82"))
        sources = [(one, next(asked)) for one in asked]
        sources += [(f"{HOPELESS}{n}", each) for n, each in enumerate(others)]
        proposer = FakeProposer(lambda asked: proposal(sources[asked.iteration - 1][asked.slot]))
        chosen = {**RACED, "racing__enabled": raced, "slots": 2, "budget__candidates": 14}
        outside = services(proposer, journal=journal, sandbox=sandbox, scenarios=twelve)
        run_search(config(**chosen), outside)
        found = [row for row in journal.rows if isinstance(row, EvaluationRow)]
        same = [replace(row, config_sha256="", experiment_id="") for row in found if row.slot == 1]
        tried = [len(names) for source, names in sandbox.trials if source == others[0]]
        return {i: [row for row in same if row.iteration == i] for i in range(4, 8)}, tried

    (raced, parts), (plain, whole) = rows_of(raced=True), rows_of(raced=False)

    assert raced == plain
    assert (parts[0], sorted(parts[1:3]), whole[0]) == (2, [5, 6], 13)


def test_every_eighth_candidate_is_tried_on_all_scenarios_whatever_it_does() -> None:
    rows, _, __ = search(*USUAL, *(f"{HOPELESS}{n}" for n in range(5)), "latency = 99")

    assert [row.standing for row in rows[5:]] == [*["stopped"] * 2, "", *["stopped"] * 3]
    assert rows[7].score == pytest.approx(50 / 902)


def test_a_stopped_source_is_not_tried_again() -> None:
    rows, journal, _ = search(*USUAL, HOPELESS, f"{HOPELESS}  # again")

    assert (rows[6].standing, rows[6].score, rows[6].duplicate_of) == ("stopped", None, "6/0")
    assert tried(journal.rows, 7) == []


def test_the_model_is_told_what_was_tried_and_why_it_was_stopped() -> None:
    _, journal, _ = search(*USUAL, HOPELESS)
    ledger = Ledger(journal.rows)
    attempt, first = ledger.attempt((6, 0)), ledger.attempt((0, 0))

    assert headline(attempt).startswith(
        "6/0 `a policy`: stopped after 1 of 6 scenarios: could no longer become the best on train"
    )
    told = "\n".join(diagnose(attempt, first, DOMAIN))
    assert "weakest scenarios" in told and len(attempt.evaluations) == 1
    alone = replace(first, evaluations=first.evaluations[:1])
    assert told == "\n".join(diagnose(attempt, alone, DOMAIN))


def test_a_time_limit_in_a_rung_leaves_the_others_untried_as_in_one_cell() -> None:
    late = [evaluation("two"), failure("three", Outcome.CPU_LIMIT)]
    whole = completed([trial("x", late)], NAMES)

    names = ["two", "three", "one", "four", "five", "six", "one"]
    assert [each.scenario for each in whole.evaluations] == names
    assert [each.outcome for each in whole.evaluations] == [
        Outcome.OK, Outcome.CPU_LIMIT, *[Outcome.NOT_TRIED] * 5,
    ]  # fmt: skip
    assert whole.outcome is Outcome.CPU_LIMIT


def test_without_racing_a_search_has_the_name_that_it_had_and_some_domains_refuse_it() -> None:
    plain = config()

    assert config_sha256(config(racing__confidence=0.7)) == config_sha256(plain)
    assert config_sha256(config(racing__enabled=True)) != config_sha256(plain)
    assert config(racing=True).racing == config(racing__enabled=True).racing
    assert config(racing=False) == plain
    with pytest.raises(ConfigError, match="promotes what is worse in no scenario"):
        config(domain=f"{BOOTSTRAP}:examples/systems/queue", racing__enabled=True)
