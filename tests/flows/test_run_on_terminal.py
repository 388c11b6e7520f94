"""``assay run`` on a terminal, on a dumb one, for a program, and when Ctrl-C ends it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.small_suite import write_suite
from tests.support.terminal import COLUMNS, on_terminal


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("suite"))


def command(suite: Path, *more: str) -> list[str]:
    program = [sys.executable, "-m", "flows.cli", "run", "--direct", "--cell", "process"]
    return [*program, "--suite", str(suite), "--baseline", "naive", *more]


def environment(home: Path, terminal: str = "xterm-256color") -> dict[str, str]:
    not_of_it = ("ASSAY_", "COLUMNS", "LINES")  # a terminal says itself how large it is
    kept = {name: value for name, value in os.environ.items() if not name.startswith(not_of_it)}
    ours = {"ASSAY_HOME": str(home), "ASSAY_PROGRESS": "no"}
    return {**kept, **ours, "TERM": terminal, "NO_COLOR": "1"}


def test_a_terminal_shows_curve_outcomes_rate_and_time_left(tmp_path: Path, suite: Path) -> None:
    shown = on_terminal(command(suite, "--candidates", "2"), environment(tmp_path))

    assert re.search("best on train  [▁▂▃▄▅▆▇█]{2,}", shown)
    assert re.search(r"2/2 candidates\s", shown) and re.search(r"best \d\.\d{3}", shown)
    assert re.search(r"about (\d+ s|\d+:\d\d min) left   \d+\.\d a minute", shown)
    assert "opening the sandbox" in shown and "0/0 candidates" not in shown
    assert re.search(r"    1/0  [a-z]+-[a-z]+ +\d", shown)
    board = shown.split("leaderboard of ", 1)[1].split("finished: ")[0].splitlines()
    assert len(board) == 8, "a line for each policy"
    verdict = shown.split("verdict: ", 1)[1].split("best policy:")[0].splitlines()
    assert len(verdict) > 1 and max(map(len, verdict)) <= COLUMNS, "broken between words"
    assert "report:      " in shown
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown), "NO_COLOR is respected"


@pytest.mark.nightly
def test_a_dumb_terminal_shows_a_line_for_each_attempt(tmp_path: Path, suite: Path) -> None:
    shown = on_terminal(command(suite, "--candidates", "1"), environment(tmp_path, "dumb"))

    assert "\x1b" not in shown
    assert re.search(r"experiment search-\w+ begins", shown)
    assert len(re.findall(r"^ +\d/\d  ok ", shown, re.MULTILINE)) >= 2


def test_an_answer_too_wide_for_the_terminal_keeps_its_first_columns_and_says_so(
    tmp_path: Path,
) -> None:
    many = ", ".join(f"{number} as column_{number}" for number in range(9))
    question = f"select 'first' as name, repeat('x', 90) as long, {many}"

    shown = on_terminal([sys.executable, "-m", "flows.cli", "sql", question], environment(tmp_path))

    answer = shown[shown.index("name   long") :]  # a bar may come before it on a busy machine
    lines = answer.replace("\r\n", "\n").split("\n")
    assert lines[0] == "name   long                              column_0  column_1  column_2"
    assert lines[2].startswith("first  " + "x" * 31 + "…") and max(map(len, lines[:4])) <= COLUMNS
    assert "6 more columns do not fit here: column_3, column_4," in shown


def test_a_program_gets_one_object_a_line_and_may_stop_the_search(
    tmp_path: Path, suite: Path
) -> None:
    arguments = command(suite, "--json", "--candidates", "50", "--name", "for a program")
    arguments = ["bash", "-c", 'trap "" INT; exec "$@"', "bash", *arguments]  # as behind an &
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(tmp_path), start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        events = []
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1].get("attempt") == "1/0":
                process.send_signal(signal.SIGINT)
        errors = process.stderr.read()

    kinds = [event["event"] for event in events]
    assert process.returncode == 130
    assert {"begun", "candidate", "new_best"} <= set(kinds)
    assert kinds[-1] == "interrupted"
    assert events[-1]["continue"].endswith("--json --candidates 50 --name 'for a program'")
    assert "type the same command to continue" in errors
    assert "Traceback" not in errors


@pytest.mark.nightly
def test_the_end_for_a_program_is_the_whole_result(tmp_path: Path, suite: Path) -> None:
    done = subprocess.run(
        command(suite, "--json", "--candidates", "1", "--set", "guards.test=false"),
        capture_output=True, text=True, env=environment(tmp_path), timeout=120, check=True,
    )  # fmt: skip

    ended = json.loads(done.stdout.splitlines()[-1])
    assert (ended["event"], ended["status"], ended["tried"]) == ("ended", "finished", 1)
    assert Path(ended["report"]).is_file() and Path(ended["best_policy"]).is_file()
    assert ended["verdict"]
