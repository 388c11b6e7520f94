"""A search on the paper's setting, and the command that repeats a search."""

import shlex
from dataclasses import replace
from typing import Any

from flows.config import load_config
from flows.report.compare import contenders
from flows.report.config import command_line
from flows.report.data import ReportData
from flows.report.paper import paper_table
from flows.settings.sources import assignments
from tests.support.guarded_rows import guarded_rows
from tests.support.report_rows import experiment_row


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

    first, *others = paper_table(data, contenders(data))

    assert first.metric == "containers per second, median"
    assert first.cells == tuple(f"{words}\N{NO-BREAK SPACE}%" for words in ("+200", "0", "+100"))
    assert "it reports +371.1" in first.note and "over 4 traces" in first.note
    assert [line.metric for line in others] == [
        "weighted latency, geometric mean",
        "pipelines completed, median",
    ]


def test_another_suite_has_no_such_table() -> None:
    data = guarded_rows(3)

    assert paper_table(data, contenders(data)) == ()


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
    assert words[:2] == ["assay", "run"]
    assert set(words[2::2]) == {"--set"}
    assert load_config(None, assignments(words[3::2])) == config


def test_the_command_of_an_ordinary_search_is_short() -> None:
    config = load_config(None, {"seed": 3})

    assert command_line(config.model_dump(mode="json")) == "assay run --set seed=3"
