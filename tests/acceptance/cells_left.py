"""Runs a command as a user does and tells which cells it left behind."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.daemon import Daemon
from sandbox.hardening import OWNER_LABEL
from tests.sandbox.callers import interrupts_heard

PROMISED = {"candidate", "outcome", "score", "evaluations", "cell"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command printed, how it ended, and the cells that it left."""

    code: int
    stdout: str
    stderr: str
    cells: tuple[str, ...]


def start(*arguments: str | Path, home: Path, **environment: str) -> subprocess.Popen[str]:
    """Start ``assay ARGUMENTS`` in a session of its own, with no key and no server inherited."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "OPENAI_", "ASSAY_"))
    }
    with interrupts_heard():
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            env={**inherited, "ASSAY_HOME": str(home), **environment},
            start_new_session=True,
        )


def finish(process: subprocess.Popen[str], timeout: float = 280) -> Done:
    """Wait for the command, and look for what it left."""
    stdout, stderr = process.communicate(timeout=timeout)
    return Done(code=process.returncode, stdout=stdout, stderr=stderr, cells=cells_of(process.pid))


def interrupt(process: subprocess.Popen[str]) -> None:
    """Do what Ctrl-C in a terminal does: interrupt the whole process group."""
    os.killpg(process.pid, signal.SIGINT)


def cells_of(pid: int) -> tuple[str, ...]:
    """Return the ids of the cells that process ``pid`` started and that are still there."""
    daemon = Daemon()
    try:
        listed = daemon.containers_with(OWNER_LABEL)
        ours = [one.id for one in listed if one.labels[OWNER_LABEL].startswith(f"{pid}:")]
        # An engine lists a container for a moment after it says that there is none of that id.
        return tuple(each for each in ours if daemon.exists(each))
    finally:
        daemon.close()
