"""Prefect's server ends with the command that started it, even where that is killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.orchestration.tether import Tether
from tests.docs.pages import reader
from tests.support.prefect_machine import (
    ROOT,
    awaited,
    end_group,
    free_port,
)

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]
SERVE = ("serve", "--port")
RUN = ("run", "--cell", "process", "--name", "killed", "--candidates")


@pytest.mark.parametrize("arguments", [SERVE, RUN])
def test_a_killed_command_leaves_no_server_behind(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    with started(tmp_path, *arguments, str(free_port())) as command:
        server = awaited(lambda: server_of(command.pid), f"a server ({tmp_path}/log)")
        awaited(lambda: tether_of(command.pid), "what ends it")
        command.kill()
        awaited(lambda: None if is_alive(server) else True, "the end of the server")


def test_a_signal_to_the_whole_group_ends_a_search_as_one_to_the_command_does(
    tmp_path: Path,
) -> None:
    with started(tmp_path, *RUN, "1000") as command:
        server = awaited(lambda: server_of(command.pid), f"a server ({tmp_path}/log)")
        awaited(lambda: "1/0 " in (tmp_path / "log").read_text() or None, "a candidate")
        os.killpg(command.pid, signal.SIGTERM)
        code = command.wait(280)
        awaited(lambda: None if is_alive(server) else True, "the end of the server")

    told = (tmp_path / "log").read_text()
    assert (code, "internal error" in told) == (130, False), told
    assert "is interrupted, everything recorded is kept" in told


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command of assay in a process group of its own, of which nothing is left in the end."""
    with (folder / "log").open("w") as log:
        command = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=ROOT,
            env={**reader(folder), "HOME": str(folder), "ASSAY_HOME": str(folder / "home")},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield command
    finally:
        end_group(command, signal.SIGKILL)


def test_what_is_released_lives_on() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        with Tether(process.pid):
            pass
        assert is_alive(process.pid)
        process.kill()


def server_of(parent: int) -> int | None:
    return next(
        (pid for pid, line in children(parent) if " server" in line or "uvicorn" in line), None
    )


def tether_of(parent: int) -> int | None:
    return next((pid for pid, line in children(parent) if line.startswith("sh ")), None)


def children(parent: int) -> list[tuple[int, str]]:
    """Return the processes that any thread of a process started, with their command lines."""
    threads = Path(f"/proc/{parent}/task").glob("*/children")
    found = [int(pid) for thread in threads for pid in text_of(thread).split()]
    return [(pid, text_of(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")) for pid in found]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that ended may wait for a parent that never asks."""
    told = text_of(Path(f"/proc/{pid}/stat"))
    return bool(told) and told.rsplit(") ")[1][0] != "Z"


def text_of(path: Path) -> str:
    """Return what the system tells of a process, nothing where it is gone by now."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
