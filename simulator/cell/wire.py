"""Frames between PID 1 and a worker: a fixed header (length, sequence number, kind) and a message.

The exchange is strict: PID 1 asks, the worker answers with the same sequence number and nothing
more. Only bytes cross; their meaning is decoded by type, from a closed set of kinds.
"""

import os
import struct
from enum import IntEnum

HEADER = struct.Struct("<IIB")
AT_ONCE = 1 << 14
"""Bytes asked for at first: nearly every frame comes whole within them, in one call."""


class Kind(IntEnum):
    """What a frame carries."""

    LOAD = 1
    """PID 1: the policy's source, as UTF-8."""
    START = 2
    """PID 1: the domain's setup."""
    DECIDE = 3
    """PID 1: the domain's observation."""
    REPLY = 4
    """PID 1: the answer to QUERY, of the domain's type."""
    READY = 16
    """Worker: sealed, loaded or started, with an empty message."""
    DECISION = 17
    """Worker: the domain's decision."""
    QUERY = 18
    """Worker: the step at which the policy asks for what is told only when it is asked for."""
    FAILURE = 19
    """Worker: Failure."""


def frame(sequence: int, kind: int, payload: bytes) -> bytes:
    """Return the bytes of one frame."""
    return HEADER.pack(len(payload), sequence, kind) + payload


def write_all(fd: int, data: bytes) -> None:
    """Write ``data`` to a blocking file descriptor."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, memoryview(data)[written:])


def read_frame(fd: int) -> tuple[int, int, bytes]:
    """Return sequence number, kind and message of the next frame, which nothing may follow."""
    data = os.read(fd, AT_ONCE)
    if len(data) < HEADER.size:
        data += read_exactly(fd, HEADER.size - len(data))
    length, sequence, kind = HEADER.unpack_from(data)
    missing = HEADER.size + length - len(data)
    if missing:
        data += read_exactly(fd, missing)
    return sequence, kind, data[HEADER.size :]


def read_exactly(fd: int, count: int) -> bytes:
    """Read ``count`` bytes from a blocking file descriptor; raise EOFError where they end early."""
    parts = []
    while count > 0:
        part = os.read(fd, min(count, 1 << 20))
        if not part:
            raise EOFError("the other side closed the connection")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
