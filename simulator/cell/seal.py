"""Gives up what a process does not need: nearly all for a worker, nearly as much for PID 1."""

import contextlib
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

from simulator.cell import kernel
from simulator.cell.seccomp import install_filter

TRUSTED_UID = 64001
FIRST_WORKER_UID = 64002

SPLIT = "full"
ONE_UID = "one-uid"
UNSEALED = "none"
SEALED = (SPLIT, ONE_UID)
ISOLATIONS = (*SEALED, UNSEALED)
"""``full``: own user id for each worker, and the filter. ``one-uid``: the filter alone, where the
container may not change user ids. ``none``: neither; the host never asks for it and refuses it."""

CPU_SLACK_SECONDS = 5
STACK_BYTES = 8 << 20
_WORKER_FILES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """How a worker is shut in: its isolation and its hard limits."""

    isolation: str
    memory_bytes: int
    cpu_seconds: int
    clocks: kernel.Clocks | None


def seal_worker(seal: Seal, uid: int) -> None:
    """Shut this process in for good; it keeps its open files, which its caller has chosen.

    ``uid`` is its user id under ``full``.
    """
    if seal.isolation != UNSEALED and seal.clocks is not None:
        kernel.stop_clocks(seal.clocks)
    _offer_to_be_killed_first()
    _limit_resources(seal)
    os.umask(0o777)
    os.chdir("/")
    os.environ.clear()
    if seal.isolation == SPLIT:
        _become(uid)
    if seal.isolation == ONE_UID:
        drop_capabilities()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if seal.isolation != UNSEALED:
        install_filter()


def shed_privileges(isolation: str) -> None:
    """Leave the trusted process only what it needs: under ``full`` that is to end its workers."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if isolation == SPLIT:
        kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
        _become(TRUSTED_UID)
        kernel.set_capabilities(kernel.CAP_KILL)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # a change of user sets it again
    if isolation == ONE_UID:
        drop_capabilities()
    if isolation != UNSEALED:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)


def _become(uid: int) -> None:
    kernel.drop_bounding_set()
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def drop_capabilities() -> None:
    """Give up every right beyond those of the user id, for good."""
    with contextlib.suppress(PermissionError):  # only who holds the right to may do this
        kernel.drop_bounding_set()
    kernel.set_capabilities()


def _limit_resources(seal: Seal) -> None:
    in_use = _address_space_bytes()
    cpu = seal.cpu_seconds + CPU_SLACK_SECONDS
    hard_limits = {
        resource.RLIMIT_AS: in_use + seal.memory_bytes,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _WORKER_FILES,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_STACK: STACK_BYTES,
    }
    for which, value in hard_limits.items():
        resource.setrlimit(which, (value, value))


def _address_space_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _offer_to_be_killed_first() -> None:
    """Ask that memory trouble of the cell ends the worker, never the process that reports on it."""
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
