"""What a kind of cell must offer: to be opened, to start cells, and to say what they can give.

Both kinds take the processors of their cells in turn, so that cells disturb each other little.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Protocol

DOCKER = "docker"
PROCESS = "process"
KINDS = (DOCKER, PROCESS)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where the cells of one provider run, for the record."""

    engine: str
    runtime: str
    image: str
    image_id: str
    isolation: str
    """The kind of cell and how far its policy is shut in, as in ``docker/full``."""
    warnings: tuple[str, ...] = ()


class Handle(Protocol):
    """A started cell whose workers wait behind their seals; good for one job."""

    @property
    def workers(self) -> int:
        """How many scenarios it can try at the most."""

    @property
    def age_seconds(self) -> float:
        """How long ago it was started."""

    def run(self, job: bytes, deadline: float, max_output_bytes: int) -> Ended:
        """Hand in the job and wait for the end of the output, but not beyond ``deadline``."""

    def destroy(self) -> None:
        """End the cell, whatever it is doing, and wait until nothing of it is left."""


class Provider(Protocol):
    """Starts cells of one kind; safe to use from several threads once it is open."""

    def open(self) -> Setting:
        """Find out what can be had here; raise SandboxUnavailable where that is not enough."""

    def start(self, workers: int) -> Handle:
        """Return a cell for up to ``workers`` scenarios; raise SandboxError where none is had."""

    def protections(self) -> Mapping[str, Any]:
        """Return what every cell's report must say was in force, or the report is refused."""

    def close(self) -> None:
        """Give up whatever was opened."""


class Processors:
    """Gives cells the processors in turn.

    Those that wait are taken in the order in which they were started, so that cells at work beside
    each other have different ones. By the number of cells on each, all that work could come to be
    on one processor and all that wait on another.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        ours = list(numbers)
        first = os.getpid() % max(1, len(ours))  # or all callers would begin with the same one
        self._turns = cycle(ours[first:] + ours[:first])
        self._lock = threading.Lock()

    def take(self) -> int:
        """Return the processor whose turn it is."""
        with self._lock:
            return next(self._turns)


def ours_among(count: int) -> list[int]:
    """Return the processors that cells may be put on: ours, where the first ``count`` have them."""
    ours = sorted(os.sched_getaffinity(0) & set(range(count)))
    return ours or list(range(max(1, count)))
