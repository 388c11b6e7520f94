"""Removes cells that a dead caller left behind."""

from contextlib import closing

from sandbox.daemon import Daemon
from sandbox.hardening import LABEL, LABEL_VALUE
from sandbox.owner import is_stale, started_at, this_moment, this_place


def reap(daemon: Daemon | None = None, *, everything: bool = False) -> tuple[str, ...]:
    """Remove stale cells, or with ``everything`` all of them, and return their ids."""
    if daemon is not None:
        return _reap(daemon, everything)
    with closing(Daemon()) as own:
        return _reap(own, everything)


def _reap(daemon: Daemon, everything: bool) -> tuple[str, ...]:
    place, now = this_place(), this_moment()
    removed = []
    for cell in daemon.containers_with(f"{LABEL}={LABEL_VALUE}"):
        stale = is_stale(cell.labels, now=now, place=place, start_of=started_at)
        if stale or everything:
            daemon.remove(cell.id)
            removed.append(cell.id)
    return tuple(removed)
