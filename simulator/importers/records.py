"""What every importer gives, and how it reads files of any size, with one line for each error."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from simulator.errors import TraceError
from simulator.textfile import show
from simulator.tracefile import MAX_TRACE_NUMBER
from simulator.workload import MAX_OPERATORS, Operator, Pipeline, Priority, Segment, Workload

MAX_LINE_CHARS = 1 << 20
MAX_COUNT = 1e15
"""Largest number in a file that is not a time or a size of a trace: bytes, kilobytes, ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A workload from outside data. ``assumptions`` say what the data does not: all of it."""

    source: str
    licence: str
    assumptions: tuple[str, ...]
    workload: Workload
    skipped: int
    """Rows that carry no usable work, such as failed jobs or missing times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A pipeline before its arrival is put on the clock."""

    arrival_seconds: float
    priority: Priority
    operators: tuple[Operator, ...]


def assemble(jobs: Sequence[Job], ticks_per_second: int) -> Workload:
    """Return the jobs as pipelines in order of arrival; the first one arrives at tick 0."""
    ordered = sorted(jobs, key=lambda job: job.arrival_seconds)
    start = ordered[0].arrival_seconds if ordered else 0.0
    return Workload(
        pipelines=tuple(
            Pipeline(
                id=f"p{number}",
                priority=job.priority,
                arrival_tick=int((job.arrival_seconds - start) * ticks_per_second),
                operators=job.operators,
            )
            for number, job in enumerate(ordered, start=1)
        )
    )


def single(segment: Segment, copies: int = 1) -> tuple[Operator, ...]:
    """Return operators without a graph: one, or several that may run side by side."""
    return tuple(Operator(id=f"op{each}", segments=(segment,)) for each in range(1, copies + 1))


def work(
    place: str,
    cpu_seconds: float,
    memory_gb: float,
    scaling: str = "const",
    read_gb: float = 0.0,
) -> Segment:
    """Return a segment with fixed memory, rounded for the trace; refuse what no trace can hold."""
    figures = {"cpu work, s": cpu_seconds, "memory, GB": memory_gb, "read, GB": read_gb}
    for name, figure in figures.items():
        if not 0 <= figure <= MAX_TRACE_NUMBER:
            raise TraceError(
                f"{place}: {name} comes to {figure!r}, expected a number from 0 to "
                f"{MAX_TRACE_NUMBER:g}"
            )
    return Segment(
        baseline_cpu_seconds=round(cpu_seconds, 3),
        cpu_scaling=scaling,
        memory_gb=round(memory_gb, 4),
        storage_read_gb=round(read_gb, 4),
    )


def check_size(place: str, operators: int) -> None:
    """Refuse an import that makes more operators than a trace may have."""
    if operators > MAX_OPERATORS:
        raise TraceError(
            f"{place}: more than {MAX_OPERATORS} operators up to here, take a shorter window or a "
            "smaller share"
        )


def read_lines(path: Path, encoding: str = "utf-8-sig") -> Iterator[str]:
    """Yield the lines of a file with their ends, one at a time: the file may be of any size."""
    line = 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            while text := file.readline(MAX_LINE_CHARS + 1):
                line += 1
                if len(text) > MAX_LINE_CHARS:
                    raise TraceError(
                        f"{path}:{line}: line of more than {MAX_LINE_CHARS} characters, expected "
                        "a text file with short lines"
                    )
                yield text
    except UnicodeDecodeError:
        raise TraceError(
            f"{path}: not UTF-8 soon after line {line}, save the file as UTF-8"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TraceError(f"{path}: cannot be read: {reason}") from None


def read_cells(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield place and cells of each row of a CSV file that is not blank."""
    reader = csv.reader(read_lines(path))
    try:
        for row in reader:
            if row:
                yield f"{path}:{reader.line_num}", row
    except csv.Error as error:
        raise TraceError(f"{path}:{reader.line_num}: not readable as CSV: {error}") from None


def table(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield place and cells of ``columns`` of each row of a CSV file with a header."""
    rows = read_cells(path)
    _, header = next(rows, ("", []))
    for name in columns:
        if header.count(name) != 1:
            raise TraceError(
                f"{path}:1: column {name} is {'given twice' if name in header else 'missing'}, "
                f"expected {_listed(columns)} once each"
            )
    places = [header.index(name) for name in columns]
    for place, row in rows:
        if len(row) != len(header):
            raise TraceError(f"{place}: {len(row)} cells, expected {len(header)} as in the header")
        yield place, {name: row[at] for name, at in zip(columns, places, strict=True)}


def number(
    place: str, column: str, text: str, low: float = 0.0, high: float = MAX_TRACE_NUMBER
) -> float:
    """Return the number in a cell, ``low`` to ``high``; raise :class:`TraceError` otherwise."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high or not text.isascii() or "_" in text:
        raise TraceError(
            f"{place}: {column} is {show(text)}, expected a number from {low:g} to {high:g}"
        )
    return value


def _listed(columns: tuple[str, ...]) -> str:
    shown = columns if len(columns) <= 10 else (*columns[:8], "...", columns[-1])
    return ", ".join(shown)
