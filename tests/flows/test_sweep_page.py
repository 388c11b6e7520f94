"""The table and the page of a sweep: rows over seeds, intervals, curves, and text that attacks."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from flows.report.sweep import Moment, SweepSearch, curve, moments, objectives_of, pairs, sweep_rows
from flows.report.sweep_page import build_sweep, render, sweep_table
from tests.support.sweep_searches import searched, sweep_searches

HOSTILE = "</script><script>window.attacked = 1</script>\u202e<img src=x>"


def test_a_row_has_all_seeds_and_its_score_is_their_geometric_mean() -> None:
    cheap, strong, offline = sweep_rows(sweep_searches())
    objective, *_ = objectives_of(cheap.data[0])

    first, second = (each.scores(objective) for each in cheap.found)

    assert [row.name for row in (cheap, strong, offline)] == [
        "cheap, refine",
        "strong, refine",
        "offline, refine",
    ]
    assert cheap.scores(objective) == pytest.approx(
        {name: (first[name] * second[name]) ** 0.5 for name in first}
    )
    assert (len(offline.found), len(offline.searches)) == (1, 2)
    assert cheap.spend.calls == cheap.spend.candidates == 16
    assert offline.spend.calls == 0 and cheap.spend.dollars == pytest.approx(16 * 0.0125)


def test_rows_are_compared_over_the_scenarios_of_one_split() -> None:
    cheap, strong, _ = rows = sweep_rows(sweep_searches())
    objective, *_ = objectives_of(cheap.data[0])

    between = pairs(rows, objective)
    forth, back = between[cheap.place, strong.place], between[strong.place, cheap.place]

    assert forth.mean == pytest.approx(-back.mean)
    assert forth.scenarios == 3
    assert forth.mean == pytest.approx(_mean(cheap, objective) - _mean(strong, objective))


def _mean(row: Any, objective: Any) -> float:
    gain = row.gain(objective)
    assert gain is not None
    return float(gain.mean)


def test_a_curve_has_the_mean_the_lowest_and_the_highest_over_seeds() -> None:
    cheap, *_ = sweep_rows(sweep_searches())
    ends = [moments(data)[-1].score for data in cheap.data]

    points = curve(cheap, lambda each: each.candidates)
    dollars = curve(cheap, lambda each: each.dollars)

    assert points[0][1:] == pytest.approx((1.4, 1.4, 1.4))
    assert points[-1] == pytest.approx((8, (ends[0] * ends[1]) ** 0.5, min(ends), max(ends)))
    assert dollars[-1][0] == pytest.approx(8 * 0.0125)
    assert [each[0] for each in points] == sorted({each[0] for each in points})


def test_the_best_so_far_begins_with_the_best_baseline() -> None:
    [first, *_] = moments(searched(sweep_searches()[0].member))

    assert first == Moment(candidates=0, dollars=0.0, minutes=0.0, score=1.4)


def test_the_table_says_who_leads_what_failed_and_what_has_not_begun() -> None:
    table = sweep_table("made up", sweep_searches())

    assert table.title == "made up: gain over naive on 3 train scenarios"
    assert table.headers[:2] == ("model", "seeds")  # one effort and one strategy need no column
    assert re.match(r"(cheap|strong), refine leads on train: against naive", table.lines[0])
    assert "against offline, refine" in table.lines[0]
    assert "failures of cheap, refine: policy_error 2" in table.lines
    assert table.lines[-1] == "offline, refine, seed 2: not begun: no room"
    assert all(len(row) == len(table.headers) for row in table.rows)


def test_what_was_published_about_the_suite_is_a_table_of_its_own() -> None:
    found = []
    for each in sweep_searches():
        data = each.data
        if data is not None:
            data = replace(data, experiment=replace(data.experiment, suite="paper"))
        found.append(replace(each, data=data))

    table = build_sweep("paper", found).published

    assert table.title == "The paper's setting"
    assert "containers per second, median" in table.columns[1]
    assert "it reports +371.1 %" in table.columns[1]
    assert {row[0] for row in table.rows} == {"cheap, refine", "strong, refine", "offline, refine"}
    assert {row[1] for row in table.rows} == {"+0.0 %"}  # all have the throughput of naive


def test_a_sweep_that_has_begun_nothing_has_a_page_too() -> None:
    new = [replace(each, data=None, status="new") for each in sweep_searches()]

    view = build_sweep("new", new)

    assert view.verdict == "no search has found anything yet"
    assert "0 of 6 searches have ended, 6 have not begun." in render(view)


def test_no_text_of_a_model_or_a_policy_acts_on_the_page() -> None:
    view = build_sweep(HOSTILE, [_attacked(each) for each in sweep_searches(HOSTILE, "b")], HOSTILE)

    page = render(view)

    assert "<script>window.attacked" not in page and "<img src=x" not in page
    assert "\u202e" not in page and "⟨U+202E⟩" in page
    specs = [drawing["spec"] for drawing in view.payload["drawings"].values()]
    assert "attacked" not in json.dumps(specs)


def _attacked(search: SweepSearch) -> SweepSearch:
    data = search.data
    if data is None:
        return replace(search, note=HOSTILE)
    rows = tuple(replace(row, title=HOSTILE) if row.iteration else row for row in data.candidates)
    return replace(search, note=HOSTILE, data=replace(data, candidates=rows))
