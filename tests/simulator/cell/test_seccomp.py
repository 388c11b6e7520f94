"""The worker's filter as data: its program is run here by a small interpreter of BPF."""

import struct

import pytest

from simulator.cell.seccomp import (
    AARCH64,
    ANSWERED_ZERO,
    X86_64,
    Architecture,
    architecture_of,
    filter_program,
)

ALLOW, KILL, EPERM = 0x7FFF0000, 0x80000000, 0x00050001
ANSWER_ZERO, TIMED_OUT = 0x00050000, 0x0005006E
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
BOTH = pytest.mark.parametrize("machine", [X86_64, AARCH64], ids=["x86_64", "aarch64"])


def verdict(
    machine: Architecture,
    number: int,
    third: int = 0,
    fourth: int = 0,
    audit: int | None = None,
) -> int:
    """Run the filter on one system call and return what it says."""
    audit = machine.audit if audit is None else audit
    data = struct.pack("<IIQ6Q", number, audit, 0, 0, 0, third, fourth, 0, 0)
    program = filter_program(machine)
    position, accumulator = 0, 0
    while True:
        code, if_true, if_false, operand = program[position]
        position += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x15:
                position += if_true if accumulator == operand else if_false
            case 0x35:
                position += if_true if accumulator >= operand else if_false
            case 0x45:
                position += if_true if accumulator & operand else if_false
            case 0x06:
                return operand


@BOTH
def test_every_listed_call_is_allowed_but_those_that_would_tell_workers_apart(
    machine: Architecture,
) -> None:
    for name, number in machine.numbers.items():
        assert verdict(machine, number) == (ANSWER_ZERO if name in ANSWERED_ZERO else ALLOW), name


@BOTH
@pytest.mark.parametrize("limit", [1, 1 << 31, 1 << 32, 1 << 63])
def test_a_wait_with_a_time_limit_ends_at_once(machine: Architecture, limit: int) -> None:
    assert verdict(machine, machine.numbers["futex"], fourth=limit) == TIMED_OUT


@BOTH
def test_everything_else_fails_with_eperm(machine: Architecture) -> None:
    listed = set(machine.numbers.values())

    for number in set(range(600)) - listed:
        assert verdict(machine, number) == EPERM


@BOTH
@pytest.mark.parametrize("call", ["mmap", "mprotect"])
def test_no_memory_becomes_executable(machine: Architecture, call: str) -> None:
    number = machine.numbers[call]

    assert verdict(machine, number, PROT_READ | PROT_WRITE) == ALLOW
    assert verdict(machine, number, PROT_EXEC) == EPERM
    assert verdict(machine, number, PROT_READ | PROT_WRITE | PROT_EXEC) == EPERM


@BOTH
def test_a_foreign_architecture_kills(machine: Architecture) -> None:
    assert verdict(machine, machine.numbers["read"], audit=0x40000003) == KILL


def test_the_x32_convention_kills() -> None:
    assert verdict(X86_64, 0x40000000 + X86_64.numbers["read"]) == KILL


def test_both_machines_allow_the_same_calls() -> None:
    assert set(X86_64.numbers) == set(AARCH64.numbers)


def test_nothing_that_opens_starts_connects_signals_or_tells_the_time_is_listed() -> None:
    harmful = {"open", "openat", "clone", "fork", "vfork", "execve", "socket", "connect", "sendmsg",
               "kill", "tgkill", "ptrace", "prctl", "prlimit64", "seccomp", "ioctl", "dup",
               "fcntl", "getrandom", "clock_nanosleep", "socketpair", "setresuid", "clock_gettime",
               "gettimeofday", "getrusage", "times", "fstat"}  # fmt: skip

    assert harmful.isdisjoint(X86_64.numbers)


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(OSError, match=r"no system-call table for the machine 'vax'"):
        architecture_of("vax")
