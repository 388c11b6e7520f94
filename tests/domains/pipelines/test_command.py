"""The command: one JSON object, fixed exit codes, one line for everything that is wrong."""

import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.__main__ import main
from simulator.domains.pipelines.tracefile import COLUMNS
from simulator.domains.pipelines.workload import SCALINGS
from tests.support.examples import at_night
from tests.support.golden_data import FOLDER, paper_figures, scenario_figures

GOOD = """
@register_scheduler_init(key="mine")
def init(s):
    print("hello from init")


@register_scheduler(key="mine")
def step(s, results, pipelines):
    return [], []
"""
RAISES = GOOD.replace(
    "    return [], []", "    if s.clock.now_ticks() == 3:\n        1 / 0\n    return [], []"
)
PARAMS = {"duration": 5, "ticks_per_second": 10, "num_pools": 1, "scheduler_algo": "naive"}
Capture = pytest.CaptureFixture[str]


def write(folder: Path, name: str, content: object) -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def run_json(capsys: Capture, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["run", *arguments, "--json"]) == code
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    report: dict[str, Any] = json.loads(out, parse_constant=pytest.fail)
    return report


def test_run_prints_one_object_with_the_golden_statistics(tmp_path: Path, capsys: Capture) -> None:
    figures = scenario_figures()["edf_backfill-05"]
    params = write(tmp_path, "p.json", figures["params"])
    policy, trace = FOLDER / "policies/edf_backfill.py", FOLDER / "traces/edf_backfill-05.csv"

    report = run_json(capsys, "--params", params, "--trace", str(trace), "--policy", str(policy))

    assert report["stats"] == figures["expected"]
    assert set(report) == {"stats", "metrics", "policy_calls", "decision_sha256"}
    assert len(report["decision_sha256"]) == 64


def test_the_policy_is_the_parameter_file_s_own_unless_named(
    tmp_path: Path, capsys: Capture
) -> None:
    params = write(tmp_path, "p.json", {**PARAMS, "duration": 60})

    by_params = run_json(capsys, "--params", params)
    by_name = run_json(capsys, "--params", params, "--policy", "naive")
    other = run_json(capsys, "--params", params, "--policy", "priority")

    assert by_params == by_name
    assert other["decision_sha256"] != by_name["decision_sha256"]


def test_policy_calls_can_be_chosen_on_the_command_line(tmp_path: Path, capsys: Capture) -> None:
    params = write(tmp_path, "p.json", PARAMS)

    every = run_json(capsys, "--params", params, "--policy-calls", "every_tick")
    change = run_json(capsys, "--params", params, "--policy-calls", "on_change")

    assert every["policy_calls"] == 50
    assert change["policy_calls"] < 50
    assert every["stats"] == change["stats"]


def test_what_a_policy_prints_does_not_mix_with_the_result(tmp_path: Path, capsys: Capture) -> None:
    params, policy = write(tmp_path, "p.json", PARAMS), write(tmp_path, "mine.py", GOOD)

    assert main(["run", "--params", params, "--policy", policy, "--json"]) == 0

    captured = capsys.readouterr()
    assert "hello" not in captured.out
    assert "hello" in captured.err


def test_without_json_a_table_is_printed(tmp_path: Path, capsys: Capture) -> None:
    params = write(tmp_path, "p.json", PARAMS)

    assert main(["run", "--params", params]) == 0

    assert "pipelines_created" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "kind", "tick", "line"),
    [
        (RAISES, "policy_error", 3, 10),
        ("x = (\n", "load_error", None, 1),
        ("x = 1\n", "load_error", None, None),
        ("\n\nimport nothing_like_this\n", "load_error", None, 3),
    ],
)
def test_a_policy_s_failure_exits_3_with_kind_message_tick_and_line(
    tmp_path: Path, capsys: Capture, source: str, kind: str, tick: int | None, line: int | None
) -> None:
    params, policy = write(tmp_path, "p.json", PARAMS), write(tmp_path, "mine.py", source)

    report = run_json(capsys, "--params", params, "--policy", policy, code=3)

    error = report["error"]
    assert (error["kind"], error["tick"], error["line"]) == (kind, tick, line)
    assert error["message"]


