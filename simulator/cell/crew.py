"""Forks the workers of a cell, sealed and waiting, before anything worth hiding is in memory."""

import codecs
import fcntl
import gc
import importlib
import os
import resource
import select
import socket
import sys
import traceback
from dataclasses import dataclass

from simulator.cell import seal as sealing
from simulator.cell.allowed import PRELOADED_ENCODINGS, STANDARD_MODULES
from simulator.cell.layout import turn_addresses_around
from simulator.cell.wire import HEADER, Kind

SEAL_SECONDS = 30.0
_SOCKET_FD = 3
_FIRST_OTHER_FD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A sealed worker as PID 1 holds it: its process, its socket and the pipe of its prints."""

    pid: int
    socket_fd: int
    prints_fd: int


class NotSealed(RuntimeError):
    """A worker could not be sealed as asked, so no policy may run in it."""


def preload() -> None:
    """Import all that a sealed worker may need, since it can open no file later."""
    for name in STANDARD_MODULES:
        importlib.import_module(name)
    for name in PRELOADED_ENCODINGS:
        codecs.lookup(name)  # an encoder found by itself may be a shortcut past the lookup
    for name in ("linecache", "traceback", "unicodedata", "simulator.cell.worker"):
        importlib.import_module(name)


def fork_workers(count: int, isolation: str, memory_bytes: int, cpu_seconds: int) -> list[Member]:
    """Return ``count`` workers that have said, from behind their seal, that they are ready."""
    gc.collect()
    gc.freeze()
    members = []
    for position in range(count):
        seal = sealing.Seal(
            isolation=isolation,
            uid=sealing.FIRST_WORKER_UID + position,
            memory_bytes=memory_bytes,
            cpu_seconds=cpu_seconds,
        )
        members.append(_fork_one(seal, position))
    for member in members:
        _await_ready(member)
    gc.unfreeze()
    return members


def _fork_one(seal: sealing.Seal, position: int) -> Member:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    prints_read, prints_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_worker(seal, position, theirs.fileno(), prints_write)
    theirs.close()
    os.close(prints_write)
    os.set_blocking(prints_read, False)
    ours.setblocking(False)
    return Member(pid=pid, socket_fd=ours.detach(), prints_fd=prints_read)


def _be_worker(seal: sealing.Seal, position: int, socket_fd: int, prints_fd: int) -> None:
    """Turn the forked child into a worker; never returns."""
    try:
        _keep_only(socket_fd, prints_fd)
        _turned = turn_addresses_around() if position else None
        sealing.seal_worker(seal)
        worker = sys.modules["simulator.cell.worker"]
        worker.end_of_service(_SOCKET_FD)
    except BaseException:
        os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    finally:
        os._exit(4)


def _keep_only(socket_fd: int, prints_fd: int) -> None:
    """Leave the process no file but its socket and, as standard output and error, its prints."""
    # Copies above all numbers in use, so that none is overwritten before it is moved.
    sock = fcntl.fcntl(socket_fd, fcntl.F_DUPFD, 100)
    prints = fcntl.fcntl(prints_fd, fcntl.F_DUPFD, 100)
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0, inheritable=False)
    os.dup2(prints, 1, inheritable=False)
    os.dup2(prints, 2, inheritable=False)
    os.dup2(sock, _SOCKET_FD, inheritable=False)
    os.closerange(_FIRST_OTHER_FD, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _await_ready(member: Member) -> None:
    poller = select.poll()
    poller.register(member.socket_fd, select.POLLIN)
    poller.poll(SEAL_SECONDS * 1000)
    try:
        answer = os.read(member.socket_fd, HEADER.size)
    except BlockingIOError:
        raise NotSealed(f"a worker was not sealed within {SEAL_SECONDS:g} s") from None
    except ConnectionError:
        answer = b""
    if answer != HEADER.pack(0, 0, Kind.READY):
        raise NotSealed(f"a worker could not be sealed: {_last_words(member)}")


def _last_words(member: Member) -> str:
    try:
        return os.read(member.prints_fd, 1 << 14).decode("utf-8", "replace").strip()
    except BlockingIOError:
        return "it said nothing"
