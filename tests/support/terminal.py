"""Programs on a terminal of a width of our choice."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Callable, Mapping, Sequence

COLUMNS = 70
Answer = Callable[[str, subprocess.Popen[bytes], int], None]
"""Takes what was shown so far, the program, and a descriptor to which keys are written."""


def on_terminal(
    arguments: Sequence[str],
    variables: Mapping[str, str],
    answer: Answer = lambda shown, program, keys: None,
    ends: Sequence[int] = (0,),
) -> str:
    """What a program writes to a terminal of ``COLUMNS`` columns; it ends with one of ``ends``."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    shown = b""
    with subprocess.Popen(
        arguments, stdin=there, stdout=there, stderr=there, env=variables
    ) as process:
        os.close(there)
        while True:
            try:
                part = os.read(here, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
            answer(shown.decode("utf-8", "replace"), process, here)
        assert process.wait(timeout=60) in ends
    os.close(here)
    return shown.decode("utf-8", "replace")
