"""The end of a search: test is touched once, and the verdict says what it showed."""

from typing import Any

import pytest

from flows.history.records import EventRow, Row
from flows.names import name_of
from flows.search.loop import run_search
from tests.support.search_fakes import (
    FakeJournal,
    FakeProposer,
    FakeSandbox,
    config,
    proposal,
    services,
)


def run(
    answer: str, earlier: tuple[Row, ...] = (), **settings: Any
) -> tuple[Any, FakeJournal, FakeSandbox]:
    journal, sandbox = FakeJournal(), FakeSandbox()
    proposer = FakeProposer(lambda request: proposal(answer.format(request.iteration)))
    outside = services(proposer, journal=journal, sandbox=sandbox, earlier=earlier)
    result = run_search(config(**{"budget__candidates": 1, **settings}), outside)
    return result, journal, sandbox


def touches(journal: FakeJournal) -> list[EventRow]:
    return [row for row in journal.rows if isinstance(row, EventRow) and row.kind == "test"]


def test_the_best_and_every_baseline_are_tried_on_test_once() -> None:
    result, journal, sandbox = run("latency = 40", baselines=["priority"])

    tried = sandbox.tried_on("t1")
    assert len(tried) == len(set(tried)) == 3
    assert tried[-1] == "latency = 40"
    assert len(touches(journal)) == 1
    assert result.test["touched"] == 1


def test_the_verdict_measures_against_the_best_baseline_on_test() -> None:
    result, _, __ = run("latency = 40 t2 = 42")

    assert result.best is not None
    assert result.verdict == (
        "Significantly better than the best baseline on the test scenarios of the suite. "
        f"{name_of(result.best)} (1/0) is 22.0 % better than naive (95 % confidence interval 19.0 "
        "to 25.0, 2 scenarios). Its score is 1.220, that of naive is 1.000. With 2 scenarios the "
        "interval is approximate."
    )
    assert result.test["gain_percent"] == pytest.approx(21.99, abs=0.01)
    assert result.test["scenarios"] == 2


def test_what_does_not_carry_over_to_test_is_said() -> None:
    result, _, __ = run("latency = 40 t1 = 60 t2 = 49")
    worse, _, __ = run("latency = 40 t1 = 60 t2 = 61")
    failed, _, __ = run("latency = 40 t2 fails")

    assert result.verdict.startswith("No significant difference from the best baseline on the test")
    assert worse.verdict.startswith("Significantly worse than the best baseline on the test")
    assert failed.verdict.endswith(" It failed on 1 of 2 test scenarios (policy_error).")


def test_without_a_promotion_the_best_baseline_stays_the_best() -> None:
    result, journal, _ = run("latency = 60")

    assert result.verdict.startswith(
        "No candidate was significantly better: the baseline naive remains the best. The best on "
        "the test scenarios of the suite is naive"
    )
    assert len(touches(journal)) == 1


def test_the_final_test_can_be_switched_off() -> None:
    result, journal, sandbox = run("latency = 40", guards__test=False)

    assert sandbox.tried_on("t1") == []
    assert touches(journal) == []
    assert result.best is not None
    assert result.verdict == (
        f"{name_of(result.best)} (1/0) is the best: on validation against naive: 25.0 % better "
        "(95 % confidence interval 25.0 to 25.0, 2 scenarios). The best baseline is naive. The "
        "test scenarios were not used."
    )


def test_going_on_with_the_same_best_does_not_touch_test_again() -> None:
    _, first, __ = run("latency = 40")

    result, second, sandbox = run("latency = 45", tuple(first.rows), budget__candidates=3)

    assert sandbox.tried_on("t1") == []
    assert touches(second) == []
    assert result.test["touched"] == 1


def test_going_on_to_another_best_touches_test_again_and_warns() -> None:
    _, first, __ = run("latency = 40")

    result, second, sandbox = run("latency = 3{}", tuple(first.rows), budget__candidates=2)

    assert sandbox.tried_on("t1") == ["latency = 32"]
    assert result.test["touched"] == 2
    warning = next(r for r in second.rows if isinstance(r, EventRow) and r.kind == "warning")
    assert "used 2 times by this experiment" in warning.message


def test_a_search_that_was_killed_before_test_makes_up_for_it() -> None:
    _, whole, __ = run("latency = 40")
    kept = whole.rows[: whole.rows.index(touches(whole)[0]) - 1]

    result, second, sandbox = run("latency = 40", tuple(kept))

    assert len(sandbox.trials) == 1
    assert [row.message for row in touches(second)] == [touches(whole)[0].message]
    assert result.verdict == touches(whole)[0].message
