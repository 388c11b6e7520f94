"""Ends Prefect's background loop before the interpreter ends, so that nothing stays behind in it.

The loop runs in a thread that Prefect never joins. A thread that the interpreter's end finds
running is frozen with all that it refers to, a flow's context and by that our modules among it:
DuckDB then complains, in dozens of lines, that its types and functions leak.
"""

import atexit
from functools import lru_cache

from prefect._internal.concurrency.threads import wait_for_global_loop_exit

PATIENCE_SECONDS = 10.0


@lru_cache(maxsize=1)
def end_loop_at_exit() -> None:
    """Have the loop ended, and its thread joined, when this process ends."""
    atexit.register(wait_for_global_loop_exit, PATIENCE_SECONDS)
