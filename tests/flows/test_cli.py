"""The command line without a sandbox: usage, bad input, exit codes and messages."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.cli.errors import leave_with
from tests.support.command import NO_ENGINE, assay
from tests.support.in_process import Done, command_at

HEAVY = ("prefect", "duckdb", "docker", "openai", "numpy", "pydantic", "rich", "jinja2")


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Runs commands in this process, with an empty home folder and without an engine."""
    return command_at(tmp_path / "home", monkeypatch, capsys)


def test_help_imports_nothing_slow() -> None:
    code = f"import flows.cli.main, sys; print([name for name in {HEAVY!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_command_has_help(here: Callable[..., Done]) -> None:
    for command in ("evaluate", "run", "demo", "sql", "report", "export", "doctor", "reap"):
        done = here(command, "--help")

        assert (done.code, done.err) == (0, ""), command
        assert done.out.startswith(f"Usage: assay {command}"), command


BAD_INPUT: list[tuple[list[str], str]] = [
    (["fly"], "No such command 'fly'"),
    (["run", "--colour", "red"], "No such option"),
    (["run", "--candidates", "many"], "is not a valid integer"),
    (["run", "--candidates", "0"], "budget.candidates: input should be greater than"),
    (["run", "--suite", "nope"], "unknown suite"),
    (["run", "--config", "missing.toml"], "missing.toml: cannot be read"),
    (["evaluate", "a" * 300 + ".py"], "...: cannot be read: file name too long"),
    (["traces", "describe", "a" * 300 + ".csv"], "...: cannot be read: file name too long"),
    (
        ["run", "--proposer", "oracle"],
        "proposer.kind: input should be 'offline', 'openai' or 'replay'",
    ),
    (["run", "--proposer", "openai"], "needs a model: set proposer.model or --model"),
    (["run", "--model", "m"], "--model has no effect with the offline proposer"),
    (["evaluate", "nope.py"], "nope.py does not exist"),
    (["evaluate", "naive", "--policy-calls", "x", "--cell", "process"], "unknown calling mode 'x'"),
    (
        ["compare", "lru", "--domain", "faas", "--policy-calls", "x", "--cell", "process"],
        "unknown calling mode 'x' of domain faas, expected on_decision or every_event",
    ),
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
]


def test_bad_input_is_one_message_and_exit_code_2(here: Callable[..., Done]) -> None:
    for arguments, told in BAD_INPUT:
        done = here(*arguments)

        assert (done.code, told in done.err) == (2, True), (arguments, done.err)
        assert "Traceback" not in done.err + done.out, arguments


def test_a_model_whose_key_is_not_there_is_refused_by_the_name_of_the_key(tmp_path: Path) -> None:
    done = assay("run", "--proposer", "openai", "--model", "m", home=tmp_path)

    assert done.returncode == 2
    assert "OPENAI_API_KEY holds no key" in done.stderr and "Traceback" not in done.stderr


def test_a_file_that_is_no_text_is_malformed(tmp_path: Path, here: Callable[..., Done]) -> None:
    policy = tmp_path / "policy.py"
    for content, problem in (
        (b"", "the file is empty"),
        (b" \n\t\n", "the file is empty"),
        (b"\x7fELF\x02\x01\x01\x00\xff", "is not UTF-8 text"),
        (b"x = 1\n\0", "is NUL"),
    ):
        policy.write_bytes(content)

        done = here("evaluate", policy, "--json")

        answer = json.loads(done.out)
        assert (done.code, answer["outcome"], answer["cell"]) == (3, "malformed", None)
        assert problem in answer["evaluations"][0]["error"]["message"]


def test_without_an_engine_nothing_is_recorded_and_the_exit_code_is_4(
    tmp_path: Path, here: Callable[..., Done]
) -> None:
    for arguments in (["evaluate", "naive"], ["run", "--direct"], ["doctor"], ["reap"]):
        done = here(*arguments)

        assert done.code == 4, arguments
        assert "Docker" in done.err + done.out, arguments
        assert "Traceback" not in done.err, arguments
    through_prefect = assay("run", home=tmp_path / "home", DOCKER_HOST=NO_ENGINE)
    assert through_prefect.returncode == 4
    assert "Docker" in through_prefect.stderr and "Traceback" not in through_prefect.stderr
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_missing_engine_is_named_as_the_environment_names_it(here: Callable[..., Done]) -> None:
    done = here("evaluate", "naive")

    assert f"no Docker engine answers (DOCKER_HOST={NO_ENGINE}, connecting: " in done.err
    assert "unset it" in done.err


def test_a_home_that_cannot_be_a_folder_is_told_before_anything_starts(
    tmp_path: Path, here: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()

    for command in ("run", "demo"):
        for home, told in [(file, "is not a folder"), (file / "below", "cannot create the folder")]:
            monkeypatch.setenv("ASSAY_HOME", str(home))
            done = here(command, "--direct")

            assert (done.code, told in done.err) == (2, True), done.err


of_several_commands = pytest.mark.parametrize(
    "arguments",
    [["--help"], ["sql", "select 1"], pytest.param(["traces", "list"], marks=pytest.mark.nightly)],
)


@of_several_commands
def test_output_that_cannot_be_written_is_said_in_one_line(
    tmp_path: Path, arguments: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = assay(*arguments, home=tmp_path, stdout=full)

    told = "assay: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@of_several_commands
def test_output_that_nobody_reads_is_no_error(tmp_path: Path, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    with os.fdopen(writing, "w") as broken:
        done = assay(*arguments, home=tmp_path, stdout=broken)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_statement_may_begin_with_a_comment(here: Callable[..., Done]) -> None:
    done = here("sql", "-- one\nselect 7 as n", "--format=csv")

    assert (done.code, done.out) == (0, "n\n7\n")


def test_a_refused_policy_is_named_and_its_line_is_cut_and_made_harmless(
    tmp_path: Path, here: Callable[..., Done]
) -> None:
    policy = tmp_path / "nested.py"
    policy.write_text(f'"\u202e"; x = {"(" * 6000}\n', encoding="utf-8")

    done = here("evaluate", policy, "--cell", "process")

    title, told, line, _ = done.out.splitlines()
    assert title.startswith("nested  ")
    assert told.startswith("line 1, column 2")
    assert (len(line), "\u202e" in line) == (120, False)


def test_an_empty_history_answers_questions(here: Callable[..., Done]) -> None:
    done = here("sql", "select count(*) as n from candidates", "--format", "json")

    assert (done.code, json.loads(done.out)) == (0, [{"n": 0}])


def test_an_answer_can_go_to_a_file(tmp_path: Path, here: Callable[..., Done]) -> None:
    for style in ("csv", "json", "table", "parquet"):
        out = tmp_path / f"answer.{style}"

        done = here("sql", "select 7 as n", "--format", style, "--out", out)

        assert (done.code, done.out) == (0, f"1 rows are in {out}\n")
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
