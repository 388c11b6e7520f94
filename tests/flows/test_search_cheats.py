"""Planted cheats in real cells: each is caught, and the best policy that is kept is not theirs."""

from pathlib import Path
from typing import Any, cast

import pytest

from flows.experiment import Finished, run_experiment
from flows.history.journal import read_rows
from flows.history.records import CandidateRow, EventRow
from flows.judging.splits import Splits, suite_splits
from flows.search.progress import ignore
from flows.settings.search import SearchConfig, experiment_id, load_config
from simulator.domains.pipelines.library import PIPELINES
from tests.support import model_server as behaves
from tests.support.cheats import GAMER, HONEST, beginning, knows
from tests.support.model_server import ModelServer
from tests.support.small_suite import write_suite

SEEDS = {"train": (1, 2, 3), "validation": (12, 13, 14, 16, 17), "test": (22, 23)}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten overloaded scenarios of a minute, each of which begins in a way of its own."""
    path = write_suite(tmp_path_factory.mktemp("suite"), SEEDS, duration=60, num_pipelines=5)
    beginnings = [
        tuple(beginning(cast(Any, each))) for each in suite_splits(str(path), PIPELINES).every
    ]
    assert len(set(beginnings)) == len(beginnings)
    return path


def search(
    home: Path, suite: Path, *policies: str, **settings: Any
) -> tuple[Finished, list[CandidateRow], list[EventRow]]:
    """Search with a model that answers these policies, one after the other."""
    with ModelServer(*(behaves.policy(each) for each in policies)) as server:
        config = _config(suite, server.url, len(policies), settings)
        finished = run_experiment(config, home, ignore, environment={})
    rows = list(read_rows(home, experiment_id(config)))
    tried = [row for row in rows if isinstance(row, CandidateRow) and row.iteration > 0]
    return finished, tried, [row for row in rows if isinstance(row, EventRow)]


def _config(suite: Path, url: str, candidates: int, settings: dict[str, Any]) -> SearchConfig:
    chosen = {
        "suite": str(suite),
        "cell": "process",
        "baselines": ["naive"],
        "budget.candidates": candidates,
        "proposer.kind": "openai",
        "proposer.model": "any",
        "proposer.base_url": url,
        **settings,
    }
    return load_config(None, chosen)


def test_the_overfitted_and_the_lucky_are_caught_and_the_honest_is_kept(
    tmp_path: Path, suite: Path
) -> None:
    splits = suite_splits(str(suite), PIPELINES)
    overfitted = knows(cast(Any, splits.train), "Knows the train scenarios.")
    lucky = knows(_one_of_each(splits), "Was lucky twice.")

    finished, tried, events = search(tmp_path, suite, overfitted, lucky, HONEST)

    assert [(row.outcome, row.standing) for row in tried] == [
        ("ok", "barred"),
        ("ok", "refused"),
        ("ok", "promoted"),
    ]
    assert tried[0].score == pytest.approx(tried[2].score)
    assert tried[0].standing_detail.startswith("gap alarm")
    assert tried[1].standing_detail.endswith("not statistically significant")
    kinds = [event.kind for event in events if event.iteration]
    assert kinds == ["gap_alarm", "refused", "new_best", "audit", "test"]
    assert finished.best_policy is not None
    assert finished.best_policy.read_text(encoding="utf-8") == HONEST
    assert finished.result.verdict.startswith("Significantly better than the best baseline on")


@pytest.mark.docker
@pytest.mark.nightly
def test_the_metric_gamer_is_refused_by_its_metric_and_gains_nothing_by_ours(
    tmp_path: Path, suite: Path
) -> None:
    shared = {"baselines": ["naive", "shortest-first"], "guards.test": False}
    legacy = {"objective": "legacy_throughput", "cell": "docker"}
    by_throughput = search(tmp_path, suite, GAMER, **legacy, **shared)
    by_latency = search(tmp_path, suite, GAMER, **shared)

    (gamer,) = by_throughput[1]
    best_baseline = by_throughput[0].result.candidates[1]
    assert (gamer.score or 0) > 1.5 * (best_baseline.score or 0)
    assert (gamer.standing, gamer.standing_detail[:6]) == ("refused", "gamed:")
    (plain,) = by_latency[1]
    assert plain.standing == "" and (plain.score or 0) < 1.2
    for finished in (by_throughput[0], by_latency[0]):
        assert finished.best_policy is not None
        assert finished.result.best is not None
        assert finished.result.best.title == "shortest-first"


def _one_of_each(splits: Splits) -> tuple[Any, Any]:
    return splits.train[0], splits.validation[0]
