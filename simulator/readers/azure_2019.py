"""The files of the Azure Functions trace of 2019: counts by minute, and percentiles by name."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from simulator.errors import TraceError
from simulator.readers.files import MAX_COUNT, number, read_rows, read_table
from simulator.textfile import show

SOURCE = "Azure Functions Trace 2019 (Shahrad et al., USENIX ATC 2020)"
LICENCE = "CC-BY; cite the paper named as the source"
NAMES = ("HashOwner", "HashApp", "HashFunction")
MINUTES = 1440
DURATION_STEPS = (0, 1, 25, 50, 75, 99, 100)
MEMORY_STEPS = (1, 5, 25, 50, 75, 95, 99, 100)
MAX_IN_A_MINUTE = 1_000_000_000
Row = tuple[float, tuple[float, ...]]
"""A weight, and values at percentiles."""
Curve = tuple[Sequence[float], Sequence[float]]
"""Shares of 100 and the values there."""


def read_minutes(path: Path) -> Iterator[tuple[str, Sequence[str], np.ndarray]]:
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


def duration_curves(path: Path) -> "Curves":
    """Return the durations of functions, in ms."""
    return Curves(path, NAMES, "percentile_Average_", DURATION_STEPS, "Count")


def memory_curves(path: Path | None) -> "Curves":
    """Return the memory of applications, in MB."""
    return Curves(path, NAMES[:2], "AverageAllocatedMb_pct", MEMORY_STEPS, "SampleCount")


class Curves:
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
