"""``assay traces suite``: traces become a suite with splits, seeds and a cluster."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.domains.pipelines.library import load_suite
from simulator.domains.pipelines.tracefile import read_trace
from tests.support.import_files import alibaba_tasks, azure_2021_rows, swf_log
from tests.support.in_process import Done, command

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def traces(tmp_path: Path, capsys: Capsys) -> list[Path]:
    """Three imported traces, of 2, 1 and 2 pipelines."""
    made = {"swf": swf_log, "azure-2021": azure_2021_rows, "alibaba-2018": alibaba_tasks}
    for name, write in made.items():
        done = command(
            capsys, "traces", "import", name, *write(tmp_path), "--out", tmp_path / f"{name}.csv"
        )
        assert done.code == 0
    return [tmp_path / f"{name}.csv" for name in made]


def make(capsys: Capsys, traces: list[Path], out: Path, *options: Any) -> Done:
    return command(capsys, "traces", "suite", *traces, "--out", out, *options)


def test_traces_become_a_suite_that_a_policy_is_tried_on(
    capsys: Capsys, tmp_path: Path, traces: list[Path]
) -> None:
    cluster = tmp_path / "cluster.toml"
    cluster.write_text("num_pools = 2\ncpus_per_pool = 16\n", encoding="utf-8")
    out = tmp_path / "suites" / "mine.toml"

    done = make(capsys, traces, out, "--params", cluster, "--seed", 3)

    assert (done.code, done.err) == (0, "")
    suite = load_suite(out)
    assert {each.split for each in suite.scenarios} == {"train", "validation", "test"}
    assert [each.name for each in suite.scenarios] == [each.stem for each in traces]
    assert [each.family for each in suite.scenarios] == [each.stem for each in traces]
    assert [each.params.random_seed for each in suite.scenarios] == [3, 4, 5]
    for scenario, trace in zip(suite.scenarios, traces, strict=True):
        assert (scenario.params.num_pools, scenario.params.cpus_per_pool) == (2, 16)
        assert scenario.workload == read_trace(trace, scenario.params.ticks_per_second)
    assert command(capsys, "traces", "check", out).code == 0
    assert command(capsys, "traces", "describe", out).code == 0


def test_windows_of_a_trace_hold_each_pipeline_once_and_every_split_has_some(
    capsys: Capsys, tmp_path: Path
) -> None:
    rows = [f"M1,1,j_{each},1,Terminated,{each},{each + 2},100,1\n" for each in range(1, 401)]
    data, trace, out = tmp_path / "b.csv", tmp_path / "all.csv", tmp_path / "cut.toml"
    data.write_text("".join(rows), encoding="utf-8")
    command(capsys, "traces", "import", "alibaba-2018", data, "--out", trace)

    done = make(capsys, [trace], out, "--windows", 7, "--validation", 0.3, "--test", 0.3, "--json")

    told = json.loads(done.out)
    suite = load_suite(out)
    arrivals = [
        round(number * 400 / 7 + pipeline.arrival_tick / 100)
        for number, scenario in enumerate(suite.scenarios)
        for pipeline in scenario.workload.pipelines
    ]
    assert arrivals == list(range(400))
    assert all(each.params.duration == 400 / 7 for each in suite.scenarios)
    assert [len(suite.split(each)) for each in ("train", "validation", "test")] == [3, 2, 2]
    assert [each["name"] for each in told["scenarios"]] == [f"all-{n}" for n in range(1, 8)]
    assert command(capsys, "traces", "check", out, *sorted(tmp_path.glob("cut-*.csv"))).code == 0


def test_a_seed_decides_the_splits(capsys: Capsys, tmp_path: Path, traces: list[Path]) -> None:
    texts = []
    for seed in (1, 1, *range(2, 9)):
        out = tmp_path / "mine.toml"
        assert make(capsys, traces, out, "--seed", seed).code == 0
        texts.append([each.split for each in load_suite(out).scenarios])

    assert texts[0] == texts[1]
    assert len({tuple(each) for each in texts}) > 1


def test_pipelines_that_no_policy_can_complete_are_counted(
    capsys: Capsys, tmp_path: Path, traces: list[Path]
) -> None:
    cluster = tmp_path / "short.toml"
    cluster.write_text("duration = 12\n", encoding="utf-8")

    done = make(capsys, traces, tmp_path / "mine.toml", "--params", cluster)

    assert "swf: 1 of 2 pipelines arrive after the end of the scenario at 12 s" in done.out
    assert "swf: 1 of 2 pipelines take longer than the 12 s of the scenario" in done.out


def test_a_suite_that_cannot_be_made_is_one_message_and_exit_code_2(
    capsys: Capsys, tmp_path: Path, traces: list[Path]
) -> None:
    other = tmp_path / "settings.toml"
    other.write_text("a = 1\n", encoding="utf-8")
    same = tmp_path / "more" / "swf.csv"
    same.parent.mkdir()
    same.write_bytes(traces[0].read_bytes())
    out = tmp_path / "mine.toml"
    cases: list[tuple[list[Path], Path, list[Any], str]] = [
        (traces[:2], out, [], "2 scenarios are too few"),
        (traces, out, ["--validation", 0.6, "--test", 0.6], "leave none of 3 scenarios"),
        (traces, tmp_path / "mine.csv", [], "expected a file name ending in .toml"),
        (traces, other, [], "is no suite"),
        (traces, traces[0].with_suffix(".toml"), [], "would overwrite the header"),
        ([*traces, same], out, [], "two traces are named swf"),
        ([tmp_path / "none.csv", *traces], out, [], "none.csv: cannot be read"),
        (traces, out, ["--params", other], "unknown parameter 'a'"),
    ]
    for files, place, options, message in cases:
        done = make(capsys, files, place, *options)

        assert done.code == 2, message
        assert message in done.err
        assert done.err.count("\n") == 1
    assert other.read_text(encoding="utf-8") == "a = 1\n"
    assert not out.exists()
