"""What the commands say and keep when the Docker engine is away, is odd, or goes in the middle."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cells_left import finish, start
from tests.sandbox.own_engine import MACHINES_ENGINE
from tests.support.command import NO_ENGINE, assay
from tests.support.engine_proxy import EngineProxy
from tests.support.in_process import command
from tests.support.small_suite import write_suite

ODD_ANSWERS = {
    "another protocol": b"SSH-2.0-hello\r\n",
    "an error page": b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "nothing": b"",
}
COMPARED = "from candidates where iteration <= 2"
"""Of the search that lost its engine there may be more."""


@contextmanager
def odd_engine(path: Path, answer: bytes) -> Iterator[str]:
    """Yield the address of a server that gives every client the same odd answer."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        threading.Thread(target=_answer_all, args=(door, answer), daemon=True).start()
        yield f"unix://{path}"
        door.shutdown(socket.SHUT_RDWR)


def test_a_server_that_is_no_engine_is_an_engine_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, answer in ODD_ANSWERS.items():
        with odd_engine(tmp_path / f"{name}.sock", answer) as address:
            monkeypatch.setenv("DOCKER_HOST", address)
            done = command(capsys, "evaluate", "naive")

        assert (done.code, done.out) == (4, ""), name
        assert done.err.startswith("assay: no Docker engine answers ("), name
        assert "start the engine" in done.err and "Traceback" not in done.err, name


def test_what_needs_no_engine_works_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    for words in (["sql", "from leaderboard"], ["traces", "list"], ["export", tmp_path / "out"]):
        done = command(capsys, *words)

        assert (done.code, done.err) == (0, "")


def test_the_doctor_says_what_to_do_in_json_too(tmp_path: Path) -> None:
    done = assay("doctor", "--json", home=tmp_path / "home", DOCKER_HOST=NO_ENGINE)

    answer = json.loads(done.stdout)
    [failed] = [check for check in answer["checks"] if not check["ok"]]
    assert (done.returncode, answer["ok"]) == (4, False)
    assert "start the engine" in failed["remedy"]


@pytest.mark.docker
def test_an_engine_that_goes_in_the_middle_costs_nothing(tmp_path: Path) -> None:
    settings, home = tmp_path / "search.toml", tmp_path / "home"
    settings.write_text(f'suite = "{write_suite(tmp_path)}"\nbaselines = ["naive"]\n', "utf-8")
    search = ("run", "--direct", "--config", settings, "--candidates")

    code, said = _search_until((*search, "1000"), home, "   1/0", tmp_path)
    kept = _ask(home, f"select count(*) as n {COMPARED} and outcome <> 'ok'")
    done = finish(start(*search, "2", home=home))
    calm = assay(*search, "2", "--cell", "process", home=tmp_path / "calm")

    assert code == 4
    assert "no Docker engine answers" in said and "start the engine" in said
    assert "Traceback" not in said
    assert kept == [{"n": 0}]
    assert (done.code, done.cells, calm.returncode) == (0, (), 0)
    assert "continues after" in done.stdout
    essence = f"select iteration, slot, candidate, outcome, score {COMPARED} order by all"
    assert _ask(home, essence) == _ask(tmp_path / "calm", essence)


def _search_until(
    search: tuple[str | Path, ...], home: Path, line: str, folder: Path
) -> tuple[int, str]:
    """Return the exit code and the errors of a search whose engine goes away after ``line``."""
    with EngineProxy(folder, MACHINES_ENGINE) as proxy:
        process = start(*search, home=home, DOCKER_HOST=proxy.address)
        assert process.stdout is not None
        for each in process.stdout:
            if each.startswith(line):
                proxy.go_away()
        done = finish(process)
    return done.code, done.stderr


def _ask(home: Path, statement: str) -> list[dict[str, Any]]:
    done = assay("sql", statement, "--format", "json", home=home)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def _answer_all(door: socket.socket, answer: bytes) -> None:
    while True:
        try:
            client, _ = door.accept()
        except OSError:
            return
        with client:
            client.recv(65_536)
            client.sendall(answer)
