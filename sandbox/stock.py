"""Starts cells ahead and removes used ones in the background, so that no trial waits for either."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from sandbox.errors import SandboxError
from sandbox.provider import Handle

_log = logging.getLogger(__name__)


class Stock:
    """Hands out cells; keeps up to ``ahead`` waiting, of the size last handed out.

    A waiting cell with more workers than needed is used too.
    """

    def __init__(
        self,
        *,
        start: Callable[[int], Handle],
        destroy: Callable[[Handle], None],
        ahead: int,
        max_age_seconds: float,
    ) -> None:
        self._start = start
        self._destroy = destroy
        self._ahead = ahead
        self._max_age_seconds = max_age_seconds
        self._helpers = ThreadPoolExecutor(max(2, 2 * ahead), thread_name_prefix="assay-cells")
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, Future[Handle]]] = []
        self._clearing: set[Future[None]] = set()
        self._closed = False

    def prepare(self, workers: int) -> None:
        """Start cells for ``workers`` scenarios in the background until ``ahead`` of them wait."""
        with self._lock:
            unfit = [future for kind, future in self._waiting if kind != workers]
            self._waiting = [(kind, future) for kind, future in self._waiting if kind == workers]
            while len(self._waiting) < self._ahead and not self._closed:
                self._waiting.append((workers, self._helpers.submit(self._start, workers)))
        for future in unfit:
            self._throw_away(future)

    def last(self) -> None:
        """Start no more cells ahead; those that wait are still handed out."""
        with self._lock:
            self._ahead = 0

    def take(self, workers: int) -> tuple[Handle, bool]:
        """Return a cell for at least ``workers`` scenarios, and whether it was started ahead."""
        cell = self._take_waiting(workers)
        if cell is not None:
            self.prepare(cell.workers)
            return cell, True
        cell = self._start(workers)
        self.prepare(workers)
        return cell, False

    def give_back(self, cell: Handle) -> None:
        """Remove a used cell in the background, or now if the interpreter is shutting down."""
        try:
            future = self._helpers.submit(self._clear, cell)
        except RuntimeError:  # a closing interpreter accepts no work for threads
            self._clear(cell)
            return
        with self._lock:
            self._clearing = {one for one in self._clearing if not one.done()} | {future}

    def settle(self) -> None:
        """Wait until every used cell is gone and those ahead have started."""
        with self._lock:
            clearing = set(self._clearing)
            starting = [future for _, future in self._waiting]
        wait(clearing)
        wait(starting)

    def close(self) -> None:
        """Remove all cells and wait until they are gone."""
        with self._lock:
            self._closed = True
            left, self._waiting = self._waiting, []
        for _, future in left:
            self._throw_away(future)
        self.settle()
        self._helpers.shutdown(wait=True)

    def _take_waiting(self, workers: int) -> Handle | None:
        while True:
            with self._lock:
                fit = [entry for entry in self._waiting if entry[0] >= workers]
                if not fit:
                    return None
                chosen = min(fit, key=lambda entry: entry[0])
                self._waiting.remove(chosen)
            try:
                cell = chosen[1].result()
            except SandboxError as error:
                _log.info("a cell could not be started ahead: %s", error)
                return None
            if cell.age_seconds < self._max_age_seconds:
                return cell
            self.give_back(cell)

    def _throw_away(self, future: Future[Handle]) -> None:
        if future.cancel():
            return
        try:
            self.give_back(future.result())
        except SandboxError as error:
            _log.info("a cell could not be started ahead: %s", error)

    def _clear(self, cell: Handle) -> None:
        try:
            self._destroy(cell)
        except SandboxError as error:
            _log.warning("%s", error)
        except Exception:
            _log.exception("a used cell could not be removed")
            raise
