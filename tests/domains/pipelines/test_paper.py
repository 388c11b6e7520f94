"""The paper's setting: its metric beside two that splitting work cannot raise."""

from typing import Any

import pytest

from flows.judging.splits import library_evaluations, suite_scenarios
from sandbox.outcome import Evaluation, Outcome
from simulator.domains.pipelines.library import PIPELINES
from simulator.domains.pipelines.paper import (
    COMPLETED,
    LATENCY,
    METRICS,
    THROUGHPUT,
    PaperFigure,
    paper_figures,
    paper_lines,
)


def tried(name: str, throughput: float, latency: float, completed: int) -> Evaluation:
    """Return a good evaluation of one trace."""
    return Evaluation(
        scenario=name,
        outcome=Outcome.OK,
        stats={"throughput": throughput},
        metrics={"weighted_latency_seconds": latency, "pipelines_completed": completed},
    )


def failed(name: str) -> Evaluation:
    return Evaluation(scenario=name, outcome=Outcome.POLICY_ERROR)


def gains(figures: list[PaperFigure], policy: str) -> dict[str, Any]:
    return {each.metric: each.gain_percent for each in figures if each.policy == policy}


def test_a_policy_that_splits_work_gains_by_the_papers_metric_alone() -> None:
    naive = [tried(name, 0.1, 300.0, 20) for name in "abc"]
    splitter = [tried(name, 0.8, 300.0, 20) for name in "abc"]

    found = gains(paper_figures({"naive": naive, "splitter": splitter}), "splitter")

    assert found == pytest.approx({THROUGHPUT: 700.0, LATENCY: 0.0, COMPLETED: 0.0})


def test_a_failed_trace_counts_as_nothing_done_and_is_charged_its_duration() -> None:
    naive = [tried(name, 0.1, 300.0, 20) for name in "abc"]
    fragile = [tried("a", 0.4, 150.0, 40), failed("b"), failed("c")]

    figures = paper_figures({"naive": naive, "fragile": fragile})

    found = gains(figures, "fragile")
    assert found[THROUGHPUT] == found[COMPLETED] == -100.0
    assert found[LATENCY] == pytest.approx(100 * ((300**3 / (150 * 600 * 600)) ** (1 / 3) - 1))


def test_policies_are_measured_on_the_traces_that_naive_was_tried_on() -> None:
    naive = [tried("a", 0.1, 300.0, 20)]
    other = [tried("a", 0.2, 150.0, 40), tried("a", 9.9, 1.0, 99), tried("b", 9.9, 1.0, 99)]

    figures = paper_figures({"naive": naive, "other": other})

    assert gains(figures, "other") == pytest.approx(
        {THROUGHPUT: 100.0, LATENCY: 100.0, COMPLETED: 100.0}
    )
    assert {each.traces for each in figures} == {1}


def test_without_naive_there_is_nothing_to_say() -> None:
    assert paper_figures({"other": [tried("a", 0.2, 150.0, 40)]}) == []
    assert paper_lines([]) == []


def test_each_figure_stands_under_its_metric_and_the_papers_under_its_own() -> None:
    naive = [tried("a", 0.1, 300.0, 20)]
    other = [tried("a", 0.4, 150.0, 30)]

    lines = paper_lines(paper_figures({"other": other, "naive": naive}))

    assert lines == [
        "gain over naive on the paper's setting (1 of its 10 traces)",
        "  containers per second, median (the paper's metric; it reports +371.1 %)",
        "    other: +300.0 % (0.4, naive 0.1)",
        "    naive: +0.0 % (0.1, naive 0.1)",
        "  weighted latency, geometric mean",
        "    other: +100.0 % (150.0 s, naive 300.0 s)",
        "    naive: +0.0 % (300.0 s, naive 300.0 s)",
        "  pipelines completed, median",
        "    other: +50.0 % (30, naive 20)",
        "    naive: +0.0 % (20, naive 20)",
    ]


def test_one_operator_per_container_alone_beats_the_papers_figure_by_its_metric() -> None:
    scenarios = suite_scenarios("paper", PIPELINES, "train")

    figures = paper_figures(
        {name: library_evaluations(name, scenarios, PIPELINES) for name in ("naive", "fifo-one")}
    )

    found = gains(figures, "fifo-one")
    assert {each.traces for each in figures} == {5}
    assert found[THROUGHPUT] > 371.1
    assert found[LATENCY] < 15
    assert tuple(found) == METRICS
