"""``assay run`` with the offline proposer in real cells, to the end and after a kill."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import assay
from tests.support.in_process import WARNING
from tests.support.small_suite import write_suite

pytestmark = pytest.mark.slow

ESSENCE = (
    "select iteration, slot, candidate, outcome, score, improved, duplicate_of, parents "
    "from candidates order by iteration, slot"
)


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"))


def ask(home: Path, statement: str) -> list[dict[str, Any]]:
    done = assay("sql", statement, "--format", "json", home=home)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_a_search_leaves_a_history_a_policy_and_a_report(tmp_path: Path, suite: Path) -> None:
    arguments = ["run", "--direct", "--suite", str(suite), "--candidates", "3", "--slots", "2"]
    arguments += ["--baseline", "naive", "--cell", "process"]

    done = assay(*arguments, home=tmp_path)
    again = assay(*arguments, home=tmp_path)

    assert (done.returncode, WARNING.sub("", done.stderr)) == (0, "")
    assert "finished: all 3 candidates were tried" in done.stdout
    assert assay("report", "search", home=tmp_path).stdout.endswith("report.html\n")
    question = done.stdout.rsplit('assay sql "', 1)[1].partition('"')[0]
    assert ask(tmp_path, question)[0]["rank"] == 1
    [experiment] = ask(tmp_path, "from experiments")
    folder = tmp_path / "experiments" / experiment["experiment_id"]
    assert (experiment["status"], experiment["proposer"]) == ("finished", "offline")
    assert (folder / "report.html").stat().st_size > 10_000
    best = ask(tmp_path, "select source, score from candidates order by score desc limit 1")[0]
    assert (folder / "best_policy.py").read_text(encoding="utf-8") == best["source"]
    assert best["score"] > 1.0
    assert {row["kind"] for row in ask(tmp_path, "from artifacts")} == {"best_policy", "report"}
    assert "finished in an earlier run" in again.stdout
    assert len(ask(tmp_path, "from candidates where iteration > 0")) == 3


@pytest.mark.docker
@pytest.mark.nightly
def test_a_killed_search_goes_on_and_ends_like_an_undisturbed_one(
    tmp_path: Path, suite: Path
) -> None:
    arguments = ["run", "--direct", "--suite", str(suite), "--candidates", "4", "--seed", "5"]
    assay(*arguments, home=tmp_path / "calm")

    _kill_after_lines(arguments, tmp_path / "killed", lines=7)
    done = assay(*arguments, home=tmp_path / "killed")

    assert (done.returncode, done.stderr) == (0, "")
    assert "continues after" in done.stdout
    assert ask(tmp_path / "killed", ESSENCE) == ask(tmp_path / "calm", ESSENCE)


@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGINT, marks=pytest.mark.nightly), signal.SIGTERM],
    ids=lambda each: each.name,
)
def test_a_signal_keeps_everything_and_says_how_to_go_on(
    number: signal.Signals, tmp_path: Path, suite: Path
) -> None:
    """A shell has SIGINT ignored in what it starts in the background, which changes nothing."""
    arguments = ["run", "--direct", "--suite", str(suite), "--candidates", "50"]
    arguments += ["--cell", "process", "--baseline", "naive"]

    process = _start(arguments, tmp_path, "bash", "-c", 'trap "" INT; exec "$@"', "bash")
    _read_lines(process, 6)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 130
    assert "type the same command to continue" in errors
    assert "Traceback" not in errors
    [experiment] = ask(tmp_path, "from experiments")
    assert experiment["status"] == "interrupted"
    assert (tmp_path / "experiments" / experiment["experiment_id"] / "best_policy.py").exists()


def _start(arguments: list[str], home: Path, *before: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*before, sys.executable, "-m", "flows.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ASSAY_HOME": str(home)},
        start_new_session=True,
    )


def _read_lines(process: subprocess.Popen[str], lines: int) -> None:
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()


def _kill_after_lines(arguments: list[str], home: Path, lines: int) -> None:
    process = _start(arguments, home)
    _read_lines(process, lines)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
