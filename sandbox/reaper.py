"""Removes cells that a dead caller left behind, and touches no other container.

Each cell has labels with its owner and its deadline. The deadline is stored twice: in seconds since
boot, which decides on the owner's machine, and in wall-clock time for other machines and boots.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sandbox.daemon import Daemon
from sandbox.errors import CellFailed
from sandbox.hardening import DEADLINE_LABEL, LABEL, LABEL_VALUE, OWNER_LABEL, UPTIME_DEADLINE_LABEL

NAME_PREFIX = "assay-cell-"
_NAME = re.compile(rf"{NAME_PREFIX}[0-9a-f]{{16}}")
_OWNER = re.compile(r"([0-9]{1,9}):([0-9]{1,18}):([0-9a-z-]{1,64}):([0-9]{1,18})", re.ASCII)
_MOMENT = re.compile(r"[0-9]{1,12}", re.ASCII)
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaped:
    """The ids of removed cells, and why others were not removed."""

    removed: tuple[str, ...]
    skipped: tuple[str, ...]


def reap(daemon: Daemon | None = None, *, everything: bool = False) -> Reaped:
    """Remove stale cells, or with ``everything`` all of them.

    A container is a cell of ours only if its name, label and owner all say so. One with malformed
    labels is skipped and reported.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A boot of a machine and a process namespace, which give a process id its meaning."""

    boot_id: str
    pid_namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """A moment on both clocks, in seconds."""

    wall: float
    since_boot: float


def labels_for(lifetime_seconds: float) -> dict[str, str]:
    """Return the labels of a cell that this process is starting."""
    place, now = this_place(), this_moment()
    pid = os.getpid()
    owner = f"{pid}:{started_at(pid)}:{place.boot_id}:{place.pid_namespace}"
    return {
        OWNER_LABEL: owner,
        DEADLINE_LABEL: str(int(now.wall + lifetime_seconds)),
        UPTIME_DEADLINE_LABEL: str(int(now.since_boot + lifetime_seconds)),
    }


def is_named_like_ours(name: str) -> bool:
    """Tell whether a container's name has the form that ``DockerCells`` gives."""
    return _NAME.fullmatch(name) is not None


def malformed(labels: Mapping[str, str]) -> str | None:
    """Return what is wrong with a container's labels, or None if Assay could have written them."""
    for label, form in (
        (OWNER_LABEL, _OWNER),
        (DEADLINE_LABEL, _MOMENT),
        (UPTIME_DEADLINE_LABEL, _MOMENT),
    ):
        value = labels.get(label)
        if value is None and label != UPTIME_DEADLINE_LABEL:
            return f"it has no label {label}"
        if value is not None and not form.fullmatch(value):
            return f"its label {label} is {value[:40]!r}"
    return None


def is_stale(
    labels: Mapping[str, str],
    *,
    now: Now,
    place: Place,
    start_of: Callable[[int], str | None],
) -> bool:
    """Tell whether a cell's owner is known to be gone or its deadline has passed.

    ``labels`` must be well-formed.
    """
    pid, start, *where = labels[OWNER_LABEL].split(":")
    since_boot = labels.get(UPTIME_DEADLINE_LABEL)
    if where[0] == place.boot_id and since_boot is not None:
        overdue = int(since_boot) < now.since_boot
    else:
        overdue = int(labels[DEADLINE_LABEL]) < now.wall
    if where != [place.boot_id, place.pid_namespace]:
        return overdue  # the owner cannot be looked up from here, so only the deadline counts
    return overdue or start_of(int(pid)) != start


def this_moment() -> Now:
    """Return what both clocks show."""
    return Now(wall=time.time(), since_boot=time.clock_gettime(time.CLOCK_BOOTTIME))


def this_place() -> Place:
    """Return where this process runs."""
    boot_id = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = (_PROC / "self/ns/pid").readlink().name
    return Place(boot_id=boot_id, pid_namespace=namespace.strip("pid:[]"))


def started_at(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot, or None if it is gone."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(")")[2].split()[19]
