"""The sealed process that runs a policy: it answers PID 1 and holds nothing worth stealing."""

import io
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TextIO

from simulator.cell.wire import Kind, frame, read_frame, write_all
from simulator.contract import Contract
from simulator.driver import PolicyDriver
from simulator.errors import Failure, PolicyFailure
from simulator.messages import decode, encode

_DECIDE, _DECISION = Kind.DECIDE, Kind.DECISION
"""By names of their own, since they are asked for in each call."""
RANDOM_SEED = 0
"""What ``random`` is seeded with before a policy is loaded, so that equal trials are equal."""
MAX_TOLD_CHARS = 20_000
"""How much of a failure's text leaves the worker, so that no text is too long for a message."""


def serve(fd: int, prints: TextIO, contract: Contract) -> None:
    """Answer messages on ``fd`` until it closes; the process must be sealed already."""
    _stand_still()
    random.seed(RANDOM_SEED)
    write_all(fd, frame(0, Kind.READY, b""))
    worker = _Worker(fd, contract)
    while True:
        answer = worker.answer(*read_frame(fd))
        try:  # noqa: SIM105 - a block takes longer than all of it
            prints.flush()
        except (OSError, ValueError):  # a policy may have closed its own
            pass
        write_all(fd, answer)


class _Worker:
    """Turns each message of PID 1 into one answer."""

    def __init__(self, fd: int, contract: Contract) -> None:
        self._fd = fd
        self._contract = contract
        self._driver: PolicyDriver | None = None

    def answer(self, sequence: int, kind: int, payload: bytes) -> bytes:
        try:
            return self._act(sequence, kind, payload)
        except BaseException as error:  # whatever a policy raises must become its failure
            return frame(sequence, Kind.FAILURE, encode(failure_of(error)))

    def _act(self, sequence: int, kind: int, payload: bytes) -> bytes:
        if kind == _DECIDE and self._driver is not None:
            observation = decode(payload, self._contract.dialogue.observation)
            decision = self._driver.decide(observation, partial(self._ask, sequence))
            return frame(sequence, _DECISION, encode(decision))
        if kind == Kind.LOAD:
            self._driver = PolicyDriver(self._contract, payload.decode())
            self._driver.load()
            return frame(sequence, Kind.READY, b"")
        if self._driver is None:
            raise RuntimeError("asked to run a policy before one was loaded")
        if kind == Kind.START:
            self._driver.start(decode(payload, self._contract.dialogue.setup))
            return frame(sequence, Kind.READY, b"")
        raise RuntimeError(f"a message of unknown kind {kind}")

    def _ask(self, sequence: int, step: int) -> Any:
        reply = self._contract.dialogue.reply
        if reply is None:
            raise RuntimeError("this domain answers no queries")
        write_all(self._fd, frame(sequence, Kind.QUERY, encode(step)))
        return decode(read_frame(self._fd)[2], reply)


def failure_of(error: BaseException) -> Failure:
    """Return the failure that ``error`` stands for; running out of memory is one of its own."""
    failure = Failure(kind="policy_error", message=f"{type(error).__name__}: {error}")
    if isinstance(error, PolicyFailure):
        failure = error.failure
    if _comes_of_memory(error):
        failure = replace(failure, kind="memory_limit", message="the policy ran out of memory")
    told = failure.message[:MAX_TOLD_CHARS]
    plain = told.encode("utf-8", "backslashreplace").decode()
    return replace(failure, message=plain)


def _comes_of_memory(error: BaseException) -> bool:
    link: Any = error
    for _ in range(16):
        if link is None:
            return False
        if isinstance(link, MemoryError):
            return True
        link = link.__cause__ or link.__context__
    return False


def own_standard_streams() -> TextIO:
    """Replace standard output and error by one stream that takes any text and is flushed by us."""
    raw = io.FileIO(1, "w", closefd=False)
    stream = io.TextIOWrapper(
        io.BufferedWriter(raw, 1 << 15), encoding="utf-8", errors="backslashreplace"
    )
    sys.stdout = sys.stderr = stream
    sys.stdin = io.StringIO()
    return stream


def _stand_still() -> None:
    """Let the clocks of Python read 0 for ever, where libraries such as ``logging`` read them.

    The kernel gives a sealed worker no clock at all; see ``simulator.cell.kernel.stop_clocks``.
    """
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, float)
        setattr(time, f"{name}_ns", int)
    for name in ("localtime", "gmtime"):
        setattr(time, name, partial(_of_zero, getattr(time, name)))


def _of_zero(convert: Callable[[float], time.struct_time], seconds: float = 0) -> time.struct_time:
    return convert(seconds)


def end_of_service(fd: int, prints: TextIO, contract: Contract) -> None:
    """Serve until PID 1 hangs up, then end without running anything that a policy left behind."""
    try:
        serve(fd, prints, contract)
    except (EOFError, ConnectionError, BrokenPipeError):
        os._exit(0)
    finally:
        os._exit(4)
