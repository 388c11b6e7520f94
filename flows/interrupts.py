"""Interrupts of the main thread, put off while a library holds locks.

An exception that a signal raises in the moment in which a library has taken a lock leaves it locked
for ever: the library's threads then wait for it, and the process waits for them at its end.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class _Interrupts:
    """Whether interrupts are put off, and whether one has come; of the main thread alone."""

    put_off = False
    came = False


def interrupt() -> None:
    """Raise KeyboardInterrupt, now or once it is no longer put off; for handlers of signals."""
    _Interrupts.came = True
    if not _Interrupts.put_off:
        _raise_if_one_came()


@contextmanager
def interrupts_put_off() -> Iterator[None]:
    """Put interrupts off until the block is left, in the main thread."""
    if not _in_main_thread():
        yield
        return
    before, _Interrupts.put_off = _Interrupts.put_off, True
    try:
        yield
    finally:
        _Interrupts.put_off = before
        if not before:
            _raise_if_one_came()


def with_interrupts(call: Callable[[], T]) -> T:
    """Return the result of a call of ours, which may be interrupted, also where that is put off."""
    if not _in_main_thread():
        return call()
    before, _Interrupts.put_off = _Interrupts.put_off, False
    try:
        _raise_if_one_came()
        return call()
    finally:
        _Interrupts.put_off = before


def _raise_if_one_came() -> None:
    if _Interrupts.came:
        _Interrupts.came = False
        raise KeyboardInterrupt


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
