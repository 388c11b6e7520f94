"""The few kernel calls that the standard library lacks, through ctypes."""

import ctypes
import os
import struct

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

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
_libc.syscall.restype = ctypes.c_long


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


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
