"""The few kernel calls that the standard library lacks, through ctypes."""

import ctypes
import os
import struct
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

CAP_KILL = 5

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_CAPABILITY_VERSION_3 = 0x20080522
_EINVAL = 22
_MOUNT_SETATTR = 442  # the same number on every machine
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_ATTR_RDONLY_NOSUID = 0x1 | 0x2
_MS_PRIVATE = 1 << 18
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
_PROT_READ, _PROT_WRITE = 1, 2
_POINTER_BYTES = 8

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.syscall.restype = ctypes.c_long
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


def prctl(option: int, arg2: int = 0, arg3: int = 0) -> int:
    """Call prctl(2); raise OSError where it fails."""
    result: int = _libc.prctl(option, arg2, arg3, 0, 0)
    return _checked(result, f"prctl({option}, {arg2})")


def drop_bounding_set() -> None:
    """Remove every capability from the bounding set, so that no program can ever regain one."""
    for capability in range(64):
        try:
            prctl(PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == _EINVAL:  # past the last capability that this kernel knows
                return
            raise


def set_capabilities(*capabilities: int) -> None:
    """Make ``capabilities`` the whole of the effective and permitted sets, and inherit none."""
    mask = sum(1 << capability for capability in capabilities)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(struct.pack("6I", low, low, 0, high, high, 0))
    _checked(_libc.capset(header, data), f"capset({mask:#x})")


def unshare(namespaces: int) -> None:
    """Leave the namespaces in the mask; the new process namespace is for children only."""
    _checked(_libc.unshare(ctypes.c_int(namespaces)), f"unshare({namespaces:#x})")


def make_mounts_read_only() -> None:
    """Make all that is mounted below the root read-only, in this mount namespace alone."""
    for attributes, propagation in ((0, _MS_PRIVATE), (_ATTR_RDONLY_NOSUID, 0)):
        wanted = ctypes.create_string_buffer(struct.pack("4Q", attributes, 0, propagation, 0), 32)
        result = _libc.syscall(
            ctypes.c_long(_MOUNT_SETATTR),
            ctypes.c_int(_AT_FDCWD),
            b"/",
            ctypes.c_uint(_AT_RECURSIVE),
            wanted,
            ctypes.c_size_t(32),
        )
        _checked(result, "mount_setattr(/)")


def mount_proc() -> None:
    """Mount the process table of this process's own namespace."""
    flags = ctypes.c_ulong(_MS_NOSUID_NODEV_NOEXEC)
    _checked(_libc.mount(b"proc", b"/proc", b"proc", flags, None), "mount(/proc)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Where a program, and every process forked from it, has the clocks that need no system call.

    The kernel maps code and data for reading clocks into every process; the C library has pointers
    to that code, in memory that is read-only.
    """

    code: tuple[int, int]
    data: tuple[tuple[int, int], ...]
    pages: tuple[tuple[int, int], ...]
    """Those with pointers."""
    pointers: tuple[int, ...]


def find_clocks() -> Clocks | None:
    """Return where the clocks of this program are, None where they are not as expected."""
    regions = _regions()
    code = [(first, last) for first, last, _, name in regions if name == "[vdso]"]
    if len(code) != 1:
        return None
    (begin, end), pages, pointers = code[0], [], list[int]()
    for first, last, rights, name in regions:
        if rights.startswith("r--") and name.rpartition("/")[2].startswith("ld-"):
            words = memoryview(ctypes.string_at(first, last - first)).cast("Q")
            found = [place for place, value in enumerate(words) if begin < value < end]
            pointers += [first + _POINTER_BYTES * place for place in found]
            if found:
                pages.append((first, last - first))
    if not pointers:
        return None
    return Clocks(
        code=(code[0][0], code[0][1] - code[0][0]),
        data=tuple(
            (first, last - first) for first, last, _, name in regions if name.startswith("[vvar")
        ),
        pages=tuple(pages),
        pointers=tuple(pointers),
    )


def stop_clocks(clocks: Clocks) -> None:
    """Take away the clocks that need no system call, from this process alone.

    Without pointers to the kernel's code the C library makes system calls, which a filter can
    refuse. The code is made data, since the C library still reads its names; the data of the
    clocks is unmapped. The processor's own counter stays: only machine code reads it, which could
    as well ask the processor for random numbers, and to shut it costs a virtual machine 16 us in
    each call of a policy.
    """
    for page in clocks.pages:
        _checked(_libc.mprotect(*page, _PROT_READ | _PROT_WRITE), "mprotect")
    for pointer in clocks.pointers:
        ctypes.c_uint64.from_address(pointer).value = 0
    for page in (*clocks.pages, clocks.code):
        _checked(_libc.mprotect(*page, _PROT_READ), "mprotect")
    for region in clocks.data:
        _checked(_libc.munmap(*region), "munmap")


def _regions() -> list[tuple[int, int, str, str]]:
    """Return what is mapped in this process: first byte, end, rights and name of each region."""
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        addresses, rights, *rest = line.split(maxsplit=5)
        first, last = (int(each, 16) for each in addresses.split("-"))
        found.append((first, last, rights, rest[3] if len(rest) > 3 else ""))
    return found


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
