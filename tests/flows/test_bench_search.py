"""The measurement of searches: its curves, its files, and its trials without a cell."""

import csv
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import bench_racing
from benchmarks.bench_racing import Pair, Searched
from benchmarks.bench_search import STRATEGIES, best_so_far, search_config, search_one
from benchmarks.in_process_trials import InProcessTrials
from benchmarks.search_curves import Curve, drawing, table, write_csv
from sandbox.outcome import Outcome
from sandbox.trial import Payload
from simulator.domains.pipelines.library import load_suite
from simulator.domains.pipelines.scenario_codec import encode_scenario
from tests.support.history_rows import candidate

CURVES = [
    Curve(
        strategy=strategy, seed=seed, best=(2.0, 2.0 + seed, 5.0), test_score=3.0 + seed,
        bar=2.0, bar_test_score=2.5,
    )
    for strategy in ("refine", "evolve")
    for seed in (1, 2, 3)
]  # fmt: skip


def test_the_table_has_median_and_range_and_the_best_built_in() -> None:
    lines = table(CURVES, [1, 2])

    assert lines[0] == "| strategy | after 1 | after 2 | on test |"
    assert lines[2] == (
        "| refine | 2.00 (2.00 to 2.00) | 4.00 (3.00 to 5.00) | 5.00 (4.00 to 6.00) |"
    )
    assert lines[-1] == "| best built-in | 2.00 | 2.00 | 2.50 |"


def test_the_file_has_a_line_for_each_candidate_of_each_search(tmp_path: Path) -> None:
    write_csv(CURVES, tmp_path / "search.csv")

    rows = list(csv.DictReader((tmp_path / "search.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 6 * 3
    assert rows[1] == {
        "strategy": "refine", "seed": "1", "candidate": "2", "best_validation_score": "3.000000",
    }  # fmt: skip


def test_the_drawing_has_a_line_and_a_band_for_each_strategy_and_the_bar() -> None:
    root = ElementTree.fromstring(drawing(CURVES, "a < b"))

    words = [each.text for each in root.iter() if each.text]
    assert {"refine", "evolve", "best built-in", "a < b"} <= set(words)
    assert len([each for each in root.iter() if each.tag.endswith("path")]) == 4


def test_the_best_so_far_is_the_last_that_was_promoted() -> None:
    rows = [
        candidate(iteration=0, improved=True, validation_score=2.0),
        candidate(iteration=1, improved=False, validation_score=9.0),
        candidate(iteration=2, improved=True, validation_score=3.0),
        candidate(iteration=3, improved=False, validation_score=None),
    ]

    assert list(best_so_far(rows)) == [2.0, 2.0, 3.0, 3.0]


def test_every_strategy_is_searched_with_the_guards_of_a_real_search() -> None:
    configs = [search_config("smoke", strategy, 1, 10) for strategy in STRATEGIES]

    assert [config.strategy for config in configs] == ["refine", "best_of_n", "evolve"]
    assert {config.proposer.kind for config in configs} == {"offline"}
    assert all(config.guards.test for config in configs)


def test_a_policy_that_fails_without_a_cell_is_an_outcome() -> None:
    scenario = load_suite("smoke").split("train")[0]
    payload = Payload(name=scenario.name, data=encode_scenario(scenario))

    trial = InProcessTrials().try_policy("x = 1", [payload])

    assert trial.outcome is Outcome.POLICY_ERROR
    assert trial.evaluations[0].problem is not None


@pytest.mark.nightly
def test_a_short_search_gives_a_curve_with_a_figure_for_each_candidate() -> None:
    curve = search_one(search_config("smoke", "evolve", 3, 2))

    assert len(curve.best) == 2
    assert min(curve.best) >= curve.bar > 1.0
    assert curve.test_score is not None


def test_racing_is_compared_seed_by_seed() -> None:
    plain = Searched(tries=400, work=9000, stopped=0, confirmed=20, validation=2.0, test=3.0)
    pairs = [
        Pair(
            seed=seed,
            plain=plain,
            raced=replace(plain, tries=100, work=4500, stopped=9, test=3.0 * gain),
        )
        for seed, gain in enumerate((1.1, 1.2, 1.3))
    ]

    lines = bench_racing.table(pairs)

    assert lines[2] == (
        "| no | 400 (400 to 400) | 9 (9 to 9) | 0 (0 to 0) | 20 (20 to 20) | 2.00 (2.00 to 2.00) | "
        "3.00 (3.00 to 3.00) |"
    )
    assert (
        lines[-1]
        == "| gain, paired | 25 % | 50 % | | | +0.0 % (+0.0 to +0.0) | +19.7 % (+10.0 to +30.0) |"
    )
