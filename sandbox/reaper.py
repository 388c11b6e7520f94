"""Removes cells that a dead caller left behind, and touches no other container."""

from contextlib import closing
from dataclasses import dataclass

from sandbox.daemon import Daemon
from sandbox.errors import CellFailed
from sandbox.hardening import LABEL, LABEL_VALUE
from sandbox.owner import (
    is_named_like_ours,
    is_stale,
    malformed,
    started_at,
    this_moment,
    this_place,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """The ids of the cells that were removed, and why others were not."""

    removed: tuple[str, ...]
    skipped: tuple[str, ...]


def reap(daemon: Daemon | None = None, *, everything: bool = False) -> Reaped:
    """Remove stale cells, or with ``everything`` all of them.

    A container is one of our cells by its name, its label and its owner, all three. Where the
    labels are malformed it is skipped, and said so.
    """
    if daemon is not None:
        return _reap(daemon, everything)
    with closing(Daemon()) as own:
        return _reap(own, everything)


def _reap(daemon: Daemon, everything: bool) -> Reaped:
    place, now = this_place(), this_moment()
    removed, skipped = [], []
    for cell in daemon.containers_with(f"{LABEL}={LABEL_VALUE}"):
        wrong = malformed(cell.labels)
        if not is_named_like_ours(cell.name):
            skipped.append(_left_alone(cell.name, "its name is not that of a cell"))
        elif wrong is not None:
            skipped.append(_left_alone(cell.name, wrong))
        elif everything or is_stale(cell.labels, now=now, place=place, start_of=started_at):
            try:
                daemon.remove(cell.id)
            except CellFailed as error:
                skipped.append(f"cell {cell.name} cannot be removed: {error.problem}")
            else:
                removed.append(cell.id)
    return Reaped(removed=tuple(removed), skipped=tuple(skipped))


def _left_alone(name: str, why: str) -> str:
    return f"container {name} has the label {LABEL}={LABEL_VALUE}, but {why}: left alone"
