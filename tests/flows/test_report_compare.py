"""The best attempt beside the baselines: no comparison leaves a failure out."""

from dataclasses import replace
from pathlib import Path

from flows.report.compare import (
    class_choices,
    contenders,
    figure_lines,
    listed,
    published_tables,
    scenario_scores,
    score_axis,
)
from flows.report.panels import MAX_POINTS, class_panel, thin
from simulator.domain import find_domain, open_domain
from tests.support.report_rows import search_rows


def test_scores_by_scenario_mark_the_leader_and_end_with_the_mean() -> None:
    data = search_rows(12)

    lines = scenario_scores(data, contenders(data)).lines

    assert [line.label for line in lines][-1] == "all 3 train scenarios"
    assert all(line.leaders == (0,) and line.cells[1] == "1.00" for line in lines)


def test_a_figure_that_is_missing_somewhere_is_not_averaged_over_the_rest() -> None:
    data = search_rows(12)
    gone = data.tries[0, 1][0]
    evaluations = tuple(
        replace(row, metrics=None) if row is gone else row for row in data.evaluations
    )

    lines = figure_lines(replace(data, evaluations=evaluations), contenders(data))

    kills = next(line for line in lines if line.label == "out-of-memory (OOM) kills")
    assert kills.cells == ("9", "9", "–")


def test_a_policy_that_failed_somewhere_has_no_figures_by_class_over_all_scenarios() -> None:
    data = search_rows(12)
    gone = data.tries[0, 1][0]
    evaluations = tuple(
        replace(row, metrics=None, outcome="cpu_limit") if row is gone else row
        for row in data.evaluations
    )
    data = replace(data, evaluations=evaluations)

    choices = class_choices(data, contenders(data))

    notes = {choice.name: {row.note for row in choice.rows} - {""} for choice in choices}
    assert notes == {
        "all 3 train scenarios": {"cpu_limit on 1 of 3"},
        "scenario-0": {"cpu_limit"},
        "scenario-1": set(),
        "scenario-2": set(),
    }


def test_counts_are_added_up_and_means_are_weighted_over_the_scenarios() -> None:
    data = search_rows(12, 2)
    tables = [
        {"arrived": 9, "completed": 1, "timed_out": 0, "mean": 10.0, "p50": 1, "p95": 1, "p99": 1},
        {
            "arrived": 9,
            "completed": 3,
            "timed_out": 0,
            "mean": 2.0,
            "p50": 1,
            "p95": None,
            "p99": 1,
        },
    ]
    place = {"scenario-0": 0, "scenario-1": 1}
    evaluations = tuple(
        replace(row, metrics={"latency": {"query": tables[place[row.scenario]]}})
        for row in data.evaluations
    )
    data = replace(data, evaluations=evaluations)

    both = class_choices(data, contenders(data))[0].rows[0]

    assert (both.key, both.values) == ("query", (18.0, 4.0, 0.0, 4.0, 1.0, None, 1.0))


def test_a_panel_of_classes_has_their_labels_and_the_data_of_each_choice() -> None:
    data = search_rows(12)

    panel = class_panel(data, contenders(data))

    assert panel.names[0] == "all 3 train scenarios"
    titles = [chart["title"] for chart in panel.content["choices"][0]]
    assert titles == ["query", "interactive", "batch", "all priorities"]


def test_what_runs_list_is_added_up_over_the_scenarios() -> None:
    data = search_rows(12)

    (table,) = listed(data, contenders(data))

    assert table.title == "Out-of-memory (OOM) kills by size"
    assert table.columns == ("requested, GB", "needed, GB", "kills")
    assert table.rows[:2] == (("best found", "16", "20.5", "6"), ("best found", "8", "9", "3"))


def test_scores_that_differ_much_are_drawn_by_their_logarithm() -> None:
    assert not score_axis([1.0, 2.0]).log
    assert score_axis([0.1, 2.0]).log
    assert score_axis([0.0]).low < 1 < score_axis([]).high
    places = [score_axis([1.0, 2.0]).percent(score) for score in (-5.0, 1.0, 1.5, 2.0, 99.0)]
    assert places == [0, 7, 50, 93, 100]


def test_a_domain_shows_what_was_published_about_a_suite_beside_the_policies(
    tmp_path: Path,
) -> None:
    shipped = find_domain("pipelines").root
    spec = (shipped / "domain.toml").read_text(encoding="utf-8")
    named = spec.replace('name = "pipelines"', 'name = "mine"', 1)
    (tmp_path / "domain.toml").write_text(named, encoding="utf-8")
    (tmp_path / "host.py").write_text(PUBLISHED, encoding="utf-8")
    data = replace(search_rows(3), domain=open_domain(tmp_path))

    (table,) = published_tables(data, contenders(data))

    assert table.title == "Smoke"
    assert table.rows == (("priority", "3 scenarios"),)
    other = replace(data, experiment=replace(data.experiment, suite="other"))
    assert published_tables(other, contenders(other)) == ()


PUBLISHED = """
class Smoke:
    def table(self, runs):
        name, rows = list(runs.items())[-1]
        assert all(row.outcome == "ok" and row.metrics for row in rows)
        return {"title": "smoke", "text": "", "columns": ["policy", "of"],
                "rows": [[name, f"{len(rows)} scenarios"]]}

def published(suite):
    return Smoke() if suite == "smoke" else None
"""


def test_a_long_series_is_thinned_to_its_peaks_or_sums() -> None:
    values = [1.0] * 999 + [7.0]

    (peaks, width), (sums, _) = thin(values), thin(values, sum)

    assert len(peaks) <= MAX_POINTS and width == 7
    assert (peaks[-1], sums[0], sum(sums)) == (7.0, 7.0, 1006.0)
