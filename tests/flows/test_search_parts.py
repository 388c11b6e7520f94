"""The small parts of a search: calls side by side, the leaderboard, and the lines of a log."""

import threading
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.history.records import CandidateRow
from flows.judging.leaderboard import HEADERS, board, leaderboard, scores_text
from flows.names import name_of
from flows.search.budget import Spend
from flows.search.progress import (
    Began,
    Happening,
    Lost,
    Notice,
    Preparing,
    Progress,
    Settled,
    Stepped,
    Working,
    advance,
    later,
    live_line,
    plain_line,
    rate_text,
    sparkline,
    spend_text,
    time_left_seconds,
)
from flows.trials import joined, rejoined, shares, side_by_side
from flows.untrusted import for_log
from sandbox.outcome import Outcome
from tests.support.search_fakes import config, evaluation, failure, trial


def row(iteration: int, slot: int = 0, **changes: Any) -> CandidateRow:
    fields: dict[str, Any] = {
        "experiment_id": "e",
        "iteration": iteration,
        "slot": slot,
        "candidate": f"{iteration}{slot}" * 8,
        "title": f"policy {iteration}",
        "origin": "offline" if iteration else "baseline",
        "operator": "mutate" if iteration else "baseline",
        "parents": [],
        "source": "x",
        "outcome": "ok",
        "score": 1.0,
        "improved": False,
        "problem": None,
        "problem_line": None,
        "duplicate_of": None,
        "prompt_sha256": None,
        "created_at": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "cell_seconds": 1.0,
        "image_id": None,
        "isolation": None,
        "findings": [],
        **changes,
    }
    return CandidateRow(**fields)


SHORT = st.sampled_from([Outcome.OK, Outcome.OK, Outcome.POLICY_ERROR, Outcome.CPU_LIMIT])
TRIED = st.lists(st.tuples(st.floats(0.0, 9.0), SHORT), min_size=2, max_size=9)


@given(TRIED, st.integers(2, 4))
def test_however_scenarios_are_shared_the_trial_is_that_of_one_cell(
    tried: list[tuple[float, Outcome]], count: int
) -> None:
    costs = {f"s{number}": cost for number, (cost, _) in enumerate(tried)}
    found = [
        evaluation(name) if outcome is Outcome.OK else failure(name, outcome)
        for name, (_, outcome) in zip(costs, tried, strict=True)
    ]

    parts = shares(costs, count)
    cells = [trial("x", [each for each in found if each.scenario in part]) for part in parts]
    one = joined([replace(trial("x", found), cell=None), trial("x", [])])

    assert sorted(name for part in parts for name in part) == list(costs)
    assert all(len(part) < len(costs) for part in parts)
    whole = rejoined(cells, list(costs))
    assert (whole.evaluations, whole.outcome) == (one.evaluations, one.outcome)


def test_shares_cost_about_the_same() -> None:
    assert shares({"a": 1.0, "b": 5.0, "c": 3.0, "d": 3.0}, 2) == [{"b", "a"}, {"c", "d"}]


def test_calls_run_at_the_same_time_and_answer_in_order() -> None:
    together = threading.Barrier(3, timeout=20)
    where: ContextVar[str] = ContextVar("where", default="nowhere")
    where.set("here")

    def call(number: int) -> str:
        together.wait()
        return f"{number} {where.get()}"

    answers = side_by_side(call, range(3))

    assert answers == ["0 here", "1 here", "2 here"]


def test_the_first_failure_in_order_is_raised_when_all_have_ended() -> None:
    ended = []

    def fail(number: int) -> None:
        ended.append(number)
        raise ValueError(f"call {number}")

    with pytest.raises(ValueError, match="call 0"):
        side_by_side(fail, range(3))

    assert sorted(ended) == [0, 1, 2]


def test_the_leaderboard_has_the_best_and_every_baseline_but_no_repeats() -> None:
    rows = [row(0), row(0, 1, score=0.5)]
    rows += [row(n, score=1.0 + n / 10) for n in range(1, 15)]
    rows += [row(20, score=9.0, duplicate_of="1/0"), row(21, score=None)]
    rows += [row(22, score=0.7, outcome="policy_error")]

    board = leaderboard(rows, top=3)

    shown = [dict(zip(HEADERS, cells, strict=True)) for cells in board]
    assert [line["attempt"] for line in shown] == ["14/0", "13/0", "12/0", "0/0", "0/1"]
    assert [line["rank"] for line in shown] == ["1", "2", "3", "15", "17"]


def test_the_leaderboard_begins_with_the_best_and_ends_with_what_was_barred() -> None:
    rows = [row(0, improved=True, standing="promoted"), row(3, score=1.5, standing="refused")]
    rows += [row(n, score=1.0 + n / 10, improved=True, standing="promoted") for n in (2, 1)]
    rows += [row(4, score=9.0, standing="barred"), row(5, score=5.0, outcome="policy_error")]

    board = [dict(zip(HEADERS, cells, strict=True)) for cells in leaderboard(rows)]

    assert [line["attempt"] for line in board] == ["2/0", "5/0", "3/0", "1/0", "0/0", "4/0"]
    assert [line["train"] for line in board[:2]] == ["1.200", "5.000"]
    standings = [line["standing"] for line in board]
    assert standings == ["promoted", "policy_error", "refused", "promoted", "baseline", "barred"]


