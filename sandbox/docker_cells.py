"""Cells in locked Docker containers: the kind that untrusted policies are scored in."""

import threading
from collections.abc import Mapping
from typing import Any

from sandbox.cell import Cell
from sandbox.daemon import Daemon
from sandbox.engine_facts import shortcomings, warnings_about
from sandbox.errors import SandboxUnavailable
from sandbox.hardening import container_options
from sandbox.image import image_tag
from sandbox.limits import Limits
from sandbox.owner import labels_for
from sandbox.processors import Processors, ours_among
from sandbox.provider import DOCKER, Setting
from sandbox.reaper import reap
from sandbox.seccomp import seccomp_profile
from sandbox.verdict import container_protections


class DockerCells:
    """Starts containers; each thread talks to the engine on a connection of its own."""

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
        reap(daemon)
        return Setting(
            engine=facts.server_version,
            runtime=self._runtime or facts.default_runtime,
            image=self._image_name,
            image_id=self._image_id,
            isolation=f"{DOCKER}/{self._isolation}",
            warnings=warnings_about(facts),
        )

    def start(self, workers: int) -> Cell:
        """Return a started container for ``workers`` scenarios."""
        cpu = self._processors.take()
        try:
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
                options,
                workers,
                patience_seconds=self._limits.start_seconds,
                release=lambda: self._processors.give_back(cpu),
            )
        except BaseException:
            self._processors.give_back(cpu)
            raise

    def protections(self) -> Mapping[str, Any]:
        """Return what a container gives beside the seal, and the seal as asked for."""
        return container_protections(self._isolation)

    def close(self) -> None:
        """Give up all connections to the engine."""
        for daemon in self._daemons:
            daemon.close()

    def _daemon(self) -> Daemon:
        """Return this thread's own connection to the engine."""
        daemon: Daemon | None = getattr(self._local, "daemon", None)
        if daemon is None:
            daemon = self._local.daemon = Daemon()
            with self._lock:
                self._daemons.append(daemon)
        return daemon
