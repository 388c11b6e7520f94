"""What all clients of one server may use together: trials and seconds in cells.

They count for the server, not for a connection: a client that connects again gets nothing back.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from flows.errors import UserError
from sandbox.errors import SandboxError, TrialStopped
from sandbox.trial import Stop

MOST_SECONDS = 1200.0
"""Of one trial with its repeat, by the default limits of a cell: so much is set aside for it, or
its share of what is left, as trials may run side by side."""


class UsedUp(UserError):
    """The session's limits leave no room for another trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What was used of the limits by now."""

    trials: int
    most_trials: int
    cell_seconds: float
    most_cell_seconds: float

    def words(self) -> str:
        """Return it as a client reads it."""
        return (
            f"{self.trials} of {self.most_trials} trials and {self.cell_seconds:.1f} of "
            f"{self.most_cell_seconds:g} cell seconds of this session are used"
        )


class SessionLimits:
    """Counts trials and their seconds, from several threads; at most ``slots`` at the same time."""

    def __init__(self, trials: int, cell_seconds: float, slots: int) -> None:
        self._most_trials = trials
        self._most_seconds = cell_seconds
        self._slot_count = slots
        self._slots = threading.BoundedSemaphore(slots)
        self._lock = threading.Lock()
        self._trials = 0
        self._seconds = 0.0
        self._set_aside = 0.0
        self._running = 0

    @property
    def used(self) -> Used:
        """What is used now; a trial under way counts as a trial, its seconds come at its end."""
        with self._lock:
            return Used(
                trials=self._trials,
                most_trials=self._most_trials,
                cell_seconds=self._seconds,
                most_cell_seconds=self._most_seconds,
            )

    @contextmanager
    def trial(self, stop: Stop) -> Iterator[None]:
        """Count the trial that is made in the block, which waits for its turn; end it in time.

        A trial that was stopped has counted. One that failed through no fault of the policy has
        used its seconds, and gives the trial back.
        """
        stop.check()
        self._take_trial()
        try:
            self._wait_for_turn(stop)
        except BaseException:
            self._give_trial_back()
            raise
        try:
            with self._in_seconds(stop):
                yield
        except SandboxError:
            self._give_trial_back()
            raise
        finally:
            self._slots.release()

    def require_left(self) -> None:
        """Refuse what would need a trial where none is left."""
        with self._lock:
            self._require_trial()

    def _take_trial(self) -> None:
        with self._lock:
            self._require_trial()
            self._trials += 1

    def _require_trial(self) -> None:
        if self._trials >= self._most_trials:
            raise UsedUp(
                f"all {self._most_trials} trials of this session are used: no other policy is "
                "tried; whoever runs the server can start it again, with a higher --trials"
            )

    def _give_trial_back(self) -> None:
        with self._lock:
            self._trials -= 1

    def _wait_for_turn(self, stop: Stop) -> None:
        while not self._slots.acquire(timeout=0.1):
            stop.check()

    @contextmanager
    def _in_seconds(self, stop: Stop) -> Iterator[None]:
        with self._lock:
            left = self._most_seconds - self._seconds - self._set_aside
            share = min(MOST_SECONDS, left / (self._slot_count - self._running))
            if share > 0:
                self._set_aside += share
                self._running += 1
        if share <= 0:
            self._give_trial_back()
            raise UsedUp(
                f"the {self._most_seconds:g} cell seconds of this session are used: no other "
                "policy is tried; whoever runs the server can start it again, with a higher "
                "--cell-seconds"
            )
        timer = threading.Timer(share, stop.now)
        timer.daemon = True
        began = monotonic()
        timer.start()
        try:
            yield
        except TrialStopped:
            if monotonic() - began < share:
                raise
            raise UsedUp(
                f"the trial was ended after {share:.1f} s, all that this session had left in "
                "cells, and is not recorded; whoever runs the server can start it again, with a "
                "higher --cell-seconds"
            ) from None
        finally:
            timer.cancel()
            with self._lock:
                self._running -= 1
                self._set_aside -= share
                self._seconds += monotonic() - began
