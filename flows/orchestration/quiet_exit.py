"""Keeps what libraries complain of while the interpreter ends under Prefect's threads to itself."""

import atexit
import os
from functools import lru_cache


@lru_cache(maxsize=1)
def close_stderr_at_exit() -> None:
    """Drop standard error after every handler that is registered later has run."""
    atexit.register(_close_stderr)


def _close_stderr() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
