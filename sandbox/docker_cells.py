"""Cells in locked Docker containers: the kind that untrusted policies are scored in.

A container is one cell, good for one job. Its output comes in frames, which are taken apart here.
"""

import contextlib
import logging
import secrets
import struct
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.daemon import Daemon, shortcomings, warnings_about
from sandbox.errors import CellFailed, SandboxError, SandboxUnavailable
from sandbox.hardening import container_options, seccomp_profile
from sandbox.image import image_tag
from sandbox.limits import Limits
from sandbox.provider import DOCKER, Ended, Processors, Setting, ours_among
from sandbox.reaper import NAME_PREFIX, labels_for, reap
from sandbox.verdict import container_protections
from simulator.cell.frames import LENGTH

_HEADER = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2
_CHUNK = 1 << 16
_log = logging.getLogger(__name__)


class TooMuchOutput(Exception):
    """A container wrote more than it may."""


class OutputParts:
    """Collects both streams, whose frames may be cut anywhere, up to a total of ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._header = bytearray()
        self._open_stream = 0
        self._open_bytes = 0
        self.stdout = bytearray()
        self.stderr = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in the next bytes from the engine."""
        self._left -= len(data)
        if self._left < 0:
            raise TooMuchOutput
        view = memoryview(data)
        while view:
            if self._open_bytes == 0:
                view = self._take_header(view)
            else:
                view = self._take_content(view)

    def _take_header(self, view: memoryview) -> memoryview:
        missing = _HEADER.size - len(self._header)
        self._header += view[:missing]
        if len(self._header) == _HEADER.size:
            self._open_stream, self._open_bytes = _HEADER.unpack(self._header)
            self._header.clear()
        return view[missing:]

    def _take_content(self, view: memoryview) -> memoryview:
        part = view[: self._open_bytes]
        if self._open_stream == _STDOUT:
            self.stdout += part
        elif self._open_stream == _STDERR:
            self.stderr += part
        self._open_bytes -= len(part)
        return view[len(part) :]


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


class DockerCells:
    """Starts containers; each thread talks to the engine on a connection of its own.

    A container of which the engine did not say that it is gone is remembered, and removed as soon
    as the engine answers again: with the next start, or at the end.
    """

    def __init__(
        self,
        limits: Limits,
        isolation: str,
        image: str | None = None,
        runtime: str | None = None,
    ) -> None:
        self._limits = limits
        self._isolation = isolation
        self._image_name = image or image_tag()
        self._runtime = runtime
        self._local = threading.local()
        self._daemons: list[Daemon] = []
        self._begun: set[str] = set()
        self._strays: dict[str, float] = {}
        self._lock = threading.Lock()

    def open(self) -> Setting:
        """Connect, refuse an engine that cannot protect, find the image, remove stale cells."""
        daemon = self._daemon()
        facts = daemon.facts()
        lacking = shortcomings(facts, self._runtime)
        if lacking:
            problem = f"this Docker engine cannot hold a cell: {'; '.join(lacking)}"
            raise SandboxUnavailable(problem, "`assay doctor` tells more")
        self._image_id = daemon.image_id(self._image_name)
        self._seccomp = seccomp_profile(facts.architecture)
        self._pinned = facts.cpuset
        self._processors = Processors(ours_among(facts.cpus))
        left_alone = reap(daemon).skipped
        return Setting(
            engine=facts.server_version,
            runtime=self._runtime or facts.default_runtime,
            image=self._image_name,
            image_id=self._image_id,
            isolation=f"{DOCKER}/{self._isolation}",
            warnings=(*warnings_about(facts, self._runtime), *left_alone),
        )

    def start(self, workers: int) -> Cell:
        """Return a started container for ``workers`` scenarios."""
        self._remove_strays(at_last=False)
        cpu = self._processors.take()
        name = f"{NAME_PREFIX}{secrets.token_hex(8)}"
        with self._lock:
            self._begun.add(name)
        options = container_options(
            image_id=self._image_id,
            workers=workers,
            isolation=self._isolation,
            limits=self._limits,
            seccomp=self._seccomp,
            cpu=cpu if self._pinned else None,
            labels=labels_for(self._limits.lifetime_seconds(workers)),
            runtime=self._runtime,
        )
        return Cell(
            self._daemon,
            name,
            options,
            workers,
            patience_seconds=self._limits.start_seconds,
            release=self._released(name),
        )

    def protections(self) -> Mapping[str, Any]:
        """Return what a container gives beside the seal, and the seal as asked for."""
        return container_protections(self._isolation)

    def close(self) -> None:
        """Remove what was left, as far as the engine answers, and give up all connections to it.

        An interrupt may have come before anybody held a container that was just started.
        """
        with self._lock:
            self._strays |= dict.fromkeys(self._begun, time.monotonic())
        self._remove_strays(at_last=True)
        if self._strays:
            names = ", ".join(sorted(self._strays))
            _log.warning("the engine does not answer for %s: run `assay reap` later", names)
        for daemon in self._daemons:
            daemon.close()

    def _released(self, name: str) -> Callable[[bool], None]:
        def release(gone: bool) -> None:
            with self._lock:
                self._begun.discard(name)
                if not gone:
                    self._strays[name] = time.monotonic()

        return release

    def _remove_strays(self, *, at_last: bool) -> None:
        """Try to remove each; one that may still be on its way into being is kept in mind."""
        patience = self._limits.start_seconds
        with self._lock:
            strays = dict(self._strays)
        for name, since in strays.items():
            try:
                gone = self._daemon().remove_for_good(name, patience if at_last else 0.0)
            except SandboxError:
                return
            if gone and (at_last or time.monotonic() - since >= patience):
                with self._lock:
                    self._strays.pop(name, None)

    def _daemon(self) -> Daemon:
        """Return this thread's own connection to the engine."""
        daemon: Daemon | None = getattr(self._local, "daemon", None)
        if daemon is None:
            daemon = self._local.daemon = Daemon()
            with self._lock:
                self._daemons.append(daemon)
        return daemon