def test_the_score_on_test_leads_where_there_is_one_and_empty_columns_are_left_out() -> None:
    best = row(1, score=7.575, validation_score=5.689, improved=True, standing="promoted")
    tested = {best.candidate or "": 6.426}

    headers, rows = board([row(0), best], tested=tested)

    assert scores_text(best, tested) == "6.426 on test (5.689 on validation, 7.575 on train)"
    assert scores_text(best, {}) == "5.689 on validation (7.575 on train)"
    assert headers == ("rank", "name", "attempt", "test", "validation", "train", "standing")
    assert rows[0][3:] == ("6.426", "5.689", "7.575", "promoted")
    assert "test" not in board([row(0), best])[0]


def test_a_live_row_says_at_80_columns_why_a_better_score_was_refused() -> None:
    interval = "4.3 % worse (95 % confidence interval 9.0 worse to 1.0 better, 3 scenarios)"
    detail = f"on validation against 0/3: {interval}; not better"
    gamed = f"gamed: by speed, on validation against 0/3: {interval}; but waiting 9.1 % worse (95"
    failed: dict[str, Any] = {
        "outcome": "policy_error",
        "problem": "no\n step" * 40,
        "problem_line": 4,
    }
    rows = [
        row(5, 1, score=7.76, validation_score=5.179, standing="refused", standing_detail=detail),
        row(6, score=7.76, validation_score=5.179, standing="refused", standing_detail=gamed),
        row(7, **failed),
        row(8, score=7.8, validation_score=5.6, standing="promoted", improved=True),
    ]

    lines = [live_line(each, 80) for each in rows]

    assert lines[0].endswith("   7.760   5.179  refused: not better on validation")
    assert "  refused: waiting 9.1 % worse" in lines[1]
    assert "policy_error: line 4: no step" in lines[2] and lines[2].endswith("…")
    assert lines[3].endswith("  promoted: the best so far")
    assert max(map(len, lines)) <= 80


def test_a_search_that_continues_shows_what_it_found_before() -> None:
    earlier = (row(0, improved=True), row(1), row(2, score=1.5, improved=True), row(3, score=0.2))
    spend = Spend(candidates=3, seconds=30)
    began = Began(experiment_id="e", config=config(), scenarios=2, earlier=earlier, spend=spend)

    shown = advance(Progress(), began)

    assert (shown.curve, shown.best) == ((1.0, 1.0, 1.5, 1.5), earlier[2])
    assert (shown.tried, shown.recent) == (3, earlier)
    assert time_left_seconds(shown) == pytest.approx(10)


HAPPENINGS: list[tuple[Happening, str | None]] = [
    (Preparing(step="starting a server"), "starting a server"),
    (
        Began(experiment_id="e-1", config=config(), scenarios=2, earlier=(row(0),), resumed=True),
        "experiment e-1 continues after 1 attempt: suite smoke (2 train scenarios), 4 candidates "
        "from the offline proposer, 1 at a time",
    ),
    (Working(iteration=1, slot=0, hop="try", title="p"), None),
    (
        Settled(row=row(1, improved=True), best=row(1), spend=Spend(candidates=1, seconds=9)),
        f"   1/0  ok                1.000* best 1.000  {name_of(row(1))}: policy 1",
    ),
    (
        Settled(
            row=row(2, outcome="load_error", score=0.2, problem="no\n step", problem_line=4),
            best=row(1),
            spend=Spend(candidates=2, seconds=20),
        ),
        f"   2/0  load_error        0.200  best 1.000  {name_of(row(2))}: policy 2  "
        "(line 4: no step)",
    ),
    (
        Lost(iteration=3, slot=1, message="gone"),
        "   3/1  lost (not the fault of a policy): gone",
    ),
    (Notice(message="wait"), "wait"),
    (Stepped(what="mutants tried", done=2, total=30), "mutants tried: 2 of 30"),
]


def test_a_log_has_one_line_for_each_attempt() -> None:
    progress, lines = Progress(), []
    for happening, _ in HAPPENINGS:
        progress = advance(progress, happening)
        lines.append(plain_line(progress, happening))

    assert lines == [line for _, line in HAPPENINGS]
    assert (progress.tried, progress.lost, progress.working) == (2, 1, {})
    assert (time_left_seconds(progress), rate_text(progress)) == (None, "")  # no candidate is left


def test_time_left_goes_by_candidates_alone_and_grows_while_one_takes_long() -> None:
    began, baseline = HAPPENINGS[1][0], row(0)
    progress = advance(Progress(), began)
    for settled in (Spend(seconds=30), Spend(candidates=1, seconds=34)):
        progress = advance(progress, Settled(row=baseline, best=None, spend=settled))

    assert time_left_seconds(progress) == 12.0
    assert rate_text(progress) == "15.0 a minute"
    assert time_left_seconds(later(progress, 16)) == 60.0
    done = Settled(row=baseline, best=None, spend=Spend(candidates=4, seconds=50))
    assert time_left_seconds(advance(progress, done)) is None


def test_the_curve_of_the_best_rises_to_the_right() -> None:
    assert sparkline([1.0, 1.5, 2.0]) == "▁▅█"
    assert sparkline([]) == ""
    assert len(sparkline([1.0] * 99, width=40)) == 40


def test_what_a_model_cost_is_said_and_what_is_not_known_too() -> None:
    assert spend_text(Spend()) == ""
    assert spend_text(Spend(calls=2, tokens=30, dollars=0.5, unpriced_calls=1)) == (
        "2 calls, 30 tokens, $0.5000 and 1 call of unknown price"
    )


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert for_log("a\x1b[31m\nb\u202e") == "a\ufffd[31m b\ufffd"
