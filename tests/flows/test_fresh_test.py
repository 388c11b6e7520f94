"""A fresh test is drawn at the end of a search from a seed that nothing and nobody saw before."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.errors import ConfigError
from flows.experiment import Finished, run_experiment
from flows.history.journal import read_rows
from flows.history.records import EvaluationRow, EventRow, ExperimentRow
from flows.judging.splits import suite_splits
from flows.search.progress import ignore
from flows.settings.search import SearchConfig, experiment_id, load_config
from sandbox.outcome import Trial
from sandbox.trial import Payload
from simulator.domains.pipelines.library import PIPELINES
from simulator.suites import traces_folder
from tests.support.command import assay
from tests.support.search_fakes import FakeSandbox
from tests.support.small_suite import write_suite

SEED = 8_675_309


class Trials(FakeSandbox):
    """Fakes that count what a policy is worth by the length of its source."""

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        self.seen = [*getattr(self, "seen", []), source]
        return super().try_policy(f"latency = {60 - len(source) % 50} {source}", scenarios)

    def prepare(self, scenarios: int) -> None: ...

    def info(self) -> dict[str, Any]:
        return {}


def run(home: Path, fresh_test: int | None, **settings: Any) -> tuple[Finished, Trials]:
    trials = Trials()

    @contextmanager
    def opened(_: object) -> Iterator[Trials]:
        yield trials

    return run_experiment(chosen(fresh_test, **settings), home, ignore, open_trials=opened), trials


def chosen(fresh_test: int | None, **settings: Any) -> SearchConfig:
    given = {key.replace("__", "."): value for key, value in settings.items()}
    return load_config(
        None, {"budget.candidates": 3, "baselines": [], "guards.fresh_test": fresh_test, **given}
    )


def touched(home: Path) -> list[EventRow]:
    rows = read_rows(home, experiment_id(chosen(None)))
    return [row for row in rows if isinstance(row, EventRow) and row.kind == "test"]


@pytest.mark.parametrize(
    "suite", ["smoke", "paper", pytest.param("mixed", marks=pytest.mark.nightly)]
)
def test_every_test_scenario_of_a_shipped_suite_is_drawn_anew(suite: str) -> None:
    splits = suite_splits(suite, PIPELINES, fresh_test=SEED)
    assert splits.fresh is not None

    drawn, again = splits.final_test().scenarios, splits.final_test().scenarios
    other = suite_splits(suite, PIPELINES, fresh_test=SEED + 1).final_test().scenarios

    assert drawn == again
    assert splits.fresh.left_out == ()
    hashes = {each.sha256 for each in (*splits.every, *drawn, *other)}
    assert len(hashes) == len(splits.every) + 2 * len(splits.test), "two scenarios are the same"
    assert [each.family for each in drawn] == [each.family for each in splits.test]
    assert [each.duration_seconds for each in drawn] == [e.duration_seconds for e in splits.test]


def test_what_no_generator_made_is_named_and_left_out(tmp_path: Path) -> None:
    traces = shutil.copytree(traces_folder(), tmp_path / "traces")
    foreign = "smoke-branching-4"
    (traces / "smoke" / f"{foreign}.toml").unlink()

    splits = suite_splits(str(traces / "suites" / "smoke.toml"), PIPELINES, fresh_test=SEED)

    assert splits.fresh is not None
    assert [line.partition(",")[0] for line in splits.fresh.left_out] == [foreign]
    assert len(splits.final_test().scenarios) == len(splits.test) - 1
    assert any(line.startswith("left out of the fresh test: ") for line in splits.doubts())


def test_a_suite_of_which_nothing_can_be_drawn_is_refused_in_words(tmp_path: Path) -> None:
    traces = shutil.copytree(traces_folder(), tmp_path / "traces")
    for header in (traces / "smoke").glob("*.toml"):
        header.write_text('source = "somewhere"\nseed = 4\n', encoding="utf-8")
    for trace in (traces / "smoke").glob("*-4.toml"):
        trace.write_text('source = "a guess"\nseed = 5\n', encoding="utf-8")

    with pytest.raises(ConfigError, match=r"no test scenario of suite .* can be redrawn: smoke-"):
        suite_splits(str(traces / "suites" / "smoke.toml"), PIPELINES, fresh_test=SEED)


def test_the_verdict_says_which_test_it_was(tmp_path: Path) -> None:
    shipped, _ = run(tmp_path / "shipped", None)
    fresh, _ = run(tmp_path / "fresh", SEED)

    assert "on the test scenarios of the suite" in shipped.result.verdict
    assert "seed" not in shipped.result.test
    assert f"on fresh test scenarios (drawn with seed {SEED})" in fresh.result.verdict
    assert fresh.result.test["seed"] == SEED
    assert fresh.report is not None
    assert f"drawn with seed {SEED}" in fresh.report.read_text(encoding="utf-8")
    assert fresh.result.experiment_id == shipped.result.experiment_id


def test_the_seed_is_nowhere_until_the_test_is_drawn(tmp_path: Path) -> None:
    _, trials = run(tmp_path, SEED)

    rows = list(read_rows(tmp_path, experiment_id(chosen(None))))
    tested = [isinstance(row, EvaluationRow) and row.split == "test" for row in rows]
    before = rows[: tested.index(True)]
    named = [row for row in before if str(SEED) in repr(row)]
    assert [type(row).__name__ for row in named] == ["ScenarioRow"] * 3, (
        "naive is tried there first"
    )
    assert not any(str(SEED) in source for source in trials.seen)
    assert str(SEED) not in repr(chosen(SEED)) + chosen(SEED).model_dump_json()
    [experiment] = {row.config_sha256 for row in rows if isinstance(row, ExperimentRow)}
    assert experiment_id(chosen(SEED)).endswith(experiment[:8])


def test_an_ended_search_is_tested_anew_without_trying_candidates_again(tmp_path: Path) -> None:
    run(tmp_path, None)

    other, trials = run(tmp_path, SEED)
    same, idle = run(tmp_path, SEED)
    third, _ = run(tmp_path, SEED + 1)

    assert {name for _, names in trials.trials for name in names} == {
        f"smoke-{family}-4-fresh-{SEED}" for family in ("memory-fixed", "all-scalings", "branching")
    }
    assert (same.result.already_done, idle.trials) == (True, [])
    assert same.result.verdict == other.result.verdict
    assert [event.detail.get("seed") for event in touched(tmp_path)] == [None, SEED, SEED + 1]
    assert all(event.detail["touched"] == 1 for event in touched(tmp_path))
    rows = read_rows(tmp_path, third.result.experiment_id)
    warnings = [r.message for r in rows if isinstance(r, EventRow) and r.kind == "warning"]
    assert [line for line in warnings if "3 sets of test scenarios" in line]


def test_a_search_killed_in_its_fresh_test_goes_on_with_it(tmp_path: Path) -> None:
    whole, _ = run(tmp_path / "whole", SEED)
    home = tmp_path / "home"
    shutil.copytree(tmp_path / "whole" / "journal", home / "journal")
    [journal] = (home / "journal").glob("*.jsonl")
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if '"split":"test"' in line and _is_try(line))
    journal.write_text("".join(lines[: first + 2]), encoding="utf-8")

    resumed, _ = run(home, SEED)

    assert resumed.result.verdict == whole.result.verdict
    assert len(touched(home)) == 1


def test_a_seed_without_a_test_is_refused() -> None:
    with pytest.raises(ConfigError, match="fresh_test has no effect while test is false"):
        chosen(SEED, guards__test=False)


def test_the_flag_gives_the_same_as_the_configuration(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, {"train": [1], "test": [2, 3]})
    common = ["run", "--direct", "--cell", "process", "--candidates", "1", "--baseline", "naive"]
    arguments = [*common, "--suite", str(suite), "--fresh-test", "7", "--json"]

    refused = assay(*arguments, home=tmp_path)
    text = suite.read_text(encoding="utf-8")
    generated = re.sub(r'trace = "small-(\d+).csv"', r"params = { random_seed = \1 }", text)
    suite.write_text(generated, encoding="utf-8")
    done = assay(*arguments, home=tmp_path)

    assert refused.returncode == 2
    assert "can be redrawn: small-2, whose trace small-2.csv no generator" in refused.stderr
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout.splitlines()[-1])
    assert ended["test"]["seed"] == 7
    assert "drawn with seed 7" in assay("show", "best", home=tmp_path).stdout


def _is_try(line: str) -> bool:
    return bool(json.loads(line)["kind"] == "evaluation")
