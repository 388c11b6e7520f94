"""The interface of both kinds of cells, and the turns in which cells get processors."""

import os
import platform
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Protocol

DOCKER = "docker"
PROCESS = "process"
KINDS = (DOCKER, PROCESS)
HOST_VARIABLE = "ASSAY_HOST"


def host_name() -> str:
    """Return what this host is called in the history: ``ASSAY_HOST``, else its network name."""
    return os.environ.get(HOST_VARIABLE) or platform.node() or "unnamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A cell's output, not yet judged."""

    stdout: bytes
    stderr: str
    overdue: bool = False
    """The host's deadline passed before the cell was done."""
    flooded: bool = False
    """The output exceeded the host's limit."""
    out_of_memory: bool = False
    """The engine reported an out-of-memory kill in the cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where the cells of a provider run."""

    engine: str
    runtime: str
    image: str
    image_id: str
    isolation: str
    """The kind of cell and its isolation, such as ``docker/full``."""
    warnings: tuple[str, ...] = ()


class Handle(Protocol):
    """A started cell whose sealed workers wait for one job."""

    @property
    def workers(self) -> int:
        """The number of scenarios that it can run."""

    @property
    def age_seconds(self) -> float:
        """Seconds since the start."""

    def run(self, job: bytes, deadline: float, max_output_bytes: int) -> Ended:
        """Send the job and wait for the end of the output, until ``deadline`` at most."""

    def end(self) -> None:
        """Make the cell end now, from any thread: ``run`` returns, ``destroy`` has to follow."""

    def destroy(self) -> None:
        """End the cell, busy or not, and wait until nothing of it is left."""


class Provider(Protocol):
    """Starts cells of one kind; once open, safe to use from several threads."""

    def open(self) -> Setting:
        """Check what this machine offers; raise SandboxUnavailable if it is not enough."""

    def start(self, workers: int) -> Handle:
        """Return a cell for up to ``workers`` scenarios; raise SandboxError if it fails."""

    def protections(self) -> Mapping[str, Any]:
        """Return the protections that a cell's report must show, or it is refused."""

    def close(self) -> None:
        """Close whatever was opened."""


class Processors:
    """Assigns processors to cells in turn.

    Waiting cells are used in the order of their start, so cells that work at the same time are on
    different processors. Assigning by the number of cells on each could put all cells that work on
    one processor and all that wait on another.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        order = list(numbers)
        first = os.getpid() % max(1, len(order))  # so that not all callers begin with the same one
        self._turns = cycle(order[first:] + order[:first])
        self._lock = threading.Lock()

    def take(self) -> int:
        """Return the processor whose turn it is."""
        with self._lock:
            return next(self._turns)


def usable_processors(count: int) -> list[int]:
    """Return the processors for cells: those of this process that are among the first ``count``."""
    usable = sorted(os.sched_getaffinity(0) & set(range(count)))
    return usable or list(range(max(1, count)))
