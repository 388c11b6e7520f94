"""Azure Functions 2019: counts of invocations by minute, percentiles of duration and of memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from simulator.domains.pipelines.importers.reading import MAX_COUNT, number, read_rows, read_table
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
from simulator.textfile import show

SOURCE = "Azure Functions Trace 2019 (Shahrad et al., USENIX ATC 2020)"
LICENCE = "CC-BY; cite the paper named as the source"
DEFAULT = Selection()
NAMES = ("HashOwner", "HashApp", "HashFunction")
MINUTES = 1440
MINUTE = 60
DURATION_STEPS = (0, 1, 25, 50, 75, 99, 100)
MEMORY_STEPS = (1, 5, 25, 50, 75, 95, 99, 100)
MAX_IN_A_MINUTE = 1_000_000_000
PRIORITIES = {
    "http": Priority.QUERY,
    "timer": Priority.BATCH_PIPELINE,
    "storage": Priority.BATCH_PIPELINE,
}
Row = tuple[float, tuple[float, ...]]
"""A weight, and values at percentiles."""
Curve = tuple[Sequence[float], Sequence[float]]
"""Shares of 100 and the values there."""


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
    lasting = _Curves(durations, NAMES, "percentile_Average_", DURATION_STEPS, "Count")
    needing = _Curves(memory, NAMES[:2], "AverageAllocatedMb_pct", MEMORY_STEPS, "SampleCount")
    first = _first_minute(invocations, selection, lasting)
    # The clock of the window is known before the first job: its begin is a whole minute.
    taking.begin_at(first * MINUTE)
    last = first + max(1, int(selection.window_seconds) // MINUTE)
    unknown = [unknown_memory_gb * 1000] * len(MEMORY_STEPS)
    for place, (*name, trigger), counts in _rows(invocations):
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


class _Curves:
    """Percentiles by name; several rows of one name are as many parts of one distribution."""

    def __init__(
        self,
        path: Path | None,
        names: Sequence[str],
        prefix: str,
        steps: Sequence[int],
        weight: str,
    ) -> None:
        self._steps = steps
        self._rows: dict[tuple[str, ...], list[Row]] = {}
        self._negative = 0
        if path is None:
            return
        columns = [f"{prefix}{step}" for step in steps]
        for place, cells in read_table(path, [*names, *columns], [weight]):
            name, texts = tuple(cells[: len(names)]), cells[len(names) : -1]
            values = tuple(
                number(place, column, text, low=-MAX_COUNT)
                for column, text in zip(columns, texts, strict=True)
            )
            share = number(place, weight, cells[-1] or "1", low=-MAX_COUNT, high=MAX_COUNT)
            if min(values) < 0:
                self._negative += 1
            else:
                self._rows.setdefault(name, []).append((max(share, 0.0), values))

    def of(self, name: Sequence[str]) -> Curve | None:
        """Return the distribution of a name, whatever the order of its rows."""
        rows = self._rows.get(tuple(name))
        if rows is None:
            return None
        if len(rows) == 1:
            return self._steps, rows[0][1]
        total = sum(weight for weight, _ in rows)
        shares: list[float] = []
        values: list[float] = []
        done = 0.0
        for weight, row in sorted(rows):
            share = weight / total if total else 1 / len(rows)
            shares += [100 * done + share * step for step in self._steps]
            values += row
            done += share
        return shares, values

    def __contains__(self, name: Sequence[str]) -> bool:
        return tuple(name) in self._rows

    def said(self, noun: str, what: str) -> str:
        """Return what was made of odd rows, in words; "" if there were none."""
        several = [len(rows) for rows in self._rows.values() if len(rows) > 1]
        parts = []
        if several:
            parts.append(
                f"{sum(several)} rows of {what} are of {len(several)} {noun}s named more than "
                "once: each row counts by its number of samples"
            )
        if self._negative:
            parts.append(f"{self._negative} rows of {what} with negative values were ignored")
        return "; ".join(parts)


def _first_minute(invocations: Path, selection: Selection, lasting: _Curves) -> int:
    """Return the first minute of the window, from 0: as asked, else of the first invocation."""
    if selection.begin_seconds is not None:
        first = int(selection.begin_seconds) // MINUTE
        if not 0 <= first < MINUTES:
            raise TraceError(f"minute {first + 1} is no part of a day, expected 1 to {MINUTES}")
        return first
    earliest = MINUTES
    for _, names, counts in _rows(invocations):
        found = np.nonzero(counts)[0]
        if len(found) and names[:3] in lasting:
            earliest = min(earliest, int(found[0]))
        if earliest == 0:
            break
    return earliest % MINUTES


def _rows(path: Path) -> Iterator[tuple[str, Sequence[str], np.ndarray]]:
    """Yield place, names with the trigger, and counts by minute of each row."""
    names = (*NAMES, "Trigger")
    header = {name.strip() for name in next(read_rows(path), (1, []))[1]}
    minutes: list[str] = []
    while len(minutes) < MINUTES and str(len(minutes) + 1) in header:
        minutes.append(str(len(minutes) + 1))
    for place, cells in read_table(path, [*names, *(minutes or ["1"])]):
        yield place, cells[:4], _counts(place, cells[4:])


def _counts(place: str, cells: Sequence[str]) -> np.ndarray:
    joined = "".join(cells)
    if joined.isdecimal() and joined.isascii() and "" not in cells:
        values = list(map(int, cells))
        if max(values) <= MAX_IN_A_MINUTE:
            return np.array(values)
    return np.array([_count(place, str(minute), text) for minute, text in enumerate(cells, 1)])


def _count(place: str, column: str, text: str) -> int:
    value = number(place, column, text, high=MAX_IN_A_MINUTE)
    if value != int(value):
        raise TraceError(f"{place}: {column} is {show(text)}, expected a whole number")
    return int(value)
