"""Azure Functions 2019: counts of invocations by minute, percentiles of duration and of memory."""

from pathlib import Path

import numpy as np

from simulator.domains.pipelines.importers.records import (
    NOT_SAMPLED,
    OUTSIDE,
    Imported,
    Job,
    Selection,
    Taking,
    check_size,
    count_facts,
    side_by_side,
    work,
)
from simulator.domains.pipelines.workload import Priority
from simulator.errors import TraceError
from simulator.readers.azure_2019 import (
    LICENCE,
    MEMORY_STEPS,
    MINUTES,
    SOURCE,
    Curve,
    Curves,
    duration_curves,
    memory_curves,
    read_minutes,
)

DEFAULT = Selection()
MINUTE = 60
PRIORITIES = {
    "http": Priority.QUERY,
    "timer": Priority.BATCH_PIPELINE,
    "storage": Priority.BATCH_PIPELINE,
}


def import_azure_2019(
    invocations: Path,
    durations: Path,
    memory: Path | None = None,
    selection: Selection = DEFAULT,
    *,
    unknown_memory_gb: float = 0.17,
) -> Imported:
    """Return a window of one day's files, whole minutes of it.

    The three files are those of the same day: invocations per function, duration percentiles and,
    where there is one, application memory percentiles. Several rows of a function, or of an
    application, are combined by their counts.
    """
    taking = Taking(selection)
    rng = np.random.default_rng(selection.seed)
    lasting = duration_curves(durations)
    needing = memory_curves(memory)
    first = _first_minute(invocations, selection, lasting)
    # The clock of the window is known before the first job: its begin is a whole minute.
    taking.begin_at(first * MINUTE)
    last = first + max(1, int(selection.window_seconds) // MINUTE)
    unknown = [unknown_memory_gb * 1000] * len(MEMORY_STEPS)
    for place, (*name, trigger), counts in read_minutes(invocations):
        total = int(counts.sum())
        if selection.sample < 1:
            counts = rng.binomial(counts, selection.sample)
            taking.leave_out(NOT_SAMPLED, total - int(counts.sum()))
        found = np.nonzero(counts)[0]
        if len(found):
            taking.seen(float(found[0] * MINUTE), float(found[-1] * MINUTE))
        taking.leave_out(OUTSIDE, int(counts[:first].sum() + counts[last:].sum()))
        window = counts[first:last]
        lasts, needs = lasting.of(name), needing.of(name[:2])
        if lasts is None:
            taking.leave_out("of functions without durations", int(window.sum()))
            continue
        facts = {"memory": 1} if needs is None else {}
        curves = lasts, needs or (MEMORY_STEPS, unknown)
        priority = PRIORITIES.get(trigger, Priority.INTERACTIVE)
        _take(place, taking, rng, first, window, curves, priority, facts)
    jobs = taking.jobs()
    return taking.imported(
        invocations,
        jobs,
        source=SOURCE,
        licence=LICENCE,
        assumptions=(
            *_assumptions(count_facts(jobs)["memory"], unknown_memory_gb),
            lasting.said("function", "durations"),
            needing.said("application", "memory"),
        ),
    )


def _assumptions(unknown: int, unknown_memory_gb: float) -> tuple[str, ...]:
    return (
        "every invocation is one pipeline of one operator; cpus do not make it faster; nothing is "
        "read",
        "invocations of a minute are spread over it evenly at random",
        "durations are drawn between the function's percentiles of 30-second averages",
        "memory is the whole application's, drawn between its percentiles for each invocation, "
        f"and fixed; {unknown_memory_gb:g} GB where unknown ({unknown} invocations)",
        "priority by trigger: http QUERY, timer and storage BATCH_PIPELINE, others INTERACTIVE",
    )


def _take(
    place: str,
    taking: Taking,
    rng: np.random.Generator,
    first: int,
    counts: np.ndarray,
    curves: tuple[Curve, Curve],
    priority: Priority,
    facts: dict[str, int],
) -> None:
    """Take the invocations of one function: when, how long and how large is drawn for each."""
    begins_at = MINUTE * (first + np.arange(len(counts)))
    early = begins_at < taking.until
    taking.leave_out_late(int(counts[~early].sum()))
    counts, begins_at = counts[early], begins_at[early]
    drawn_counts = counts
    if taking.limit is not None:
        # Of one function no more than the first arrivals can be taken: the others are not drawn.
        drawn_counts = np.minimum(counts, taking.limit)
        drawn_counts[np.cumsum(counts) - counts >= taking.limit] = 0
        taking.leave_out_late(int((counts - drawn_counts).sum()))
    total = int(drawn_counts.sum())
    check_size(place, total)
    seconds, gigabytes = (
        np.interp(rng.random(total) * 100, steps, values) / 1000 for steps, values in curves
    )
    within = rng.random(total)
    ends = np.cumsum(drawn_counts)
    for minute in np.nonzero((drawn_counts > 0) & (drawn_counts < counts))[0]:
        few = slice(ends[minute] - drawn_counts[minute], ends[minute])
        within[few] = _first_of(rng, int(counts[minute]), int(drawn_counts[minute]))
    arrivals = np.repeat(begins_at, drawn_counts) + MINUTE * within
    drawn = zip(arrivals.tolist(), seconds.tolist(), gigabytes.tolist(), strict=True)
    for arrival, lasted, size in drawn:
        if taking.in_time(arrival):
            job = Job(
                arrival_seconds=arrival,
                priority=priority,
                operators=side_by_side([work(place, lasted, size)]),
                facts=facts,
            )
            taking.add(place, job)


def _first_of(rng: np.random.Generator, count: int, few: int) -> np.ndarray:
    """Return the ``few`` smallest of ``count`` random shares."""
    return 1 - np.exp(-np.cumsum(rng.exponential(size=few) / (count - np.arange(few))))


def _first_minute(invocations: Path, selection: Selection, lasting: Curves) -> int:
    """Return the first minute of the window, from 0: as asked, else of the first invocation."""
    if selection.begin_seconds is not None:
        first = int(selection.begin_seconds) // MINUTE
        if not 0 <= first < MINUTES:
            raise TraceError(f"minute {first + 1} is no part of a day, expected 1 to {MINUTES}")
        return first
    earliest = MINUTES
    for _, names, counts in read_minutes(invocations):
        found = np.nonzero(counts)[0]
        if len(found) and names[:3] in lasting:
            earliest = min(earliest, int(found[0]))
        if earliest == 0:
            break
    return earliest % MINUTES
