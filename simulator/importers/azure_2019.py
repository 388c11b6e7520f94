"""Azure Functions 2019: counts of invocations by minute, percentiles of duration and of memory."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from simulator.errors import TraceError
from simulator.importers.records import (
    Imported,
    Job,
    assemble,
    check_size,
    number,
    single,
    table,
    work,
)
from simulator.textfile import show
from simulator.workload import Priority

SOURCE = "Azure Functions Trace 2019 (Shahrad et al., USENIX ATC 2020)"
LICENCE = "CC-BY; cite the paper named as the source"
MINUTES = 1440
DURATION_STEPS = (0, 1, 25, 50, 75, 99, 100)
MEMORY_STEPS = (1, 5, 25, 50, 75, 95, 99, 100)
PRIORITIES = {
    "http": Priority.QUERY,
    "timer": Priority.BATCH_PIPELINE,
    "storage": Priority.BATCH_PIPELINE,
}
Curves = dict[tuple[str, ...], list[float]]


def import_azure_2019(
    invocations: Path,
    durations: Path,
    memory: Path | None,
    *,
    rng: np.random.Generator,
    first_minute: int = 1,
    minutes: int = 10,
    share: float = 1.0,
    ticks_per_second: int = 100,
    unknown_memory_gb: float = 0.17,
) -> Imported:
    """Return a window of one day's files; ``share`` of the functions is kept, drawn from ``rng``.

    The three files are those of the same day: invocations per function, duration percentiles and,
    where there is one, application memory percentiles.
    """
    if not 1 <= first_minute <= first_minute + minutes - 1 <= MINUTES:
        raise TraceError(
            f"minutes {first_minute} to {first_minute + minutes - 1} are no part of a day, "
            f"expected 1 to {MINUTES}"
        )
    lasting = _durations(durations)
    needing = {} if memory is None else _memory(memory)
    jobs: list[Job] = []
    skipped = 0
    window = tuple(str(minute) for minute in range(first_minute, first_minute + minutes))
    columns = ("HashOwner", "HashApp", "HashFunction", "Trigger", *window)
    for place, row in table(invocations, columns):
        name = (row["HashOwner"], row["HashApp"], row["HashFunction"])
        if rng.random() >= share:
            continue
        if name not in lasting:
            skipped += 1
            continue
        counts = [_count(place, minute, row[minute]) for minute in window]
        check_size(place, len(jobs) + sum(counts))
        priority = PRIORITIES.get(row["Trigger"], Priority.INTERACTIVE)
        curve = needing.get(name[:2], [unknown_memory_gb * 1000] * len(MEMORY_STEPS))
        jobs += _jobs(place, counts, priority, lasting[name], curve, rng)
    return Imported(
        source=SOURCE,
        licence=LICENCE,
        assumptions=_assumptions(share, unknown_memory_gb),
        workload=assemble(jobs, ticks_per_second),
        skipped=skipped,
    )


def _assumptions(share: float, unknown_memory_gb: float) -> tuple[str, ...]:
    return (
        "every invocation is one pipeline of one operator; cpus do not make it faster; nothing is "
        "read",
        "invocations of a minute are spread over it evenly at random",
        "durations are drawn between the function's percentiles of 30-second averages",
        "memory is the whole application's, drawn between its percentiles for each invocation, "
        f"and fixed; {unknown_memory_gb:g} GB where unknown",
        "priority by trigger: http QUERY, timer and storage BATCH_PIPELINE, others INTERACTIVE",
        f"a share of {share:g} of the functions is kept; functions without durations are left out",
    )


def _jobs(
    place: str,
    counts: Sequence[int],
    priority: Priority,
    lasting: Sequence[float],
    needing: Sequence[float],
    rng: np.random.Generator,
) -> Iterator[Job]:
    """Yield the invocations of one function: when, how long and how large is drawn for each."""
    total = sum(counts)
    seconds = np.interp(rng.random(total) * 100, DURATION_STEPS, lasting) / 1000
    gigabytes = np.interp(rng.random(total) * 100, MEMORY_STEPS, needing) / 1000
    begins = 60 * (np.repeat(np.arange(len(counts)), counts) + rng.random(total))
    for begin, lasted, size in zip(
        begins.tolist(), seconds.tolist(), gigabytes.tolist(), strict=True
    ):
        yield Job(
            arrival_seconds=begin,
            priority=priority,
            operators=single(work(place, lasted, size)),
        )


def _durations(path: Path) -> Curves:
    columns = tuple(f"percentile_Average_{step}" for step in DURATION_STEPS)
    return _curves(path, ("HashOwner", "HashApp", "HashFunction"), columns)


def _memory(path: Path) -> Curves:
    columns = tuple(f"AverageAllocatedMb_pct{step}" for step in MEMORY_STEPS)
    return _curves(path, ("HashOwner", "HashApp"), columns)


def _curves(path: Path, names: tuple[str, ...], columns: tuple[str, ...]) -> Curves:
    return {
        tuple(row[name] for name in names): _numbers(place, row, columns)
        for place, row in table(path, names + columns)
    }


def _numbers(place: str, row: Mapping[str, str], columns: tuple[str, ...]) -> list[float]:
    return [number(place, column, row[column]) for column in columns]


def _count(place: str, column: str, text: str) -> int:
    if text == "0":
        return 0
    value = number(place, column, text)
    if value != int(value):
        raise TraceError(f"{place}: {column} is {show(text)}, expected a whole number")
    return int(value)
