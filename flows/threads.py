"""Several calls at the same time, with results in the order of the calls."""

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def side_by_side(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Return the calls' results in order; raise the first failure once all have ended.

    A single call runs in this thread. Threads are daemons: an interrupted caller does not wait.
    """
    if len(calls) == 1:
        return [calls[0]()]
    results: dict[int, T] = {}
    failures: dict[int, BaseException] = {}

    def run(position: int) -> None:
        try:
            results[position] = calls[position]()
        except BaseException as error:
            failures[position] = error

    contexts = [copy_context() for _ in calls]
    threads = [
        threading.Thread(target=context.run, args=(run, position), daemon=True)
        for position, context in enumerate(contexts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[min(failures)]
    return [results[position] for position in range(len(calls))]
