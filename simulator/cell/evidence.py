"""What the kernel says of a worker from outside it; a worker's word is never taken for anything.

Whether it sleeps, who died for memory, and which protections are in force.
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.cell.addresses import addresses_are_fixed
from simulator.cell.seal import SPLIT, UNSEALED

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
_SLEEPING = "S"
_COUNT = "oom_kill"
_NO_LIMIT = 1 << 60
"""Where no limit is set, the older kind of control group shows a number beyond this one."""
FILTER = 2
"""The value of ``Seccomp`` in a process's status when a filter is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryKills:
    """How many processes the kernel killed for memory so far; None where it does not say."""

    cell: int | None
    """In the control group of this cell, of any reason."""
    machine: int | None


def is_asleep(pid: int, proc: Path = PROC) -> bool:
    """Tell whether a process waits for something that is neither a processor nor a disk.

    One that waits for its turn on a busy machine counts as running, however long that takes.
    """
    stat = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()[0] == _SLEEPING


def memory_kills(cgroups: Path = CGROUPS, proc: Path = PROC) -> MemoryKills:
    """Return the kernel's counts as of now."""
    cell = None
    for limit, events in (
        (cgroups / "memory.max", cgroups / "memory.events"),
        (cgroups / "memory/memory.limit_in_bytes", cgroups / "memory/memory.oom_control"),
    ):
        if _is_limited(limit):  # a group without a limit is the whole machine's, not the cell's
            cell = _count_in(events)
    return MemoryKills(cell=cell, machine=_count_in(proc / "vmstat"))


def _is_limited(path: Path) -> bool:
    text = _text_of(path).strip()
    return text.isdigit() and int(text) < _NO_LIMIT


def _count_in(path: Path) -> int | None:
    found = re.search(rf"^{_COUNT} +(\d+) *$", _text_of(path), re.MULTILINE | re.ASCII)
    return int(found[1]) if found else None


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One process as the kernel sees it."""

    uids: tuple[int, ...]
    seccomp: int
    filters: int
    no_new_privs: bool
    capabilities: int
    """Everything in any capability set that the process could use or regain."""


def standing_of(pid: int) -> Standing:
    """Return how the process ``pid`` stands."""
    fields = dict(
        line.split(":", 1)
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    )
    sets = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    return Standing(
        uids=tuple(int(uid) for uid in fields["Uid"].split()),
        seccomp=int(fields["Seccomp"]),
        filters=int(fields.get("Seccomp_filters", "0")),
        no_new_privs=fields["NoNewPrivs"].strip() == "1",
        capabilities=_union(int(fields[name], 16) for name in sets),
    )


def worker_gaps(isolation: str, worker: Standing, trusted: Standing) -> list[str]:
    """Return what a worker lacks of the asked isolation; an empty list means that it is sealed."""
    if isolation == UNSEALED:
        return []
    gaps = []
    if worker.seccomp != FILTER or worker.filters == trusted.filters:
        gaps.append("its system calls are not filtered")
    if not worker.no_new_privs:
        gaps.append("it may gain privileges")
    if worker.capabilities and (isolation == SPLIT or _usable(worker)):
        gaps.append(f"it holds capabilities ({worker.capabilities:#x})")
    if isolation == SPLIT and set(worker.uids) & set(trusted.uids):
        gaps.append(f"it shares a user id with the trusted process ({worker.uids})")
    return gaps


def isolation_report(isolation: str, worker: Standing, trusted: Standing) -> dict[str, Any]:
    """Return the protections in force, for the report that leaves the cell."""
    return {
        "asked": isolation,
        "uid_split": not set(worker.uids) & set(trusted.uids),
        "worker_uid": worker.uids[0],
        "trusted_uid": trusted.uids[0],
        "worker_seccomp": worker.seccomp,
        "worker_filters": worker.filters,
        "own_filter": worker.filters > trusted.filters,
        "trusted_seccomp": trusted.seccomp,
        "no_new_privs": worker.no_new_privs and trusted.no_new_privs,
        "worker_capabilities": f"{worker.capabilities:#x}",
        "trusted_capabilities": f"{trusted.capabilities:#x}",
        "own_pid_namespace": os.getpid() == 1,
        "read_only_root": bool(os.statvfs("/").f_flag & os.ST_RDONLY),
        "fixed_addresses": addresses_are_fixed(),
        "interfaces": _interfaces(),
        "machine": os.uname().machine,
        "python": sys.version.split()[0],
    }


def _usable(worker: Standing) -> bool:
    # Without the right to change it, the bounding set stays; with no_new_privs nothing comes of it.
    return not worker.no_new_privs


def _union(masks: Any) -> int:
    total = 0
    for mask in masks:
        total |= mask
    return total


def _interfaces() -> list[str]:
    lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]
    return sorted(line.split(":")[0].strip() for line in lines)
