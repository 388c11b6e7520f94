"""The worker's system-call filter: an allow-list per architecture, as data, and its BPF program.

A sealed worker may read and write what it already holds, manage memory that is not executable and
wait on its own locks. It cannot open, create, start, connect, signal, sleep or read a clock, and it
learns nothing that differs from worker to worker: every process id is 0, and a wait with a time
limit ends at once. Calls that are not listed fail with EPERM; calls of a foreign architecture kill
the process.
"""

import ctypes
import os
from dataclasses import dataclass

from simulator.cell.kernel import PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, prctl


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What the filter needs to know of a machine: its audit number and its system-call numbers."""

    audit: int
    numbers: dict[str, int]
    foreign_from: int | None = None
    """Numbers from here on belong to another calling convention (x32) and kill the process."""


NOT_EXECUTABLE = ("mmap", "mprotect")
"""Allowed only without PROT_EXEC: no code can be written and then run."""

ANSWERED_ZERO = ("getpid", "gettid")
"""Not made at all: each of them returns 0."""

WITHOUT_TIME_LIMIT = ("futex",)
"""Allowed only without a time limit; with one they return ETIMEDOUT at once, as a limit in the past
would, since it would tell the time."""

X86_64 = Architecture(
    audit=0xC000003E,
    foreign_from=0x40000000,
    numbers={
        "read": 0,
        "write": 1,
        "close": 3,
        "mmap": 9,
        "mprotect": 10,
        "munmap": 11,
        "brk": 12,
        "rt_sigaction": 13,
        "rt_sigprocmask": 14,
        "rt_sigreturn": 15,
        "sched_yield": 24,
        "mremap": 25,
        "madvise": 28,
        "getpid": 39,
        "exit": 60,
        "sigaltstack": 131,
        "gettid": 186,
        "futex": 202,
        "restart_syscall": 219,
        "exit_group": 231,
    },
)

AARCH64 = Architecture(
    audit=0xC00000B7,
    numbers={
        "close": 57,
        "read": 63,
        "write": 64,
        "exit": 93,
        "exit_group": 94,
        "futex": 98,
        "sched_yield": 124,
        "restart_syscall": 128,
        "sigaltstack": 132,
        "rt_sigaction": 134,
        "rt_sigprocmask": 135,
        "rt_sigreturn": 139,
        "getpid": 172,
        "gettid": 178,
        "brk": 214,
        "munmap": 215,
        "mremap": 216,
        "mmap": 222,
        "mprotect": 226,
        "madvise": 233,
    },
)

ARCHITECTURES = {"x86_64": X86_64, "aarch64": AARCH64, "arm64": AARCH64}

Instruction = tuple[int, int, int, int]

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ETIMEDOUT = _ERRNO | 1, _ERRNO | 110
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENTS = 0, 4, 16
_PROT_EXEC = 4
_FILTER_MODE = 2


def install_filter() -> None:
    """Put this process under the filter of its machine, for good."""
    program = filter_program(architecture_of(os.uname().machine))
    entries = (_Entry * len(program))(*(_Entry(*entry) for entry in program))
    header = _Program(len(program), entries)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(header))


def architecture_of(machine: str) -> Architecture:
    """Return the table for a machine name as uname gives it."""
    try:
        return ARCHITECTURES[machine]
    except KeyError:
        known = ", ".join(sorted(ARCHITECTURES))
        raise OSError(
            f"no system-call table for the machine {machine!r}: cells run on {known}"
        ) from None


def filter_program(architecture: Architecture) -> list[Instruction]:
    """Return the BPF program that admits the calls of ``architecture`` and nothing else."""
    program: list[Instruction] = [
        (_LOAD, 0, 0, _OFFSET_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_NUMBER),
    ]
    if architecture.foreign_from is not None:
        program += [(_JUMP_AT_LEAST, 0, 1, architecture.foreign_from), (_RETURN, 0, 0, _KILL)]
    for name, number in architecture.numbers.items():
        if name in NOT_EXECUTABLE:
            program += _allow_unless_executable(number)
        elif name in WITHOUT_TIME_LIMIT:
            program += _allow_without_time_limit(number)
        elif name in ANSWERED_ZERO:
            program += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO)]
        else:
            program += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    program.append((_RETURN, 0, 0, _EPERM))
    return program


def _allow_unless_executable(number: int) -> list[Instruction]:
    third_argument = _OFFSET_ARGUMENTS + 2 * 8
    return [
        (_JUMP_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, third_argument),
        (_JUMP_BITS, 0, 1, _PROT_EXEC),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _allow_without_time_limit(number: int) -> list[Instruction]:
    fourth_argument = _OFFSET_ARGUMENTS + 3 * 8
    return [
        (_JUMP_EQUAL, 0, 6, number),
        (_LOAD, 0, 0, fourth_argument),
        (_JUMP_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, fourth_argument + 4),
        (_JUMP_EQUAL, 0, 1, 0),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ETIMEDOUT),
    ]


class _Entry(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("operand", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("entries", ctypes.POINTER(_Entry)))
