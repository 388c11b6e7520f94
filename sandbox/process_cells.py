"""Cells without a container, for machines without Docker: the same processes, the same seal.

What the kernel grants this user is found out once, when the cells are opened; from then on every
cell must have all of it. There is no limit on the cell as a whole, only on each worker. The end of
a cell's first process is the end of all that it started.
"""

import compileall
import contextlib
import json
import os
import platform
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from sandbox.errors import CellFailed, SandboxUnavailable
from sandbox.hardening import ENVIRONMENT, trusted_arguments
from sandbox.image import package_root, source_hash
from sandbox.limits import Limits
from sandbox.provider import PROCESS, Ended, Processors, Setting, ours_among
from sandbox.verdict import process_protections
from simulator.cell import kernel
from simulator.cell.frames import LENGTH
from simulator.cell.seal import ONE_UID, SPLIT
from simulator.cell.seccomp import ARCHITECTURES

_CHUNK = 1 << 16
_PROGRAM = ("-s", "-P", "-m", "simulator.cell.enclosure")
_WEAKER = "name the isolation one-uid, run as root, or use --cell docker"
_NOT_GIVEN = {
    "net": "a network of their own",
    "pid": "a process table of their own",
    "mount": "a read-only view of the files",
}
_MEMORY = "memory is limited for each policy, not for the whole cell"


class ProcessCell:
    """A started enclosure; the end of its standard input ends it, should the caller be killed."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        workers: int,
        cpu: int,
        *,
        patience_seconds: float,
    ) -> None:
        self.workers = workers
        self._patience_seconds = patience_seconds
        self._started_at = time.monotonic()
        try:
            with _this_thread_as_the_cell(cpu):
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=dict(environment),
                    cwd="/",
                    start_new_session=True,  # the terminal's Ctrl-C is for the caller alone
                )
            with contextlib.suppress(BrokenPipeError):  # it ended early, and says why
                os.write(self._pipes()[0].fileno(), LENGTH.pack(workers))
        except OSError as error:
            problem = f"an embedded cell could not be started ({error.strerror or error})"
            raise CellFailed(problem, "try again when the machine has room") from error

    @property
    def age_seconds(self) -> float:
        """How long ago the cell was started."""
        return time.monotonic() - self._started_at

    @property
    def pid(self) -> int:
        """The process whose end means that nothing of the cell is left."""
        return self._process.pid

    def run(self, job: bytes, deadline: float, max_output_bytes: int) -> Ended:
        """Hand in the job and wait for the end of the output, but not beyond ``deadline``."""
        stdin, stdout, stderr = self._pipes()
        talk = _Talk(stdin, job, stdout, stderr)
        while talk.open and talk.taken <= max_output_bytes:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            talk.go_on(left)
        flooded = talk.taken > max_output_bytes
        return Ended(
            stdout=bytes(talk.stdout),
            stderr=talk.stderr.decode("utf-8", "replace"),
            overdue=talk.open and not flooded,
            flooded=flooded,
        )

    def destroy(self) -> None:
        """Tell the enclosure to end all; end its whole process group where it does not listen."""
        for pipe in self._pipes():
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(self._patience_seconds)
        except subprocess.TimeoutExpired:
            self._end_by_force()

    def _end_by_force(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        try:
            self._process.wait(self._patience_seconds)
        except subprocess.TimeoutExpired:
            problem = f"the embedded cell {self._process.pid} does not go away"
            raise CellFailed(problem, "look at it with `ps`, and end its group") from None

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        return process.stdin, process.stdout, process.stderr


@contextlib.contextmanager
def _this_thread_as_the_cell(cpu: int) -> Iterator[None]:
    """Give this thread the one processor and the fixed addresses that what it starts inherits.

    As arguments of the cell they would be seen by its policy, and differ from cell to cell.
    """
    processors, fixed = os.sched_getaffinity(0), kernel.addresses_are_fixed()
    os.sched_setaffinity(0, {cpu})
    kernel.fix_addresses()
    try:
        yield
    finally:
        os.sched_setaffinity(0, processors)
        if not fixed:
            kernel.randomise_addresses()


class _Talk:
    """Writes the job and takes in both streams as they are ready, so that no side waits."""

    def __init__(self, stdin: IO[bytes], job: bytes, stdout: IO[bytes], stderr: IO[bytes]) -> None:
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._stdin = stdin
        self._job = memoryview(job)
        self._outputs = {stdout.fileno(): self.stdout, stderr.fileno(): self.stderr}
        self._ready = selectors.DefaultSelector()
        for pipe, event in (
            (stdin, selectors.EVENT_WRITE),
            (stdout, selectors.EVENT_READ),
            (stderr, selectors.EVENT_READ),
        ):
            os.set_blocking(pipe.fileno(), False)
            self._ready.register(pipe.fileno(), event)

    @property
    def taken(self) -> int:
        """How many bytes came so far."""
        return len(self.stdout) + len(self.stderr)

    @property
    def open(self) -> bool:
        """Whether more may come; the job's own pipe stays open until the cell is destroyed."""
        return bool(self._outputs)

    def go_on(self, patience_seconds: float) -> None:
        """Do what can be done now, or within ``patience_seconds``."""
        for key, _ in self._ready.select(patience_seconds):
            if key.fd in self._outputs:
                self._take(key.fd)
            else:
                self._send(key.fd)
        if not self._outputs:
            self._ready.close()

    def _take(self, fd: int) -> None:
        data = os.read(fd, _CHUNK)
        self._outputs[fd] += data
        if not data:
            del self._outputs[fd]
            self._ready.unregister(fd)

    def _send(self, fd: int) -> None:
        try:
            self._job = self._job[os.write(fd, self._job[:_CHUNK]) :]
        except (BrokenPipeError, ConnectionResetError):
            self._job = self._job[:0]  # it ended early, and says why on its way out
        if not self._job:
            self._ready.unregister(fd)


