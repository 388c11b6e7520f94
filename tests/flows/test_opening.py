"""The first screen of a report: a verdict in short sentences, the gain drawn, what to do next."""

from dataclasses import replace
from typing import Any

from flows.names import name_of
from flows.report.data import ReportData
from flows.report.opening import drawn_gain, idea, opening
from flows.report.page import build_view, render
from tests.support.guarded_rows import guarded_rows
from tests.support.history_rows import candidate


def with_test(low: float | None, mean: float, high: float | None, **more: Any) -> ReportData:
    """A search whose best was tried on test, with this gain over the baseline priority."""
    data = guarded_rows(12)
    assert data.best is not None
    bar = data.baselines[1]
    detail = {
        "candidate": data.best.candidate,
        "score": 6.426,
        "baseline": bar.title,
        "baseline_candidate": bar.candidate,
        "baseline_score": 6.492,
        "scenarios": 3,
        "level": 0.95,
        "gain_low_percent": low,
        "gain_percent": mean,
        "gain_high_percent": high,
        **more,
    }
    event = replace(data.events[-1], detail=detail)
    return replace(data, events=(*data.events[:-1], event))


def test_the_verdict_comes_in_short_sentences_and_the_score_on_test_leads() -> None:
    data = with_test(-9.1, -1.0, 5.6)

    shown = opening(data)

    assert data.best is not None
    name = name_of(data.best)
    assert shown.headline == f"{name} is not significantly better than the best baseline, priority."
    assert (
        shown.sentences[0] == "On 3 test scenarios it scores 6.43, priority 6.49 (naive scores 1)."
    )
    assert "With 3 scenarios the interval is approximate." in shown.sentences
    assert [split for split, _ in shown.scores] == ["test", "validation", "train"]
    assert max(len(each) for each in (shown.headline, *shown.sentences)) < 120


def test_the_interval_is_drawn_around_no_difference() -> None:
    gain = opening(with_test(-9.1, -1.0, 5.6)).gain
    better = opening(with_test(4.0, 9.0, 14.0)).gain
    worse = opening(with_test(-14.0, -9.0, -4.0)).gain

    assert gain is not None and better is not None and worse is not None
    assert (gain.kind, better.kind, worse.kind) == ("unsure", "better", "worse")
    assert gain.low is not None and gain.high is not None
    assert gain.low.at < gain.mean.at < gain.zero.at < gain.high.at
    assert gain.words.replace("\N{NO-BREAK SPACE}", " ") == (
        "Gain over priority on 3 test scenarios: 1.0 % worse; 95 % confidence interval 9.1 % worse "
        "to 5.6 % better"
    )


def test_one_scenario_has_no_interval_and_a_gain_without_bound_reaches_the_edge() -> None:
    one = drawn_gain("naive", "1 test scenario", (None, 3.0), None, "95 %")
    open_above = drawn_gain("naive", "2 test scenarios", (1.0, 3.0), None, "95 %")

    assert one.low is None and one.high is None and "no interval" in one.words
    assert open_above.high is not None
    assert (open_above.high.at, open_above.high.words) == (100.0, "no upper bound")


def test_a_policy_is_described_by_two_sentences_of_its_own() -> None:
    text = '"""Queries first. Each\\nhas a container.\\n\\ngenome: a=1 b=2\\n\\nMore."""\n'

    assert idea(candidate(source=text.encode().decode("unicode_escape"))) == (
        "Queries first. Each has a container."
    )
    assert idea(candidate(source="x = 1", title="greedy")) == "greedy"
    assert idea(candidate(source="def broken(:", title="greedy")) == "greedy"


def test_next_comes_a_longer_search_unless_the_best_is_better() -> None:
    unsure, better = opening(with_test(-9.1, -1.0, 5.6)), opening(with_test(4.0, 9.0, 14.0))
    budget = {"name": "made-up", "budget": {"candidates": 24}}
    data = with_test(-9.1, -1.0, 5.6)
    longer = opening(replace(data, experiment=replace(data.experiment, config=budget)))

    assert unsure.next_steps[0].command.startswith("assay show ")
    assert [step.command for step in longer.next_steps if "longer" in step.words] == [
        "assay run --name made-up --candidates 96"
    ]
    assert not any("longer" in step.words for step in better.next_steps)


def test_a_search_that_runs_says_how_to_continue_it() -> None:
    data = guarded_rows(6)
    row = replace(data.experiment, status="interrupted", config={"name": "made-up"})

    steps = opening(replace(data, experiment=row, events=())).next_steps

    assert steps[0].command == "assay run --name made-up"


def test_what_no_search_made_is_neither_continued_nor_searched_longer() -> None:
    data = guarded_rows(6)
    for status in ("running", "finished"):
        row = replace(data.experiment, status=status, strategy="folder")

        steps = opening(replace(data, experiment=row)).next_steps

        assert not any("earch" in step.words for step in steps)


def test_the_page_shows_it_first_and_nothing_of_it_is_markup() -> None:
    data = with_test(-9.1, -1.0, 5.6, baseline="<b>bold</b>")

    page = render(build_view(data))

    assert page.index('id="opening"') < page.index('class="tiles"') < page.index('id="curve"')
    assert "<b>bold" not in page and "&lt;b&gt;bold" in page
