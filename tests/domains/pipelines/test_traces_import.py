"""``assay traces import``: what is taken, what the header tells, what is refused."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from simulator.domains.pipelines.cell import scenario_from_files
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import policy_source
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.tracefile import read_trace
from simulator.domains.pipelines.workload import Workload
from tests.support.import_files import SAMPLES, azure_2019_day, swf_log, wfcommons_instance
from tests.support.in_process import Done, command

Capsys = pytest.CaptureFixture[str]


def read_back(out: Path) -> tuple[Workload, dict[str, Any]]:
    header = tomllib.loads(out.with_suffix(".toml").read_text(encoding="utf-8"))
    return read_trace(out, header["ticks_per_second"]), header


def take(capsys: Capsys, name: str, folder: Path, *options: str | int) -> tuple[Done, Path]:
    """Import the sample of a format; return how that ended and where the trace is."""
    out = folder / "out" / "trace.csv"
    files = SAMPLES[name](folder)
    return command(capsys, "traces", "import", name, *files, "--out", out, *options), out


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format_gives_a_trace_that_passes_its_check(
    capsys: Capsys, tmp_path: Path, name: str
) -> None:
    done, out = take(capsys, name, tmp_path)

    workload, header = read_back(out)
    assert (done.code, done.err) == (0, "")
    assert header["pipelines"] == len(workload.pipelines) > 0
    assert header["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert command(capsys, "traces", "check", out).code == 0
    assert command(capsys, "traces", "describe", out).code == 0


@pytest.mark.parametrize("name", SAMPLES)
def test_an_imported_trace_runs_to_its_end(capsys: Capsys, tmp_path: Path, name: str) -> None:
    _, out = take(capsys, name, tmp_path)
    params = Params(duration=4000, ticks_per_second=10, multi_operator_containers=False)
    scenario = scenario_from_files(out, params)

    run = simulate(scenario.workload, params, local_policy(policy_source("naive")))

    done = run.metrics["pipelines_completed"]
    assert done == run.metrics["pipelines_arrived"] == len(scenario.workload.pipelines)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_header_tells_where_the_trace_comes_from_and_what_is_assumed(
    capsys: Capsys, tmp_path: Path, name: str
) -> None:
    done, out = take(capsys, name, tmp_path)

    _, header = read_back(out)
    assumed = " ".join(header["assumptions"])
    files = {path.name: path for path in SAMPLES[name](tmp_path)}
    assert header["format"] == name
    assert header["source"] and header["licence"]
    assert [each["name"] for each in header["files"]] == list(files)
    for each in header["files"]:
        assert each["sha256"] == hashlib.sha256(files[each["name"]].read_bytes()).hexdigest()
    assert all(word in assumed for word in ("memory", "priority"))
    assert all(each in done.out for each in header["assumptions"])


@pytest.mark.parametrize("name", SAMPLES)
def test_equal_files_and_seed_give_equal_bytes(capsys: Capsys, tmp_path: Path, name: str) -> None:
    _, out = take(capsys, name, tmp_path, "--seed", 3)
    first = out.read_bytes(), out.with_suffix(".toml").read_bytes()

    take(capsys, name, tmp_path, "--seed", 3)

    assert (out.read_bytes(), out.with_suffix(".toml").read_bytes()) == first


def test_another_seed_draws_other_arrivals(capsys: Capsys, tmp_path: Path) -> None:
    _, out = take(capsys, "azure-2019", tmp_path, "--seed", 1)
    first = out.read_bytes()

    take(capsys, "azure-2019", tmp_path, "--seed", 2)

    assert out.read_bytes() != first


def test_a_window_takes_what_begins_in_it(capsys: Capsys, tmp_path: Path) -> None:
    _, out = take(capsys, "azure-2021", tmp_path, "--start", 15, "--duration", 100)

    workload, header = read_back(out)
    assert len(workload.pipelines) == 1
    assert (header["begin_seconds"], header["window_seconds"]) == (15, 100)


def test_minutes_of_a_day_are_given_in_seconds(capsys: Capsys, tmp_path: Path) -> None:
    _, out = take(capsys, "azure-2019", tmp_path, "--start", 60, "--duration", 60)

    workload, header = read_back(out)
    assert len(workload.pipelines) == 1
    assert (header["begin_seconds"], header["window_seconds"]) == (60, 60)


def test_a_limit_keeps_the_first_arrivals(capsys: Capsys, tmp_path: Path) -> None:
    _, whole = take(capsys, "swf", tmp_path)
    everything, _ = read_back(whole)

    _, out = take(capsys, "swf", tmp_path, "--limit", 1)

    workload, header = read_back(out)
    assert workload.pipelines == everything.pipelines[:1]
    assert header["limit"] == 1


def test_assumed_figures_can_be_changed_and_are_recorded(capsys: Capsys, tmp_path: Path) -> None:
    files = wfcommons_instance(tmp_path) * 2
    out = tmp_path / "two.csv"

    command(
        capsys, "traces", "import", "wfcommons", *files, "--out", out, "--assume", "gap_seconds=7"
    )

    workload, header = read_back(out)
    rate = header["ticks_per_second"]
    assert [each.arrival_tick for each in workload.pipelines] == [0, 7 * rate]
    assert header["assumed"]["gap_seconds"] == 7


def test_a_clock_can_be_chosen(capsys: Capsys, tmp_path: Path) -> None:
    _, out = take(capsys, "swf", tmp_path, "--steps-per-second", 1000)

    _, header = read_back(out)
    assert header["ticks_per_second"] == 1000


def test_formats_are_listed_with_their_assumed_figures(capsys: Capsys) -> None:
    text = command(capsys, "traces", "formats").out
    told = json.loads(command(capsys, "traces", "formats", "--json").out)

    assert set(told["formats"]) == set(SAMPLES)
    assert told["formats"]["wfcommons"]["assume"]["gap_seconds"] == 60
    assert "--assume gap_seconds=60" in text


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("swf", ["--assume", "colour=3"], "--assume 'colour=3' is unknown, expected of swf"),
        ("wfcommons", ["--assume", "gap_seconds=soon"], "gap_seconds is 'soon', expected a number"),
        ("wfcommons", ["--assume", "gap_seconds=nan"], "gap_seconds is 'nan', expected a number"),
        ("wfcommons", ["--assume", "gap_seconds=1e308"], "expected a number from 0 to 1e+09"),
        ("wfcommons", ["--start", "5"], "records no times"),
        ("azure-2019", ["--start", "5"], "--start is 5, expected a multiple of 60"),
        ("azure-2019", ["--start", "86400"], "expected 1 to 1440"),
        ("swf", ["--start", "1e6"], "those in the file begin from 0 s to 30 s"),
        ("swf", ["--start", "nan"], "--start is nan, expected a number of seconds"),
        ("swf", ["--duration", "0"], "0.0 is not in the range"),
        ("swf", ["--limit", "0"], "0 is not in the range"),
        ("swf", ["--seed", "-1"], "-1 is not in the range"),
    ],
)
def test_an_option_that_does_not_fit_is_one_message_and_exit_code_2(
    capsys: Capsys, tmp_path: Path, name: str, options: list[str], told: str
) -> None:
    done, out = take(capsys, name, tmp_path, *options)

    assert done.code == 2
    assert told in done.err
    assert not out.exists()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"a,b\n1", b'{"a": [', b"1 2 3\n"])
def test_a_file_of_another_kind_is_one_message_and_exit_code_2(
    capsys: Capsys, tmp_path: Path, name: str, content: bytes
) -> None:
    files = SAMPLES[name](tmp_path)
    files[0].write_bytes(content)

    done = command(capsys, "traces", "import", name, *files, "--out", tmp_path / "o.csv")

    assert done.code == 2
    assert str(files[0]) in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "o.csv").exists()


def test_files_that_are_missing_or_too_many_are_refused(capsys: Capsys, tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    day = azure_2019_day(tmp_path)
    log = swf_log(tmp_path)

    few = command(capsys, "traces", "import", "azure-2019", day[0], "--out", out)
    many = command(capsys, "traces", "import", "swf", *log, *log, "--out", out)
    missing = command(capsys, "traces", "import", "swf", "none.swf", "--out", out)
    unknown = command(capsys, "traces", "import", "borg", *log, "--out", out)

    assert [done.code for done in (few, many, missing, unknown)] == [2, 2, 2, 2]
    assert "azure-2019 takes INVOCATIONS DURATIONS [MEMORY] of one day, but 1 files" in few.err
    assert "swf takes LOG, but 2 files were given" in many.err
    assert "none.swf: cannot be read" in missing.err
    assert "unknown format 'borg', expected azure-2019" in unknown.err