class ProcessCells:
    """Starts embedded cells, with the strongest that can be had here of what is not named.

    ``isolation`` and ``walls`` may name less; asked for more than there is, opening fails.
    """

    def __init__(
        self,
        limits: Limits,
        isolation: str | None = None,
        walls: Sequence[str] | None = None,
    ) -> None:
        self._limits = limits
        self._isolation = isolation or SPLIT
        self._named = isolation is not None
        self._walls = tuple(walls or ())
        self._walls_named = walls is not None
        self._processors = Processors(ours_among(1 << 16))

    def open(self) -> Setting:
        """Find out which walls the kernel grants this user."""
        _require_linux()
        _compile_the_simulator()
        granted = _probe(self._limits.start_seconds)
        if not self._walls_named:
            self._walls = tuple(granted["walls"])
        if self._isolation == SPLIT and not granted["split"]:
            if self._named:
                problem = "an embedded cell cannot give policies users of their own here"
                raise SandboxUnavailable(problem, _WEAKER)
            self._isolation = ONE_UID
        lacking = [wall for wall in _NOT_GIVEN if wall not in self._walls]
        return Setting(
            engine="none",
            runtime=f"{platform.python_implementation()} {platform.python_version()}",
            image="none",
            image_id=f"installed:{source_hash()[:12]}",
            isolation="/".join([PROCESS, self._isolation, *(f"no-{wall}" for wall in lacking)]),
            warnings=(_MEMORY, *(f"cells here lack {_NOT_GIVEN[w]}" for w in lacking)),
        )

    def start(self, workers: int) -> ProcessCell:
        """Return a started cell for ``workers`` scenarios."""
        cpu = self._processors.take()
        walls = ["--walls", ",".join(self._walls), "--"]
        trusted = trusted_arguments(self._isolation, self._limits)
        return ProcessCell(
            _command([*walls, *trusted]),
            environment(),
            workers,
            cpu,
            patience_seconds=self._limits.start_seconds,
        )

    def protections(self) -> Mapping[str, Any]:
        """Return the seal as asked for, and every wall that was found at the opening."""
        return process_protections(self._isolation, self._walls)

    def close(self) -> None:
        """Nothing is held open between cells."""


def environment() -> dict[str, str]:
    """Return all that a cell sees of the environment: nothing of the caller's."""
    return {**ENVIRONMENT, "PYTHONPATH": str(package_root())}


def _require_linux() -> None:
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        problem = f"an embedded cell needs Linux on one of {known}, this is {system} on {machine}"
        raise SandboxUnavailable(problem, "use --cell docker")


def _compile_the_simulator() -> None:
    """Compile once what every cell imports; cells themselves write no file."""
    if not sys.dont_write_bytecode:
        compileall.compile_dir(package_root() / "simulator", quiet=2)


def _probe(patience_seconds: float) -> dict[str, Any]:
    try:
        told = subprocess.run(
            _command(["--probe"]),
            env=environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=patience_seconds,
            check=True,
        ).stdout
        granted: dict[str, Any] = json.loads(told)
        return granted
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", None) or b""
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        problem = f"no embedded cell can be started here: {last or error}"
        raise SandboxUnavailable(problem, "use --cell docker") from error


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, *_PROGRAM, *arguments]
