"""The few kernel calls that the standard library lacks, through ctypes: prctl and capset."""

import ctypes
import os
import struct

PR_SET_PDEATHSIG = 1
PR_GET_DUMPABLE = 3
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38

CAP_KILL = 5
CAP_SETPCAP = 8

_CAPABILITY_VERSION_3 = 0x20080522
_EINVAL = 22

_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def prctl(option: int, arg2: int = 0, arg3: int = 0) -> int:
    """Call prctl(2); raise OSError where it fails."""
    result: int = _libc.prctl(option, arg2, arg3, 0, 0)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}, {arg2}): {os.strerror(number)}")
    return result


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
    if _libc.capset(header, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset({mask:#x}): {os.strerror(number)}")
