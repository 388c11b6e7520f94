"""One trial in several cells: its scenarios shared out in their order, and its results joined."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from sandbox.outcome import Outcome, Trial

T = TypeVar("T")


def shares(things: Sequence[T], count: int) -> list[list[T]]:
    """Return ``things`` in order in ``count`` parts of nearly equal length, one at the least."""
    ends = [len(things) * part // max(1, count) for part in range(max(1, count) + 1)]
    return [list(things[start:end]) for start, end in pairwise(ends)]


def joined(trials: Sequence[Trial]) -> Trial:
    """Return the trials of one candidate as one; the cell's seconds are those of all cells."""
    first = trials[0]
    if len(trials) == 1:
        return first
    failed = (each.outcome for each in trials if each.outcome is not Outcome.OK)
    seconds = sum(each.cell.seconds for each in trials if each.cell is not None)
    return replace(
        first,
        outcome=next(failed, Outcome.OK),
        evaluations=tuple(each for trial in trials for each in trial.evaluations),
        cell=replace(first.cell, seconds=seconds) if first.cell is not None else None,
    )
