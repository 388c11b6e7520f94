"""The best attempt beside the baselines: no comparison leaves a failure out."""

from dataclasses import replace

from flows.report.compare import (
    contenders,
    figure_lines,
    kill_lines,
    latency_panels,
    scenario_scores,
)
from flows.report.timelines import MAX_POINTS, thin
from tests.support.report_rows import search_rows


def test_scores_by_scenario_mark_the_leader_and_end_with_the_mean() -> None:
    data = search_rows(12)

    lines = scenario_scores(data, contenders(data))

    assert [line.label for line in lines][-1] == "all 3 train scenarios"
    assert all(line.leader == 0 and line.cells[1] == "1.00" for line in lines)


def test_a_figure_that_is_missing_somewhere_is_not_averaged_over_the_rest() -> None:
    data = search_rows(12)
    gone = data.tries[0, 1][0]
    evaluations = tuple(
        replace(row, metrics=None) if row is gone else row for row in data.evaluations
    )

    lines = figure_lines(replace(data, evaluations=evaluations), contenders(data))

    kills = next(line for line in lines if line.label == "out-of-memory (OOM) kills")
    assert kills.cells == ("9", "9", "–")


def test_a_policy_that_failed_somewhere_has_no_latency_over_all_scenarios() -> None:
    data = search_rows(12)
    gone = data.tries[0, 1][0]
    evaluations = tuple(
        replace(row, metrics=None, outcome="cpu_limit") if row is gone else row
        for row in data.evaluations
    )

    panels = latency_panels(replace(data, evaluations=evaluations), contenders(data))

    assert ["cpu_limit" in panel.drawings[0] for panel in panels] == [True, True, False, False]
    assert "cpu_limit on 1 of 3" in panels[0].drawings[0]


def test_kills_of_the_same_size_are_added_over_the_scenarios() -> None:
    data = search_rows(12)

    lines = kill_lines(data, contenders(data))

    assert [(line.requested, line.observed, line.kills) for line in lines[:2]] == [
        ("16", "20.5", 6),
        ("8", "9", 3),
    ]


def test_a_long_series_is_thinned_to_its_peaks() -> None:
    points = thin([0.0] * 999 + [7.0], 0.5)

    assert len(points) <= MAX_POINTS
    assert points[-1] == (497.0, 7.0)
