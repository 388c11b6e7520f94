"""Hands out processors, so that cells disturb each other as little as they can."""

import os
import threading
from collections.abc import Iterable
from itertools import cycle


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
