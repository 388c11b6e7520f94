"""Hands out processors, so that cells disturb each other as little as they can."""

import os
import threading
from collections.abc import Iterable


class Processors:
    """Gives each cell the processor that the fewest others are on."""

    def __init__(self, numbers: Iterable[int]) -> None:
        ours = list(numbers)
        first = os.getpid() % max(1, len(ours))  # or all callers would begin with the same one
        self._cells_on = dict.fromkeys(ours[first:] + ours[:first], 0)
        self._lock = threading.Lock()

    def take(self) -> int:
        """Return the least used processor, which is one more cell's from now on."""
        with self._lock:
            cpu = min(self._cells_on, key=self._cells_on.__getitem__)
            self._cells_on[cpu] += 1
            return cpu

    def give_back(self, cpu: int) -> None:
        """Count one cell less on ``cpu``."""
        with self._lock:
            self._cells_on[cpu] -= 1


def ours_among(count: int) -> list[int]:
    """Return the processors that cells may be put on: ours, where the first ``count`` have them."""
    ours = sorted(os.sched_getaffinity(0) & set(range(count)))
    return ours or list(range(max(1, count)))
