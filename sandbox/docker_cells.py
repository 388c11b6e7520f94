"""Cells in Docker containers, the default kind. A container is one cell and runs one job."""

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
from sandbox.image import folder_in_image, image_tag
from sandbox.limits import Limits
from sandbox.provider import DOCKER, Ended, Processors, Setting, usable_processors
from sandbox.reaper import NAME_PREFIX, labels_for, reap
from sandbox.verdict import container_protections
from simulator.cell.frames import LENGTH
from simulator.domain import Domain, find_domain

_HEADER = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2
_CHUNK = 1 << 16
_log = logging.getLogger(__name__)


class TooMuchOutput(Exception):
    """A container wrote more than its limit."""


class OutputParts:
    """Splits the engine's multiplexed output into stdout and stderr, up to ``max_bytes`` in total.

    Frames may be cut anywhere.
    """

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes
        self._header = bytearray()
        self._open_stream = 0
        self._open_bytes = 0
        self.stdout = bytearray()
        self.stderr = bytearray()

    def feed(self, data: bytes) -> None:
        """Add the next bytes from the engine."""
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
    """A started container whose sealed workers wait for one job.

    ``engine`` returns the calling thread's connection. ``release`` is called at the end, with
    whether the container is known to be gone.
    """

    def __init__(
        self,
        engine: Callable[[], Daemon],
        name: str,
        options: Mapping[str, Any],
        workers: int,
        *,
        timeout_seconds: float,
        per_scenario: int = 1,
        release: Callable[[bool], None],
    ) -> None:
        """Create, attach to and start the container; remove it if any of these fails."""
        self.workers = workers
        self._started_at = time.monotonic()
        self._engine = engine
        self._timeout_seconds = timeout_seconds
        self._release = release
        self._container = name
        daemon = engine()
        try:
            daemon.create(name, options)
            self._stream = daemon.attach(name)
            daemon.start(name)
            self._send(LENGTH.pack(workers * per_scenario), time.monotonic() + timeout_seconds)
            daemon.drop_idle_connections()
        except BaseException:
            self._remove_failed_start()
            raise

    @property
    def age_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started_at

    def run(self, job: bytes, deadline: float, max_output_bytes: int) -> Ended:
        """Send the job and wait for the end of the output, until ``deadline`` at most."""
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
            _log.info("the connection to a cell broke")  # the output so far is judged
        return Ended(
            stdout=bytes(output.stdout),
            stderr=output.stderr.decode("utf-8", "replace"),
            overdue=overdue,
            flooded=flooded,
            out_of_memory=not output.stdout and not overdue and self._was_killed_for_memory(),
        )

    def end(self) -> None:
        """Kill the container; its output then ends."""
        self._engine().remove(self._container)

    def destroy(self) -> None:
        """Kill and remove the container, and wait until the engine no longer knows it."""
        gone = False
        try:
            gone = self._remove(self._timeout_seconds)
        finally:
            self._release(gone)
        if not gone:
            raise CellFailed(
                f"the container {self._container} could not be removed",
                "look at `docker ps -a --filter label=assay`, then run `assay reap`",
            )

    def _remove_failed_start(self) -> None:
        """Try to remove a container that could not be started."""
        gone = False
        try:
            gone = self._remove(0.0)
        except SandboxError:
            _log.info("whether the engine removed %s is unknown", self._container)
        finally:
            self._release(gone)

    def _was_killed_for_memory(self) -> bool:
        """Tell whether the engine reports an out-of-memory kill in this cell."""
        return self._engine().ran_out_of_memory(self._container)

    def _remove(self, timeout_seconds: float) -> bool:
        """Remove the container and tell whether it is gone."""
        stream = getattr(self, "_stream", None)
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
        return self._engine().remove_for_good(self._container, timeout_seconds)

    def _send(self, data: bytes, deadline: float) -> None:
        self._stream.settimeout(_seconds_left(deadline))
        # A cell that ended early says why in its output, so a broken pipe is no error yet.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._stream.sendall(data)

    def _collect(self, output: OutputParts, deadline: float) -> None:
        while True:
            self._stream.settimeout(_seconds_left(deadline))
            data = self._stream.recv(_CHUNK)
            if not data:
                return
            output.feed(data)


def _seconds_left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class DockerCells:
    """Starts containers; each thread has its own connection to the engine.

    Containers whose removal the engine did not confirm are removed at the next start or on close.
    """

    def __init__(
        self,
        limits: Limits,
        isolation: str,
        domain: Domain | None = None,
        image: str | None = None,
        runtime: str | None = None,
    ) -> None:
        self._limits = limits
        self._isolation = isolation
        self._of = domain = domain or find_domain()
        self._domain = folder_in_image(domain)
        self._role = domain.role
        self._per_scenario = domain.workers
        self._image_name = image or image_tag(domain=domain)
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
            raise SandboxUnavailable(problem, "see `assay doctor`")
        self._image_id = daemon.image_id(self._image_name)
        self._seccomp = seccomp_profile(facts.architecture)
        self._pinned = facts.cpuset
        self._processors = Processors(usable_processors(facts.cpus))
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
            workers=workers * self._per_scenario,
            per_scenario=self._per_scenario,
            isolation=self._isolation,
            domain=self._domain,
            role=self._role,
            limits=self._limits,
            seccomp=self._seccomp,
            cpu=cpu if self._pinned else None,
            labels=labels_for(self._limits.lifetime_seconds(workers, self._per_scenario)),
            runtime=self._runtime,
        )
        return Cell(
            self._daemon,
            name,
            options,
            workers,
            timeout_seconds=self._limits.start_seconds,
            per_scenario=self._per_scenario,
            release=self._released(name),
        )

    def protections(self) -> Mapping[str, Any]:
        """Return the protections that every cell must report: the container's and the seal's."""
        return container_protections(self._isolation)

    def close(self) -> None:
        """Remove all remaining containers, as far as the engine answers, and close the connections.

        An interrupt may have left a container that was just started without an owner.
        """
        with self._lock:
            self._strays |= dict.fromkeys(self._begun, time.monotonic())
        self._remove_strays(at_last=True)
        if self._strays:
            names = ", ".join(sorted(self._strays))
            _log.warning(
                "the engine did not confirm the removal of %s: run `assay reap` later", names
            )
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
        """Try to remove each; keep those that the engine may still be creating."""
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
            daemon = self._local.daemon = Daemon(domain=self._of)
            with self._lock:
                self._daemons.append(daemon)
        return daemon
