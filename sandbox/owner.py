"""Who started a cell and how long it may live, as labels that outlast their writer."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.hardening import DEADLINE_LABEL, OWNER_LABEL

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One boot of a machine and one process namespace: where process numbers have meaning."""

    boot_id: str
    pid_namespace: str


def labels_for(lifetime_seconds: float) -> dict[str, str]:
    """Return the labels of a cell that this process starts now."""
    place = this_place()
    pid = os.getpid()
    owner = f"{pid}:{started_at(pid)}:{place.boot_id}:{place.pid_namespace}"
    return {OWNER_LABEL: owner, DEADLINE_LABEL: str(int(time.time() + lifetime_seconds))}


def is_stale(
    labels: Mapping[str, str],
    *,
    now: float,
    place: Place,
    start_of: Callable[[int], str | None],
) -> bool:
    """Tell whether a cell's owner is known to be gone, or its deadline has passed."""
    deadline = labels.get(DEADLINE_LABEL, "")
    if not deadline.isdigit() or int(deadline) < now:
        return True
    pid, _, rest = labels.get(OWNER_LABEL, "").partition(":")
    start, _, where = rest.partition(":")
    if not pid.isdigit():
        return True
    if where != f"{place.boot_id}:{place.pid_namespace}":
        return False  # an owner elsewhere cannot be looked up, so only the deadline counts
    return start_of(int(pid)) != start


def this_place() -> Place:
    """Return where this process runs."""
    boot_id = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = (_PROC / "self/ns/pid").readlink().name
    return Place(boot_id=boot_id, pid_namespace=namespace.strip("pid:[]"))


def started_at(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot, or None where it is gone."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return stat.rpartition(")")[2].split()[19]
