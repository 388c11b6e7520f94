"""The report's content, computed from rows: what is called the best, and what is said about it."""

from dataclasses import replace

from flows.history.records import CandidateRow
from flows.names import name_of
from flows.report.candidates import SharedLines, payload, table_rows
from flows.report.compare import contenders, scenario_scores
from flows.report.data import ReportData, pick_best, slot_of
from flows.report.page import build_view, render
from flows.report.progress import ancestry, place
from flows.report.summary import (
    COST_COLUMNS,
    costs,
    failures,
    lessons,
    status_sentence,
    tiles,
    verdict,
)
from simulator.domain import find_domain
from tests.support.report_rows import experiment_row, search_rows


def rescored(data: ReportData, *scores: float | None) -> tuple[CandidateRow, ...]:
    """The baselines (1.0, 1.4) and attempts with these scores, improved if above all before."""
    rows = list(data.baselines)
    best = 1.4
    for row, score in zip(data.attempts, scores, strict=False):
        improved = score is not None and score > best
        best = score if improved and score is not None else best
        rows.append(replace(row, outcome="ok", score=score, improved=improved, problem=None))
    return tuple(rows)


def test_the_best_is_the_highest_accepted_improvement() -> None:
    rows = rescored(search_rows(3), 1.5, 2.0, 1.9)

    best = pick_best(rows)

    assert best is not None and best.iteration == 2


def test_a_score_that_the_search_did_not_accept_is_not_the_best() -> None:
    rows = rescored(search_rows(3), 1.5, 1.6, 9.0)
    rows = (*rows[:-1], replace(rows[-1], improved=False))

    best = pick_best(rows)

    assert best is not None and best.iteration == 2


def test_without_an_improvement_the_best_is_the_best_that_did_not_fail() -> None:
    rows = rescored(search_rows(3), 0.9, 1.2, 1.3)
    rows = (*rows[:-1], replace(rows[-1], outcome="cpu_limit"))

    best = pick_best(rows)

    assert best is not None and best.score == 1.2


def test_where_no_search_ruled_the_best_is_the_best_that_did_not_fail() -> None:
    rows = [replace(row, improved=False) for row in rescored(search_rows(3), 1.5, 9.0, 1.6)]
    rows[-2] = replace(rows[-2], outcome="cpu_limit")

    best = pick_best(rows)

    assert best is not None and best.score == 1.6


def test_the_verdict_names_the_best_the_gain_and_the_best_baseline() -> None:
    data = replace(search_rows(3), candidates=rescored(search_rows(3), 1.5, 2.1, 1.9))

    assert verdict(data).replace("\N{NO-BREAK SPACE}", " ") == (
        f"The best of 3 candidates, {name_of(data.attempts[1])} (2/0), scores 2.10: 50 % more than "
        "the best baseline, priority (1.40). Its weighted latency is 52 % below that of naive "
        "(geometric mean over the scenarios)."
    )


def test_the_verdict_admits_that_nothing_beat_the_baselines() -> None:
    data = replace(search_rows(2), candidates=rescored(search_rows(2), 0.9, 1.2))

    assert verdict(data).startswith("None of 2 candidates beats the best baseline, priority (1.40)")


def test_the_verdict_of_a_search_in_which_all_failed_says_so() -> None:
    rows = tuple(replace(row, outcome="load_error") for row in rescored(search_rows(2), None, None))

    assert verdict(replace(search_rows(2), candidates=rows)) == (
        "None of 2 candidates completed every scenario."
    )


def test_an_empty_search_has_a_page_too() -> None:
    data = ReportData(
        domain=find_domain("pipelines"),
        experiment=experiment_row(status="running"),
        scenarios=(),
        candidates=(),
        evaluations=(),
    )

    view = build_view(data)

    assert view.verdict == "No candidate has been tried yet."
    assert view.status.startswith("The search is still running, or was killed")
    assert (view.has_curve, view.contest.scores.lines, view.rows) == (False, (), ())
    assert not any(panel.names for panel in view.contest.panels.values())
    assert "<!doctype html>" in render(view)


