"""One cell as the host holds it: a started container, one job in, at most one report out."""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.daemon import Daemon
from sandbox.errors import CellFailed, SandboxError
from sandbox.provider import Ended
from sandbox.stream import OutputParts, TooMuchOutput
from simulator.cell.frames import LENGTH

_log = logging.getLogger(__name__)
_CHUNK = 1 << 16


class Cell:
    """A container whose workers wait behind their seals; good for one job.

    ``engine`` returns the connection of the thread that calls; ``release`` is called at the end,
    and told whether the container is known to be gone.
    """

    def __init__(
        self,
        engine: Callable[[], Daemon],
        name: str,
        options: Mapping[str, Any],
        workers: int,
        *,
        patience_seconds: float,
        release: Callable[[bool], None],
    ) -> None:
        """Create, attach to and start the container; leave nothing behind where that fails."""
        self.workers = workers
        self._started_at = time.monotonic()
        self._engine = engine
        self._patience_seconds = patience_seconds
        self._release = release
        self._container = name
        daemon = engine()
        try:
            daemon.create(name, options)
            self._stream = daemon.attach(name)
            daemon.start(name)
            self._send(LENGTH.pack(workers), time.monotonic() + patience_seconds)
            daemon.drop_idle_connections()
        except BaseException:
            self._give_up()
            raise

    @property
    def age_seconds(self) -> float:
        """How long ago the cell was started."""
        return time.monotonic() - self._started_at

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
            out_of_memory=not output.stdout and not overdue and self._was_killed_for_memory(),
        )

    def destroy(self) -> None:
        """Kill and remove the container, and wait until the engine no longer knows it."""
        gone = False
        try:
            gone = self._remove(self._patience_seconds)
        finally:
            self._release(gone)
        if not gone:
            raise CellFailed(
                f"the container {self._container} does not go away",
                "look at `docker ps -a --filter label=assay`, then run `assay reap`",
            )

    def _give_up(self) -> None:
        """Remove what there is of a container that could not be started, if that can be done."""
        gone = False
        try:
            gone = self._remove(0.0)
        except SandboxError:
            _log.info("the engine does not say what became of %s", self._container)
        finally:
            self._release(gone)

    def _was_killed_for_memory(self) -> bool:
        """Tell whether the engine says that the kernel killed something here for its memory."""
        return self._engine().ran_out_of_memory(self._container)

    def _remove(self, patience_seconds: float) -> bool:
        """Tell whether the container is gone."""
        stream = getattr(self, "_stream", None)
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
        return self._engine().remove_for_good(self._container, patience_seconds)

    def _send(self, data: bytes, deadline: float) -> None:
        self._stream.settimeout(_left(deadline))
        # A cell that ended early says why on its way out, so a broken pipe is not the end.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._stream.sendall(data)

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
