"""The command line without a sandbox: usage, bad input, exit codes and messages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.errors import leave_with
from tests.support.command import NO_ENGINE, assay

HEAVY = ("prefect", "duckdb", "docker", "openai", "numpy", "pydantic", "rich", "jinja2")


def test_help_imports_nothing_slow() -> None:
    code = f"import flows.cli.main, sys; print([name for name in {HEAVY!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command", ["evaluate", "run", "demo", "sql", "report", "export", "doctor", "reap"]
)
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    done = assay(command, "--help", home=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: assay {command}")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["fly"], "No such command 'fly'"),
        (["run", "--colour", "red"], "No such option"),
        (["run", "--candidates", "many"], "is not a valid integer"),
        (["run", "--candidates", "0"], "budget.candidates: input should be greater than"),
        (["run", "--suite", "nope"], "unknown suite"),
        (["run", "--config", "missing.toml"], "missing.toml: cannot be read"),
        (
            ["run", "--proposer", "oracle"],
            "proposer.kind: input should be 'offline', 'openai' or 'replay'",
        ),
        (["run", "--proposer", "openai"], "needs a model: set proposer.model or --model"),
        (["run", "--proposer", "openai", "--model", "m"], "OPENAI_API_KEY holds no key"),
        (["run", "--model", "m"], "--model has no effect with the offline proposer"),
        (["evaluate", "nope.py"], "nope.py does not exist"),
        (["evaluate", "."], "is a directory"),
        (["evaluate", ""], "the name of the policy is empty"),
        (["evaluate", "naive", "--suite", "smoke", "--trace", "t.csv"], "exclude each other"),
        (["evaluate", "naive", "--trace", "missing.csv"], "missing.csv"),
        (["evaluate", "naive", "--split", "exam"], "is not one of 'train', 'validation', 'test'"),
        (["report"], "there is no experiment"),
        (["report", "nope"], "experiment 'nope' is not in the history"),
        (["sql", "selct 1"], "Parser Error: syntax error at or near"),
        (["sql", "create table x(a int)"], "read-only"),
        (["sql", "delete from candidates"], "read-only"),
        (["sql", "select 1", "--format", "parquet"], "--out FILE"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    done = assay(*arguments, home=tmp_path / "home", DOCKER_HOST=NO_ENGINE)

    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b" \n\t\n", "the file is empty"),
        (b"\x7fELF\x02\x01\x01\x00\xff", "is not UTF-8 text"),
        (b"x = 1\n\0", "is NUL"),
    ],
)
def test_a_file_that_is_no_text_is_malformed(tmp_path: Path, content: bytes, problem: str) -> None:
    policy = tmp_path / "policy.py"
    policy.write_bytes(content)

    done = assay("evaluate", policy, "--json", home=tmp_path / "home", DOCKER_HOST=NO_ENGINE)

    answer = json.loads(done.stdout)
    assert done.returncode == 3
    assert (answer["outcome"], answer["cell"]) == ("malformed", None)
    assert problem in answer["evaluations"][0]["error"]["message"]


@pytest.mark.parametrize(
    "arguments", [["evaluate", "naive"], ["run"], ["run", "--direct"], ["doctor"], ["reap"]]
)
def test_without_an_engine_nothing_is_recorded_and_the_exit_code_is_4(
    tmp_path: Path, arguments: list[str]
) -> None:
    done = assay(*arguments, home=tmp_path / "home", DOCKER_HOST=NO_ENGINE)

    assert done.returncode == 4
    assert "Docker" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_missing_engine_is_named_as_the_environment_names_it(tmp_path: Path) -> None:
    done = assay("evaluate", "naive", home=tmp_path, DOCKER_HOST=NO_ENGINE)

    assert f"no Docker engine answers (DOCKER_HOST={NO_ENGINE}, connecting: " in done.stderr
    assert "unset it" in done.stderr


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_home_that_cannot_be_a_folder_is_told_before_anything_starts(
    tmp_path: Path, command: str
) -> None:
    file = tmp_path / "file"
    file.touch()

    for home, told in [(file, "is not a folder"), (file / "below", "cannot be made")]:
        done = assay(command, "--direct", home=home, DOCKER_HOST=NO_ENGINE)

        assert (done.returncode, told in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["sql", "select 1"], ["traces", "list"]])
def test_output_that_cannot_be_written_is_said_in_one_line(
    tmp_path: Path, arguments: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = assay(*arguments, home=tmp_path, stdout=full)

    told = "assay: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize("arguments", [["--help"], ["sql", "select 1"], ["traces", "list"]])
def test_output_that_nobody_reads_is_no_error(tmp_path: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    with os.fdopen(writing, "w") as broken:
        done = assay(*arguments, home=tmp_path, stdout=broken)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_statement_may_begin_with_a_comment(tmp_path: Path) -> None:
    done = assay("sql", "-- one\nselect 7 as n", "--format=csv", home=tmp_path)

    assert (done.returncode, done.stdout) == (0, "n\n7\n")


def test_a_refused_policy_is_named_and_its_line_is_cut_and_made_harmless(tmp_path: Path) -> None:
    policy = tmp_path / "nested.py"
    policy.write_text(f'"\u202e"; x = {"(" * 6000}\n', encoding="utf-8")

    done = assay("evaluate", policy, home=tmp_path / "home")

    title, told, line, _ = done.stdout.splitlines()
    assert title.startswith("nested  ")
    assert told.startswith("line 1, column 2")
    assert (len(line), "\u202e" in line) == (120, False)


def test_an_empty_history_answers_questions(tmp_path: Path) -> None:
    done = assay("sql", "select count(*) as n from candidates", "--format", "json", home=tmp_path)

    assert (done.returncode, json.loads(done.stdout)) == (0, [{"n": 0}])


def test_an_answer_can_go_to_a_file(tmp_path: Path) -> None:
    for style in ("csv", "json", "table", "parquet"):
        out = tmp_path / f"answer.{style}"

        done = assay("sql", "select 7 as n", "--format", style, "--out", out, home=tmp_path / "h")

        assert (done.returncode, done.stdout) == (0, f"1 rows are in {out}\n")
        assert out.stat().st_size > 0


def test_an_unexpected_error_is_one_line_and_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))

    code = leave_with(ZeroDivisionError("division by zero\nsecond line"))

    said = capsys.readouterr().err
    [log] = tmp_path.rglob("crash-*.log")
    assert code == 1
    assert "internal error: ZeroDivisionError: division by zero\n" in said
    assert str(log) in said
    assert "ZeroDivisionError" in log.read_text(encoding="utf-8")
