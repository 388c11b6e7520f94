"""What the kernel says of a worker from outside it: whether it sleeps, and who died for memory."""

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
_SLEEPING = "S"
_COUNT = "oom_kill"
_NO_LIMIT = 1 << 60
"""Where no limit is set, the older kind of control group shows a number beyond this one."""


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
    for line in _text_of(path).splitlines():
        name, _, value = line.partition(" ")
        if name == _COUNT and value.strip().isdigit():
            return int(value)
    return None


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
