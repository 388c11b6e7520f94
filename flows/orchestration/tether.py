"""Ends a process that we started when this one dies without a chance to end it itself.

A small shell waits at a pipe that this process holds open: when the pipe closes, however that
comes, the shell ends what it was told of. That works on every system, whichever thread started
the process, and where a signal at the parent's death (Linux) would come with the thread's.
"""

import subprocess
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 20
_WAIT = """
trap '' HUP INT TERM
read -r _ && exit
kill -s TERM -- "$1" || exit
for _ in $(seq "$2"); do sleep 1; kill -s 0 -- "$1" || exit; done
kill -s KILL -- "$1"
"""


class Tether:
    """Ties a process, or a group of them by its negative id, to this process until released."""

    def __init__(self, target: int) -> None:
        self._shell = subprocess.Popen(
            ["sh", "-c", _WAIT, "sh", str(target), str(PATIENCE_SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what kills our whole group must leave it alive
        )

    def release(self) -> None:
        """Let go of a process that has ended: its id may soon be another's."""
        self._shell.communicate(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
