"""What measurements share: the CPU time of the best of a few runs, and promises."""

import gc
import time
from collections.abc import Callable, Sequence
from typing import Never, TypeVar

T = TypeVar("T")

REPEATS = 3
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


def missed(promise: str) -> Never:
    """End a measurement whose figures are not as promised; the program's exit status is 1."""
    raise SystemExit(f"missed: {promise}")


def _cpu_seconds(work: Callable[[], T]) -> tuple[float, T]:
    gc.collect()
    before = time.process_time()
    value = work()
    return time.process_time() - before, value
