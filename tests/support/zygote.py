"""Processes that start at once: a helper has everything imported and forks for each program."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.warm import warm_up

ROOT = Path(__file__).resolve().parents[2]


class Zygote:
    """Starts programs one at a time; each leads a process group of its own."""

    def __init__(self, *modules: str) -> None:
        """Import ``modules`` before the first program starts."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.zygote", *modules],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.pid:
            self.kill()
        self._process.communicate()

    def start(self, program: str, *arguments: object, output: Path, **environment: str) -> None:
        """Run ``program`` with ``sys.argv[1:]`` as given; what it prints goes to ``output``."""
        order = {
            "program": program,
            "arguments": [str(argument) for argument in arguments],
            "environment": environment,
            "output": str(output),
        }
        self.pid = self._ask(json.dumps(order))

    def wait(self) -> int:
        """Return the exit code of the program, as a negative number if a signal ended it.

        Until then a program that ended keeps its number, so that nobody else is killed for it.
        """
        code = self._ask("")
        self.pid = 0
        return code

    def kill(self) -> None:
        """Kill the program's whole process group without a warning."""
        os.killpg(self.pid, signal.SIGKILL)

    def _ask(self, order: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def serve(modules: list[str]) -> None:
    """Fork for each order that arrives; answer with the process id, when asked with its end."""
    warm_up(modules)
    while order := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            _become(json.loads(order))
        os.setpgid(pid, pid)  # whoever is first: when its number is told, its group is there
        print(pid, flush=True)
        sys.stdin.readline()
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become(order: Mapping[str, Any]) -> None:
    """Run the program as a fresh interpreter would, and end this process with it."""
    descriptor = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (descriptor, 1), (descriptor, 2)):
        os.dup2(old, new)
    os.environ.update(order["environment"])
    sys.argv = ["program", *order["arguments"]]
    code = 0
    try:
        exec(compile(order["program"], "<program>", "exec"), {"__name__": "__main__"})
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1:])
