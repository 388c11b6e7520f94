"""A server for agents: in this process for most tests, as a program of its own for some."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flows.agents.limits import SessionLimits
from flows.agents.notebook import Notebook
from flows.agents.tools import Offer, Tools
from flows.clock import SystemClock
from flows.history.held_back import OpenHistory
from simulator.domain import find_domain
from tests.support.cells import ROOT

SPIN = "while True:\n    pass\n"


@contextmanager
def in_process(
    home: Path,
    suite: Path,
    *,
    splits: tuple[str, ...] = ("train",),
    trials: int = 20,
    seconds: float = 600,
    slots: int = 2,
    cell: str = "process",
) -> Iterator[Any]:
    """Yield a server that a client of the package connects to without a process between them."""
    from flows.agents.protocol import Door  # it imports mcp, which takes a second

    offer = Offer(domains={"pipelines": find_domain()}, suites={"small": str(suite)}, splits=splits)
    limits = SessionLimits(trials, seconds, slots)
    with (
        OpenHistory(home, splits) as history,
        Notebook(home, limits, SystemClock(), cell=cell, slots=slots) as notebook,
    ):
        yield Door(Tools(offer, notebook, history), _raise)._server()


def _raise(error: BaseException) -> str:
    raise error


def arguments(suite: Path, *more: str) -> list[str]:
    """Return the program and arguments that start a server with embedded cells."""
    where = ("--cell", "process", "--domain", "pipelines", "--suite", str(suite))
    return [sys.executable, "-m", "flows.cli", "mcp", *where, *more]


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return what such a server finds in its environment."""
    return {"ASSAY_HOME": str(home), "PYTHONPATH": str(ROOT), **more}


@contextmanager
def over_http(
    home: Path, suite: Path, *more: str, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Yield the address of a server over HTTP, on a free port, and its process."""
    started = subprocess.Popen(
        arguments(suite, "--http", "--port", "0", *more),
        env={**os.environ, **environment(home, **variables)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stderr is not None
    try:
        lines = iter(started.stderr.readline, "")
        said = next(line for line in lines if "serving agents on" in line)
        yield said.split()[4].rstrip(";"), started
    finally:
        started.terminate()
        started.communicate(timeout=60)


def cells_of_server(pid: int) -> set[int]:
    """Return the embedded cells that a process started and that have not ended."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                words = (entry / "cmdline").read_bytes()
            except (OSError, ValueError):
                continue
            if parent == pid and b"simulator.cell.enclosure" in words and b"--probe" not in words:
                found.add(int(entry.name))
    return found


def servers_of(suite: Path) -> set[int]:
    """Return the processes that serve with a suite."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"mcp" in words and str(suite).encode() in words:
                found.add(int(entry.name))
    return found
