"""Cells in locked Docker containers: the kind that untrusted policies are scored in."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.cell import Cell
from sandbox.daemon import Daemon
from sandbox.engine_facts import shortcomings, warnings_about
from sandbox.errors import SandboxError, SandboxUnavailable
from sandbox.hardening import container_options
from sandbox.image import image_tag
from sandbox.limits import Limits
from sandbox.owner import NAME_PREFIX, labels_for
from sandbox.processors import Processors, ours_among
from sandbox.provider import DOCKER, Setting
from sandbox.reaper import reap
from sandbox.seccomp import seccomp_profile
from sandbox.verdict import container_protections

_log = logging.getLogger(__name__)


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
