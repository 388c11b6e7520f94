"""Cells without a container, for machines without Docker: the same processes, the same seal.

What the kernel grants this user is found out once, when the cells are opened; from then on every
cell must have all of it. There is no limit on the cell as a whole, only on each worker.
"""

import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.errors import SandboxUnavailable
from sandbox.hardening import ENVIRONMENT, trusted_arguments
from sandbox.image import package_root, source_hash
from sandbox.limits import Limits
from sandbox.process_cell import ProcessCell
from sandbox.processors import Processors, ours_among
from sandbox.provider import PROCESS, Setting
from sandbox.verdict import process_protections
from simulator.cell.seal import ONE_UID, SPLIT
from simulator.cell.seccomp import ARCHITECTURES

_PROGRAM = ("-s", "-P", "-m", "simulator.cell.enclosure")
_WEAKER = "name the isolation one-uid, run as root, or use --cell docker"
_NOT_GIVEN = {
    "net": "its own network",
    "pid": "its own process table",
    "mount": "a read-only view of the files",
}
_MEMORY = "no limit on the memory of a cell as a whole, only on each policy's address space"


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
            warnings=(_MEMORY, *(f"this kernel gives no cell {_NOT_GIVEN[w]}" for w in lacking)),
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
