"""A search on the paper's setting, and the command that repeats a search."""

import json
import shlex
from dataclasses import replace
from typing import Any

import pytest

from flows.cli.searches import KEYS, overrides, run_command
from flows.history.records import EvaluationRow
from flows.judging.splits import library_evaluations, suite_scenarios
from flows.report.compare import contenders, published_tables
from flows.report.data import ReportData
from flows.report.page import build_view, render
from flows.report.text import command_line
from flows.settings.search import load_config
from flows.settings.sources import assignments
from sandbox.outcome import Evaluation
from simulator.domains.pipelines.library import PIPELINES
from simulator.domains.pipelines.paper import METRICS, paper_figures
from tests.support.guarded_rows import guarded_rows
from tests.support.report_rows import experiment_row, search_rows


def on_the_paper(**figures: float) -> ReportData:
    """A search whose best has 3 containers per second where naive has 1."""
    data = guarded_rows(6, 4)
    throughput = {"naive": 1.0, "priority": 2.0}
    titles = {(row.iteration, row.slot): row.title for row in data.candidates}
    rows = tuple(
        replace(row, stats={"throughput": throughput.get(titles[row.iteration, row.slot], 3.0)})
        for row in data.evaluations
    )
    return replace(data, evaluations=rows, experiment=experiment_row(suite="paper"))


def test_the_papers_figure_stands_beside_ours_with_the_metric_of_each() -> None:
    data = on_the_paper()

    (table,) = published_tables(data, contenders(data))

    gains = ("+200.0 %", "+0.0 %", "+100.0 %")
    assert table.title == "The paper's setting"
    assert table.columns == ("metric", "best found", "naive", "priority")
    assert table.rows[0] == (
        "containers per second, median, over 4 traces (the paper's metric; it reports +371.1 %)",
        *gains,
    )
    assert [row[0] for row in table.rows[1:]] == [
        "weighted latency, geometric mean, over 4 traces",
        "pipelines completed, median, over 4 traces",
    ]


def test_real_evaluations_of_the_papers_traces_fill_the_table_and_the_page() -> None:
    scenarios = suite_scenarios("paper", PIPELINES, "train")[:2]
    data = search_rows(1, 1)
    tried = {(0, 0): "naive", (0, 1): "priority", (1, 0): "fifo-one"}
    real = {slot: library_evaluations(name, scenarios, PIPELINES) for slot, name in tried.items()}
    data = replace(
        data,
        experiment=experiment_row(suite="paper"),
        scenarios=tuple(replace(data.scenarios[0], scenario=each.name) for each in scenarios),
        candidates=tuple(replace(row, improved=True) for row in data.candidates),
        evaluations=tuple(
            _row(data.evaluations[0], slot, each) for slot in tried for each in real[slot]
        ),
    )

    (table,) = published_tables(data, contenders(data))

    figures = paper_figures({tried[slot]: found for slot, found in real.items()})
    gains = {(each.policy, each.metric): each.gain_percent for each in figures}
    for row, metric in zip(table.rows, METRICS, strict=True):
        shown = [float(cell.rstrip("%").replace(",", "")) for cell in row[1:]]
        wanted = [gains[name, metric] for name in ("fifo-one", "naive", "priority")]
        assert shown == pytest.approx(wanted, rel=1e-3, abs=0.06)
    assert (gains["fifo-one", METRICS[0]] or 0.0) > 371.1
    assert "over 2 traces" in table.rows[0][0]
    page = render(build_view(data))
    assert "it reports +371.1" in page and all(cell in page for cell in table.rows[0][1:])


def _row(like: EvaluationRow, slot: tuple[int, int], tried: Evaluation) -> EvaluationRow:
    """Return the row of an evaluation as the history gives it back."""
    figures = json.loads(json.dumps({"stats": tried.stats, "metrics": tried.metrics}))
    iteration, place = slot
    return replace(like, iteration=iteration, slot=place, scenario=tried.scenario, **figures)


def test_another_suite_has_no_such_table() -> None:
    data = guarded_rows(3)

    assert published_tables(data, contenders(data)) == ()


def test_the_command_in_the_report_gives_the_same_configuration() -> None:
    chosen: dict[str, Any] = {
        "name": "mine - again",
        "suite": "paper",
        "baselines": ("naive", "priority"),
        "budget.candidates": 7,
        "budget.minutes": 2.5,
        "proposer.kind": "openai",
        "proposer.models": [{"model": 'a "b"', "weight": 2.0}],
        "limits.policy_cpu_seconds": 9,
        "guards.test": False,
    }
    config = load_config(None, chosen)

    command = command_line(config.model_dump(mode="json"))

    words = shlex.split(command)
    assert words[:2] == ["assay", "run"] and "--candidates" in words
    with run_command.make_context("run", words[2:]) as context:
        flags = {key: value for key, value in context.params.items() if key in KEYS}
    given = {**assignments(context.params["settings"]), **overrides(flags)}
    assert load_config(None, given) == config


def test_the_command_of_an_ordinary_search_is_short() -> None:
    config = load_config(None, {"seed": 3})

    assert command_line(config.model_dump(mode="json")) == "assay run --seed 3"
