"""The end of a command that was interrupted: it comes in time, whatever a library waits for."""

import atexit
import faulthandler
import os
import shlex
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from flows.cli.errors import INTERRUPTED, say
from flows.cli.terminal import print_line
from flows.interrupts import interrupt

PATIENCE_SECONDS = 60.0
"""From a signal to the end of the process; what is recorded is safe from the first moment on."""


def typed_command() -> str:
    """Return the command that this process was started with."""
    return shlex.join(["assay", *sys.argv[1:]])


class Interruptible:
    """Has SIGINT and SIGTERM end this process within ``PATIENCE_SECONDS``, and say how to go on.

    Prefect tells its server of an interrupt for as long as that takes, waits for its threads at the
    end, and may swallow what a signal raises. What then waits is written to a file. ``what`` is
    interrupted, and ``last_line``, if any, the last that is printed for a program. With ``at_once``
    the interpreter takes nothing apart at its end, where threads of libraries may still run.
    """

    def __init__(self, what: str, home: Path, last_line: str = "", *, at_once: bool) -> None:
        self._words = (
            f"assay: {what} is interrupted, everything recorded is kept: type the same command to "
            f"continue\n  {typed_command()}"
        )
        self._home, self._last_line, self._at_once = home, last_line, at_once
        self._said = False
        self._told, self._tell = os.pipe()

    def __enter__(self) -> Self:
        if self._at_once:
            atexit.register(self._end_now)  # before all others, so that it is called as the last
        threading.Thread(target=self._insist, name="ending", daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(problem, KeyboardInterrupt):
            self._leave()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        os.close(self._tell)  # lets go of the thread, unless there was a signal

    def _leave(self) -> NoReturn:
        from flows.orchestration.server import drop_stderr

        self._say()
        atexit.register(drop_stderr)
        raise SystemExit(INTERRUPTED) from None

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        os.write(self._tell, b"\n")  # a handler must not wait for a lock, as an event has one
        interrupt()

    def _insist(self) -> None:
        interrupted = os.read(self._told, 1)
        os.close(self._told)
        if not interrupted:
            return
        time.sleep(PATIENCE_SECONDS)
        with suppress(OSError):
            path = self._home / "logs" / f"stuck-{os.getpid()}.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8") as file:
                faulthandler.dump_traceback(file, all_threads=True)
            say(f"assay: not ended within {PATIENCE_SECONDS:g} s; what it waited for is in {path}")
        self._say()
        os._exit(INTERRUPTED)

    def _say(self) -> None:
        if not self._said:
            self._said = True
            if self._last_line:
                print_line(self._last_line)
            say(self._words)

    def _end_now(self) -> None:
        if self._said:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            os._exit(INTERRUPTED)
