"""One embedded cell as the host holds it: a process whose end is the end of all it started."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from sandbox.errors import CellFailed
from sandbox.provider import Ended
from simulator.cell import kernel
from simulator.cell.frames import LENGTH

_CHUNK = 1 << 16


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
