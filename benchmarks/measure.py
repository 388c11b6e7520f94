"""What measurements share: the CPU time of the best of a few runs, and promises."""

import gc
import time
from collections.abc import Callable
from typing import Never, TypeVar

T = TypeVar("T")

REPEATS = 3
ENOUGH_SECONDS = 2.0
"""No run is repeated once so much CPU time was spent on it."""


def least_cpu_seconds(work: Callable[[], T], repeats: int = REPEATS) -> tuple[float, T]:
    """Return the least CPU seconds of a few runs, and what the last one returned.

    On a shared machine the least is the steadiest: whatever disturbs a run makes it slower.
    """
    least, spent = float("inf"), 0.0
    while True:
        gc.collect()
        before = time.process_time()
        value = work()
        seconds = time.process_time() - before
        least, spent, repeats = min(least, seconds), spent + seconds, repeats - 1
        if repeats <= 0 or spent >= ENOUGH_SECONDS:
            return least, value


def missed(promise: str) -> Never:
    """End a measurement whose figures are not as promised; the program's exit status is 1."""
    raise SystemExit(f"missed: {promise}")
