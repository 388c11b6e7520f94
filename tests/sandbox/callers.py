"""Callers of cells in processes of their own, to be interrupted and killed, and what they leave."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import TracebackType

from sandbox.daemon import Daemon
from sandbox.hardening import LABEL, OWNER_LABEL
from tests.support.cells import ROOT

PREPARED = "box.prepare(1); box.settle(); print('ready', flush=True); input()"
LOOK_SECONDS = 0.01
TRYING = "print('ready', flush=True); box.try_unscreened('while True: pass', [small_scenario()])"
HOSTILE = 'import enum; enum.sys.modules["os"]._exit(0)'
ATTACKED = f"box.try_unscreened({HOSTILE!r}, [small_scenario()]); {PREPARED}"
SCRIPT = """
import sys
from sandbox.limits import Limits
from sandbox.trial import Sandbox
from tests.support.cells import small_scenario

limits = Limits(call_cpu_seconds=900, policy_cpu_seconds=900, wall_seconds=900)
with Sandbox(limits, cell={cell!r}) as box:
    {doing}
"""


class Caller:
    """A process that holds cells, ready for its first line of output to be waited for."""

    def __init__(self, doing: str, cell: str = "docker") -> None:
        script = SCRIPT.format(doing=doing, cell=cell)
        with interrupts_heard():
            self._process = subprocess.Popen(
                [sys.executable, "-c", script],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        self.pid = self._process.pid

    def wait_until_ready(self) -> None:
        """Wait until it does what it was started for."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> str:
        """Send it a signal, wait for its end, and return what it said on standard error."""
        self._process.send_signal(number)
        return self._process.communicate()[1]

    def go_on(self) -> None:
        """Give it the line of input that it waits for, and wait until it has ended by itself."""
        said = self._process.communicate("\n")[1]
        assert self._process.returncode == 0, said

    def __enter__(self) -> "Caller":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.end(signal.SIGKILL)


@contextmanager
def interrupts_heard() -> Iterator[None]:
    """Let programs that are started hear of Ctrl-C even where the tests run in the background.

    A shell has what it starts there ignore it, and so has all that this starts in turn.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def cells_of(pid: int | None = None, running: bool = False) -> set[str]:
    """Return the containers that process ``pid``, or this one, started and that are still there."""
    mine = f"{pid or os.getpid()}:"
    with closing(Daemon()) as daemon:
        listed = daemon.containers_with(LABEL)
    return {
        one.id
        for one in listed
        if one.labels.get(OWNER_LABEL, "").startswith(mine) and (one.running or not running)
    }


def until(condition: Callable[[], bool], seconds: float = 240.0) -> bool:
    """Ask until the answer is yes, or the time is up; return the last answer."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True
