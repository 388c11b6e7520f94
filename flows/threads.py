"""Work side by side, with results in the order of the items."""

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Return ``function`` of each item, in order; raise the first failure once all have ended.

    A single item is worked on in this thread. Threads are daemons: an interrupted caller does not
    wait for them.
    """
    if len(items) == 1:
        return [function(items[0])]
    results: dict[int, Result] = {}
    failures: dict[int, BaseException] = {}

    def work(position: int) -> None:
        try:
            results[position] = function(items[position])
        except BaseException as error:
            failures[position] = error

    contexts = [copy_context() for _ in items]
    threads = [
        threading.Thread(target=context.run, args=(work, position), daemon=True)
        for position, context in enumerate(contexts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[min(failures)]
    return [results[position] for position in range(len(items))]
