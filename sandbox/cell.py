"""One cell as the host holds it: a started container, one job in, at most one report out."""

import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.daemon import Daemon
from sandbox.errors import CellFailed
from sandbox.stream import OutputParts, TooMuchOutput

_log = logging.getLogger(__name__)
_CHUNK = 1 << 16
_GONE_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a cell left behind, before anyone has judged it."""

    stdout: bytes
    stderr: str
    overdue: bool = False
    """The host's deadline passed before the cell was done."""
    flooded: bool = False
    """More came than the host takes in."""
    out_of_memory: bool = False
    """The kernel killed something in the cell for its memory."""


class Cell:
    """A container whose workers wait behind their seals; good for one job."""

    def __init__(self, daemon: Daemon, options: Mapping[str, Any], workers: int, cpu: int) -> None:
        """Create, attach to and start the container; leave nothing behind where that fails."""
        self.workers = workers
        self.cpu = cpu
        self.started_at = time.time()
        self._daemon = daemon
        self._container = daemon.create(options)
        try:
            self._stream = daemon.attach(self._container)
            daemon.start(self._container)
        except BaseException:
            self.destroy(daemon, 0.0)
            raise

    @property
    def age_seconds(self) -> float:
        """How long ago the cell was started."""
        return time.time() - self.started_at

    def run(self, job: bytes, deadline: float, max_output_bytes: int) -> Ended:
        """Hand in the job and wait for the end of the output, but not beyond ``deadline``."""
        output = OutputParts(max_output_bytes)
        overdue = flooded = False
        try:
            self._send(job, deadline)
            self._collect(output, deadline)
        except TimeoutError:
            overdue = True
        except TooMuchOutput:
            flooded = True
        except OSError:
            _log.info("the connection to a cell broke")  # what came before is judged by itself
        return Ended(
            stdout=bytes(output.stdout),
            stderr=output.stderr.decode("utf-8", "replace"),
            overdue=overdue,
            flooded=flooded,
        )

    def with_memory_evidence(self, daemon: Daemon, ended: Ended) -> Ended:
        """Return ``ended`` with the engine's word on whether the kernel killed here for memory."""
        until = int(time.time()) + 1
        seen = daemon.ran_out_of_memory(self._container, int(self.started_at) - 1, until)
        return replace(ended, out_of_memory=seen)

    def destroy(self, daemon: Daemon, patience_seconds: float) -> None:
        """Kill and remove the container, and wait until the engine no longer knows it."""
        stream = getattr(self, "_stream", None)
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
        daemon.remove(self._container)
        deadline = time.monotonic() + patience_seconds
        while patience_seconds and daemon.exists(self._container):
            if time.monotonic() > deadline:
                raise CellFailed(
                    f"the container {self._container[:12]} does not go away",
                    "look at `docker ps -a --filter label=assay`, then run `assay reap`",
                )
            time.sleep(_GONE_POLL_SECONDS)
            daemon.remove(self._container)

    def _send(self, job: bytes, deadline: float) -> None:
        self._stream.settimeout(_left(deadline))
        # A cell that ended early says why on its way out, so a broken pipe is not the end.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._stream.sendall(job)

    def _collect(self, output: OutputParts, deadline: float) -> None:
        while True:
            self._stream.settimeout(_left(deadline))
            data = self._stream.recv(_CHUNK)
            if not data:
                return
            output.feed(data)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
