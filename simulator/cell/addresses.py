"""Whether programs that are started have fixed addresses: personality(2), and nothing else.

A cell starts twice, the second time at fixed addresses; the first start needs this file alone.
"""

import ctypes

NO_RANDOMISATION = 0x0040000
"""The kernel's name for a process whose addresses are the same each time it is started."""

_ASK = 0xFFFFFFFF

_libc = ctypes.CDLL(None)
_libc.personality.argtypes = [ctypes.c_ulong]


def fix_addresses() -> bool:
    """Have programs that this thread starts from now on use fixed addresses; tell if that holds."""
    _libc.personality(_libc.personality(_ASK) | NO_RANDOMISATION)
    return addresses_are_fixed()


def addresses_are_fixed() -> bool:
    """Whether this program was started, or would start others, with fixed addresses."""
    return bool(_libc.personality(_ASK) & NO_RANDOMISATION)


def randomise_addresses() -> None:
    """Undo ``fix_addresses``."""
    _libc.personality(_libc.personality(_ASK) & ~NO_RANDOMISATION)