@pytest.mark.parametrize("draws", ["v1", "v2"])
def test_trace_writes_the_golden_bytes(tmp_path: Path, draws: str) -> None:
    figures = paper_figures()["trace_scale4x_600s_1"]
    params, out = write(tmp_path, "p.json", figures["params"]), tmp_path / "t.csv"

    assert main(["trace", "--params", params, "--draws", draws, "--out", str(out)]) == 0

    assert hashlib.sha256(out.read_bytes()).hexdigest() == figures["trace_sha256"][draws]


def bad_commands(folder: Path) -> dict[str, list[str]]:
    params = write(folder, "p.json", PARAMS)
    binary = folder / "binary.py"
    binary.write_bytes(b"\xff\x00")
    return {
        "expected run": [],
        "invalid choice": ["walk"],
        "give --scenario, or --params for pipelines": ["run"],
        "none.json: cannot be read": ["run", "--params", str(folder / "none.json")],
        "folder.json: cannot be read: is a directory": [
            "run",
            "--params",
            str(folder / "folder.json"),
        ],
        "num_pools is 0": ["run", "--params", write(folder, "zero.json", {"num_pools": 0})],
        "unknown policy 'nobody'": ["run", "--params", params, "--policy", "nobody"],
        "nobody.py: cannot be read": ["run", "--params", params, "--policy", "nobody.py"],
        "byte 0 is not UTF-8": ["run", "--params", params, "--policy", str(binary)],
        "none.csv: cannot be read": [
            "run",
            "--params",
            params,
            "--trace",
            str(folder / "none.csv"),
        ],
        "p.json:1: column": ["run", "--params", params, "--trace", params],
        "--policy-calls is 'never', expected one of on_change": [
            "run",
            "--params",
            params,
            "--policy-calls",
            "never",
        ],
        "cannot be written": ["trace", "--params", params, "--out", str(folder / "no/where.csv")],
        "--draws": ["trace", "--params", params, "--draws", "v3", "--out", str(folder / "t.csv")],
    }


def test_bad_input_exits_2_with_one_line(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "folder.json").mkdir()

    for message, arguments in bad_commands(tmp_path).items():
        assert main(arguments) == 2, arguments
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert message in captured.err or message == "expected run"
        assert "Traceback" not in captured.err


def test_the_module_can_be_started_and_survives_a_closed_pipe(tmp_path: Path) -> None:
    params = write(tmp_path, "p.json", PARAMS)
    command = [sys.executable, "-m", "simulator", "run", "--params", params, "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}

    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=120) == 0


odd_params = st.fixed_dictionaries(
    {"duration": st.floats(0.1, 3), "ticks_per_second": st.integers(1, 50)},
    optional={
        "num_pools": st.integers(0, 3),
        "cpus_per_pool": st.floats(1e-300, 1e6),
        "ram_gb_per_pool": st.floats(1e-300, 1e9),
        "max_job_seconds": st.floats(0, 2),
        "scheduler_algo": st.sampled_from(["naive", "priority", "priority-pool", "overbook", "x"]),
        "allow_memory_overcommit": st.booleans(),
        "multi_operator_containers": st.booleans(),
    },
)
amount = st.sampled_from(["0", "1e-300", "0.3", "7.5", "1e9", "-0.0", ""])
odd_row = st.tuples(
    st.sampled_from(["p1,0,QUERY,a,", "p1,,,b,a", "p2,1e9,QUERY,a,", "p3,0.5,BATCH_PIPELINE,a,"]),
    amount,
    st.sampled_from(SCALINGS),
    amount,
    amount,
)


@settings(max_examples=at_night(60), deadline=None)
@given(odd_params, st.lists(odd_row, max_size=4))
def test_odd_figures_end_in_a_result_a_failure_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, params: dict[str, Any], rows: list[tuple[str, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    text = "\n".join([",".join(COLUMNS), *(",".join(row) for row in rows)])
    trace, given_params = write(folder, "t.csv", text), write(folder, "p.json", params)
    out, err = io.StringIO(), io.StringIO()

    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["run", "--params", given_params, "--trace", trace, "--json"])

    assert code in (0, 2, 3), err.getvalue()
    assert err.getvalue().count("\n") == (code == 2)
    if code != 2:
        json.loads(out.getvalue(), parse_constant=pytest.fail)
