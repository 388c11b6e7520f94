"""Forks the workers of a cell, sealed and waiting, before anything worth hiding is in memory."""

import codecs
import fcntl
import gc
import importlib
import os
import resource
import select
import socket
import struct
import sys
import traceback
from array import array
from dataclasses import dataclass

from simulator.cell import seal as sealing
from simulator.cell.allowed import PRELOADED_ENCODINGS, STANDARD_MODULES
from simulator.cell.wire import HEADER, Kind
from simulator.contract import Contract
from simulator.domain import Domain

SEAL_SECONDS = 30.0
_SOCKET_FD = 3
_FIRST_OTHER_FD = 4
_SOON = struct.pack("@ll", 0, 1000)
"""Seconds and microseconds that PID 1 waits on a socket itself; see ``simulator.cell.channel``."""
MAX_WORKERS = 4096
REHEARSALS = 2
"""How many processes are made before the first worker until each finds the memory of the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A sealed worker as PID 1 holds it: its process, its socket and the pipe of its prints."""

    pid: int
    socket_fd: int
    prints_fd: int


class Notes:
    """How many workers are wanted and made, and their numbers, in memory that can be wiped."""

    _PER_MEMBER = 3

    def __init__(self, wanted: bytes) -> None:
        self._numbers = array("I", wanted)
        self._numbers.frombytes(bytes(4 * (1 + self._PER_MEMBER * MAX_WORKERS)))

    @property
    def wanted(self) -> int:
        return self._numbers[0]

    @property
    def made(self) -> int:
        return self._numbers[1]

    def add(self, *numbers: int) -> None:
        """Note the process, the socket and the pipe of a worker."""
        first = 2 + self._PER_MEMBER * self.made
        for place, number in enumerate(numbers, first):
            self._numbers[place] = number
        self._numbers[1] += 1

    def members(self) -> list[Member]:
        """Return the workers made so far."""
        numbers = self._numbers[2 : 2 + self._PER_MEMBER * self.made]
        return [
            Member(pid=pid, socket_fd=socket_fd, prints_fd=prints_fd)
            for pid, socket_fd, prints_fd in zip(*[iter(numbers)] * self._PER_MEMBER, strict=True)
        ]

    def drop(self) -> None:
        """Forget the last worker."""
        self._numbers[1] -= 1

    def wipe(self) -> None:
        """Forget all."""
        memory = memoryview(self._numbers).cast("B")
        memory[:] = bytes(len(memory))


class NotSealed(RuntimeError):
    """A worker could not be sealed as asked, so no policy may run in it."""


def preload(domain: Domain) -> tuple[Contract, ...]:
    """Import all that a sealed worker may need, since it can open no file later.

    Returns the contracts of the workers of one scenario, the one part of the domain that they hold.
    """
    for name in STANDARD_MODULES:
        importlib.import_module(name)
    for name in PRELOADED_ENCODINGS:
        codecs.lookup(name)  # an encoder found by itself may be a shortcut past the lookup
    for name in ("linecache", "traceback", "unicodedata", "simulator.cell.worker"):
        importlib.import_module(name)
    return domain.contracts


def fork_workers(notes: Notes, seal: sealing.Seal, contracts: tuple[Contract, ...]) -> list[Member]:
    """Return as many workers as ``notes`` ask for, each ready behind its seal.

    They get the contracts in turn.

    All of them are the same to the last byte, in every cell: a policy that could tell one worker
    from another could decide otherwise when it is tried again. So the loop below keeps nothing
    but numbers, all of them in ``notes``, which a worker wipes before it is sealed.
    """
    if notes.wanted > MAX_WORKERS:
        raise NotSealed(f"{notes.wanted} workers are more than the allowed {MAX_WORKERS}")
    gc.collect()
    gc.freeze()
    for _ in range(REHEARSALS):
        _rehearse(notes)
    while notes.made < notes.wanted:
        if _fork_one(notes):
            _be_worker(seal, notes, contracts[notes.made % len(contracts)])
    members = notes.members()
    for member in members:
        _await_ready(member)
    gc.unfreeze()
    return members


def _rehearse(notes: Notes) -> None:
    """Make one process and drop it, as the first of them finds other memory than those after it."""
    if _fork_one(notes):
        os._exit(0)
    (member,) = notes.members()
    os.waitpid(member.pid, 0)
    os.close(member.socket_fd)
    os.close(member.prints_fd)
    notes.drop()


def _fork_one(notes: Notes) -> bool:
    """Fork a worker; return True in the worker itself, which then holds only its own files."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    prints_read, prints_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        _keep_only(theirs.fileno(), prints_write)
        ours.detach()
        theirs.detach()
        return True
    theirs.close()
    del theirs  # the last made goes first, so that the next pair is made where this one was
    os.close(prints_write)
    os.set_blocking(prints_read, False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _SOON)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SOON)
    notes.add(pid, ours.detach(), prints_read)
    return False


def _be_worker(seal: sealing.Seal, notes: Notes, contract: Contract) -> None:
    """Turn the forked child into a worker; never returns."""
    try:
        worker = sys.modules["simulator.cell.worker"]
        prints = worker.own_standard_streams()
        sealing.seal_worker(seal, sealing.FIRST_WORKER_UID + notes.made)
        notes.wipe()
        gc.enable()
        gc.collect()  # sets its counters to zero
        worker.end_of_service(_SOCKET_FD, prints, contract)
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