def test_the_status_tells_of_losses_and_gives_the_detail() -> None:
    data = search_rows(1)
    row = experiment_row(status="finished_with_losses", status_detail="2 attempts were lost")

    assert status_sentence(replace(data, experiment=row)) == (
        "The search ended with attempts lost to infrastructure failures: 2 attempts were lost."
    )


def test_tiles_count_candidates_failures_time_and_cost() -> None:
    shown = {tile.label: tile.value for tile in tiles(search_rows(10))}

    assert shown["candidates tried"] == "10"
    assert shown["failed"] == "2"
    assert shown["wall time"] == "2 min 30 s"
    assert shown["cost of models"] == "$0"


def test_a_replayed_call_costs_nothing_and_an_unknown_price_is_not_zero() -> None:
    data = search_rows(4, model=True)
    first, second, third, fourth = data.calls
    calls = (first, replace(second, replayed=True), replace(third, cost_usd=None), fourth)

    shown = {tile.label: tile for tile in tiles(replace(data, calls=calls))}

    assert shown["cost of models"].value == "$0.0250"
    assert shown["cost of models"].note == (
        "4 calls, 1 of unknown price; $0.0125 per promoted candidate"
    )
    assert costs(replace(data, calls=calls))[0].cells[:3] == ("4", "4", "1")


def test_the_tile_of_costs_hides_no_answer_whose_price_or_tokens_are_unknown() -> None:
    data = search_rows(3, model=True)
    unpriced = replace(data.calls[0], outcome="truncated", cost_usd=None)
    silent = replace(data.calls[1], outcome="bad_reply", cost_usd=None, output_tokens=None)

    shown = {tile.label: tile for tile in tiles(replace(data, calls=(unpriced, silent)))}

    assert shown["cost of models"].note == (
        "2 calls, 1 of unknown price, 1 possibly charged, amount unknown"
    )


def test_failures_come_with_a_message_and_the_line_of_the_source() -> None:
    (kind,) = failures(search_rows(10))

    assert (kind.outcome, kind.attempts, kind.share) == ("policy_error", 2, "20\N{NO-BREAK SPACE}%")
    assert (kind.slot, kind.message) == ("5/0", "ZeroDivisionError: division by zero")
    assert (kind.line, kind.source) == (3, "def step(s, results, pipelines):")


def test_a_failed_baseline_is_not_counted_among_the_attempts() -> None:
    data = search_rows(1)
    naive, priority = data.baselines
    rows = (naive, replace(priority, outcome="cpu_limit"), *data.attempts)

    (kind,) = failures(replace(data, candidates=rows))

    assert (kind.outcome, kind.attempts, kind.share) == ("cpu_limit, baseline", 1, "–")


def test_a_finding_of_the_screen_stands_in_for_a_missing_message() -> None:
    data = search_rows(1)
    finding = {"line": 1, "column": 1, "code": "import", "message": "import of os"}
    row = replace(data.attempts[0], outcome="rejected", findings=[finding], score=0.3)

    (kind,) = failures(replace(data, candidates=(*data.baselines, row)))

    assert (kind.message, kind.line, kind.source) == ("import of os", 1, '"""variation 1"""')


def test_an_implausible_result_is_listed_with_the_failures() -> None:
    rows = rescored(search_rows(2), 1.5, None)
    rows = (*rows[:-1], replace(rows[-1], problem="better than is possible"))

    (kind,) = failures(replace(search_rows(2), candidates=rows))

    assert (kind.outcome, kind.message) == ("ok, but not ranked", "better than is possible")


def test_ancestry_goes_back_to_the_roots_in_order() -> None:
    data = search_rows(3)
    one, two, three = rescored(data, 1.5, 1.6, 1.7)[2:]
    two = replace(two, parents=[one.candidate or ""])
    three = replace(three, parents=[two.candidate or "", one.candidate or "", "unknown"])

    steps = ancestry(replace(data, candidates=(*data.baselines, one, two, three)))

    assert [step.slot for step in steps] == ["1/0", "2/0", "3/0"]
    assert [step.parents for step in steps] == ["", "1/0", "2/0, 1/0"]
    assert [step.change for step in steps] == ["", "+0.10", "+0.10"]


