"""What the commands say and keep when the Docker engine is away, is odd, or goes in the middle."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cells_left import finish, start
from tests.sandbox.own_engine import MACHINES_ENGINE
from tests.support.command import NO_ENGINE, assay
from tests.support.engine_proxy import EngineProxy
from tests.support.small_suite import write_suite

ODD_ANSWERS = {
    "another protocol": b"SSH-2.0-hello\r\n",
    "an error page": b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\n{}",
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "nothing": b"",
}
COMPARED = "from candidates where iteration <= 2"
"""Of the search that lost its engine there may be more."""


@pytest.fixture
def odd_engine(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that gives every client the same odd answer."""
    path = tmp_path / "odd.sock"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        threading.Thread(target=_answer_all, args=(door, request.param), daemon=True).start()
        yield f"unix://{path}"
        door.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("odd_engine", ODD_ANSWERS.values(), ids=ODD_ANSWERS, indirect=True)
def test_a_server_that_is_no_engine_is_an_engine_that_is_away(
    tmp_path: Path, odd_engine: str
) -> None:
    done = assay("evaluate", "naive", home=tmp_path / "home", DOCKER_HOST=odd_engine)

    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("assay: no Docker engine answers (")
    assert "start the engine" in done.stderr and "Traceback" not in done.stderr


def test_what_needs_no_engine_works_without_one(tmp_path: Path) -> None:
    for command in (["sql", "from leaderboard"], ["traces", "list"], ["export", tmp_path / "out"]):
        done = assay(*command, home=tmp_path / "home", DOCKER_HOST=NO_ENGINE)

        assert (done.returncode, done.stderr) == (0, "")


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
    calm = finish(start(*search, "2", home=tmp_path / "calm"))

    assert code == 4
    assert "no Docker engine answers" in said and "start the engine" in said
    assert "Traceback" not in said
    assert kept == [{"n": 0}]
    assert (done.code, done.cells, calm.code) == (0, (), 0)
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
