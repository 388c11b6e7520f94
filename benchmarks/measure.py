"""What measurements share: the CPU time of the best of a few runs, sizes, and promises."""

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

LEAST = bool(os.environ.get("BENCH_LEAST"))
"""Each measurement is only to be seen at work: at its smallest size, where no promise holds."""

REPEATS = 1 if LEAST else 3
ENOUGH_SECONDS = 2.0
"""What took so much CPU time in all is not run again."""


def least_cpu_seconds(work: Callable[[], T], repeats: int = REPEATS) -> tuple[float, T]:
    """Return the least CPU seconds of a few runs, and what the run that took them returned."""
    return least_of_each([work], repeats)[0]


def least_of_each(
    works: Sequence[Callable[[], T]], repeats: int = REPEATS
) -> list[tuple[float, T]]:
    """Measure several things that are to be compared, in turns.

    On a shared machine the least is the steadiest, as whatever disturbs a run makes it slower; and
    what disturbs one turn disturbs all things alike.
    """
    found = [_cpu_seconds(work) for work in works]
    spent = [seconds for seconds, _ in found]
    for _ in range(1, repeats):
        for place, work in enumerate(works):
            if spent[place] < ENOUGH_SECONDS:
                seconds, value = _cpu_seconds(work)
                spent[place] += seconds
                if seconds < found[place][0]:
                    found[place] = (seconds, value)
    return found


def sized(usual: T, least: T) -> T:
    """Return the usual size of a measurement, or the least with ``BENCH_LEAST`` set."""
    return least if LEAST else usual


def missed(promise: str) -> None:
    """End a measurement whose figures are not as promised; the program's exit status is 1."""
    if not LEAST:
        raise SystemExit(f"missed: {promise}")
    print(f"of no meaning at the least size: {promise}", file=sys.stderr, flush=True)


def _cpu_seconds(work: Callable[[], T]) -> tuple[float, T]:
    gc.collect()
    before = time.process_time()
    value = work()
    return time.process_time() - before, value