def test_the_tree_puts_the_line_of_the_best_on_top_and_straight() -> None:
    root, left, right, best = (1, 0), (2, 0), (3, 0), (4, 0)

    places = place({root: None, left: root, right: root, best: right}, best)

    assert places == {root: (0, 0), right: (1, 0), best: (2, 0), left: (1, 1)}


def test_a_long_line_of_descent_does_not_overflow_the_stack() -> None:
    parents = {(index, 0): (index - 1, 0) if index else None for index in range(5000)}

    assert place(parents, (4999, 0))[4999, 0] == (4999, 0)


def test_the_table_has_every_attempt_the_best_score_first() -> None:
    rows = table_rows(search_rows(12))

    assert len(rows) == 14
    assert rows[0].kind == "best"
    assert [row.score_key for row in rows] == sorted((row.score_key for row in rows), reverse=True)


def test_the_pool_gives_every_text_back_and_keeps_shared_lines_once() -> None:
    pool = SharedLines()
    first, second = pool.add("a\nb\nc"), pool.add("x\na\nb\nc\n")

    def back(index: int | None) -> str:
        assert index is not None
        runs = pool.texts[index]
        pairs = zip(runs[::2], runs[1::2], strict=True)
        return "\n".join(line for start, size in pairs for line in pool.lines[start : start + size])

    assert (back(first), back(second)) == ("a\nb\nc", "x\na\nb\nc\n")
    assert sorted(pool.lines) == ["", "a", "b", "c", "x"]


def test_the_pool_refuses_to_grow_beyond_its_limit() -> None:
    pool = SharedLines(limit=100)

    pool.add("x" * 90)
    pool.add("y" * 90)

    assert pool.left_out == 1
    assert pool.lines[1].startswith("(left out to keep this page small")


def test_a_candidate_comes_with_the_difference_from_its_parent() -> None:
    data = search_rows(12)
    row = next(row for row in data.attempts if row.parents)

    details = payload(data)
    ((parent, index),) = details["candidates"][f"{row.iteration}/0"]["diffs"]
    start = details["texts"][index][0]

    assert details["lines"][start : start + 2] == [f"--- {parent}", f"+++ {row.iteration}/0"]


def test_a_repeated_evaluation_is_shown_but_not_scored() -> None:
    data = search_rows(1, scenarios=2)
    again = replace(data.tries[1, 0][0], attempt=1, outcome="nondeterministic", score=9.0)
    data = replace(data, evaluations=(*data.evaluations, again))

    rows = payload(data)["candidates"]["1/0"]["evaluations"]

    assert [row[0] for row in rows] == ["scenario-0", "scenario-0, repeat 1", "scenario-1"]
    assert "9.00" not in scenario_scores(data, contenders(data)).lines[0].cells


def test_prompt_and_reply_are_there_when_a_model_was_asked() -> None:
    item = payload(search_rows(3, model=True))["candidates"]["2/0"]

    assert [role for role, _ in item["prompt"]] == ["system", "user"]
    assert item["replies"][0][0] == "a-model, call 0: ok, 4.2 s, 700 tokens out."


def test_lessons_are_computed_from_train_alone() -> None:
    data = search_rows(8, 2)
    made = [
        replace(row, candidate=str(n), parents=[str(n - 1)], source=f"GB = {n}\n", outcome="ok")
        for n, row in enumerate(data.attempts)
    ]
    places = {slot_of(row): n for n, row in enumerate(made)}
    train = [
        replace(each, outcome="ok", score=1.1 ** places[slot_of(each)])
        for each in data.evaluations
        if slot_of(each) in places
    ]
    others = [
        replace(each, split=split, scenario=f"{split}-1", score=1 / (each.score or 1.0))
        for each in train
        for split in ("validation", "test")
    ]

    shown = lessons(replace(data, candidates=tuple(made), evaluations=(*train, *others)))

    assert shown.rows == (("larger GB", "10.0 %", "10.0 to 10.0 %", "7", "0", ""),)
    assert shown.without_effect == ""


def test_how_much_of_the_prompts_begins_as_the_one_before_stands_beside_their_tokens() -> None:
    data = search_rows(3, model=True)
    column = COST_COLUMNS.index("as before")

    assert costs(data)[0].cells[column].endswith("%")
    assert costs(replace(data, calls=data.calls[:1]))[0].cells[column] == "–"
