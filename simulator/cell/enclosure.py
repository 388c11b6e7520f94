"""Starts the trusted process without a container, in namespaces of its own: an embedded cell.

``python -m simulator.cell.enclosure --walls mount,pid,net,ipc,uts -- ARGUMENTS`` hands ARGUMENTS to
``simulator.cell.pid1``; with ``--probe`` it only tells what this kernel grants to this user.
"""

import argparse
import json
import os
import resource
import signal
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator.cell import kernel, pid1, seal

WALLS = {
    "user": kernel.CLONE_NEWUSER,
    "mount": kernel.CLONE_NEWNS,
    "pid": kernel.CLONE_NEWPID,
    "net": kernel.CLONE_NEWNET,
    "ipc": kernel.CLONE_NEWIPC,
    "uts": kernel.CLONE_NEWUTS,
}
"""The namespaces that a cell can have to itself; ``pid`` needs ``mount`` for its process table."""

_FEWER = ("net", "ipc", "uts")
_ALL = ("mount", "pid", *_FEWER)
COMBINATIONS = (_ALL, ("user", *_ALL), _FEWER, ("user", *_FEWER), ())
"""What is tried, the strongest first; users other than root need the namespace for users too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the trusted process, end it when told to, and return its exit code."""
    parser = argparse.ArgumentParser(prog="simulator.cell.enclosure", description=__doc__)
    parser.add_argument("--probe", action="store_true", help="only tell what can be had")
    parser.add_argument("--walls", type=_walls, default=(), help="namespaces, with commas")
    parser.add_argument("rest", nargs="*", help="arguments of the trusted process")
    options = parser.parse_args(arguments)
    if options.probe:
        os.write(1, json.dumps(strongest()).encode())
        return 0
    child = _fork_behind(options.walls, lambda: pid1.run(options.rest))
    for fd in range(3):  # so that the caller sees the end of the trusted process
        os.close(fd)
    return _mind(child)


def strongest() -> dict[str, Any]:
    """Return the strongest combination of walls here, and whether users can be split behind it."""
    for walls in COMBINATIONS:
        if _works(walls, _look_around(walls)):
            split = "user" not in walls and _works(walls, _split_users)
            return {"walls": list(walls), "split": split}
    raise OSError("not even a plain process can be started")


def _fork_behind(walls: Sequence[str], act: Callable[[], object]) -> int:
    """Return the process that does ``act`` behind ``walls``; signals wait for ``_mind``."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    _separate(walls)
    child = os.fork()
    if child:
        return child
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())  # nor what the caller's thread blocks
        if "pid" in walls:
            kernel.mount_proc()
        for which in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_MEMLOCK):
            resource.setrlimit(which, (0, 0))
        act()
        os._exit(0)
    except BaseException:
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    finally:
        os._exit(pid1.EXIT_FAULT)


def _separate(walls: Sequence[str]) -> None:
    uid, gid = os.getuid(), os.getgid()
    namespaces = 0
    for wall in walls:
        namespaces |= WALLS[wall]
    if namespaces:
        kernel.unshare(namespaces)
    if "user" in walls:
        own = Path("/proc/self")
        (own / "setgroups").write_text("deny", encoding="ascii")
        (own / "uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
        (own / "gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    if "mount" in walls:
        kernel.make_mounts_read_only()


def _mind(child: int) -> int:
    """Wait until the child and all that it left behind are gone; SIGTERM ends it at once."""
    code, alive = pid1.EXIT_FAULT, True
    while True:
        if signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGTERM and alive:
            os.kill(child, signal.SIGKILL)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return code
            if pid == 0:
                break
            if pid == child:
                code, alive = os.waitstatus_to_exitcode(status), False


def _works(walls: Sequence[str], act: Callable[[], object]) -> bool:
    """Tell whether ``act`` can be done behind ``walls``, in a process that is given up for it."""
    trial = os.fork()
    if trial == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what is not granted is no news
        try:
            os._exit(abs(_mind(_fork_behind(walls, act))))
        finally:
            os._exit(pid1.EXIT_FAULT)
    return os.waitstatus_to_exitcode(os.waitpid(trial, 0)[1]) == 0


def _look_around(walls: Sequence[str]) -> Callable[[], None]:
    def look() -> None:
        if "pid" in walls and Path("/proc/self").readlink().name != "1":
            raise OSError("the process table is not of this namespace")

    return look


def _split_users() -> None:
    seal.shed_privileges(seal.SPLIT)


def _walls(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    for name in names:
        if name not in WALLS:
            known = ", ".join(WALLS)
            raise argparse.ArgumentTypeError(f"wall {name!r} is unknown, expected some of {known}")
    return names


if __name__ == "__main__":
    os._exit(main() & 0xFF)
