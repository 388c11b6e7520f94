"""Workers that take turns: what one of them costs, PID 1's time for it included, is its own."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from simulator.cell.channel import Budget, Channel
from simulator.cell.sealed_policy import SealedPolicy
from simulator.errors import PolicyFailure

CANDIDATE, SIMULATOR = 0, 1
"""The places of the workers of a scenario."""


class TimeIsUp(Exception):
    """An alarm rang; it carries the failure of the worker that the time was spent for.

    No ``PolicyFailure`` itself, since it may ring while the other worker is asked.
    """

    def __init__(self, failure: PolicyFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Turns:
    """Keeps the accounts of the workers of one scenario; ``twins`` are all the candidate's."""

    def __init__(
        self, channels: Sequence[Channel], budgets: Sequence[Budget], *, twins: bool = False
    ) -> None:
        self._channels = channels
        self._budgets = budgets
        self._own = len(channels) if twins else 1
        """How many of the workers, from the first one on, are the candidate's."""
        self._cpu = [0.0] * len(channels)
        self._in_charge = CANDIDATE
        self._since = time.process_time()

    def port(self, inner: SealedPolicy, place: int) -> "Port":
        """Return the port of a worker, whose calls are charged to it."""
        return Port(inner, self, place)

    def charge(self, place: int) -> None:
        """Charge PID 1's time so far to the worker in charge, and let another one be in charge."""
        now = time.process_time()
        self._cpu[self._in_charge] += now - self._since
        self._since, self._in_charge = now, place

    def excuse_others(self, place: int, seconds: float) -> None:
        """Leave the wall time of a call out of the accounts of all other workers."""
        for number, (channel, budget) in enumerate(zip(self._channels, self._budgets, strict=True)):
            if number != place:
                channel.excuse(seconds)
                budget.excuse(seconds)

    def settle(self) -> tuple[float, float]:
        """Add what each worker cost to its budget.

        Return the CPU seconds of the candidate's processes, and all others.
        """
        self.charge(CANDIDATE)
        for channel, budget, cpu in zip(self._channels, self._budgets, self._cpu, strict=True):
            budget.cpu_seconds += channel.cpu_seconds + cpu
        used = [each.cpu_seconds for each in self._channels]
        return sum(used[: self._own]), sum(self._cpu) + sum(used[self._own :])

    def out_of_time(self, reached: Callable[[Budget], PolicyFailure]) -> Exception:
        """Return the failure of a limit: that of the worker that PID 1 worked most for."""
        if len(self._channels) == 1:
            return reached(self._budgets[CANDIDATE])
        self.charge(self._in_charge)
        if self._own > SIMULATOR or self._cpu[SIMULATOR] <= self._cpu[CANDIDATE]:
            return TimeIsUp(reached(self._budgets[CANDIDATE]))
        from simulator.sealed.log import simulator_failed  # few cells need it

        return TimeIsUp(simulator_failed(reached(self._budgets[SIMULATOR]).failure))


class Port:
    """Stands for a worker towards the broker."""

    def __init__(self, inner: SealedPolicy, turns: Turns, place: int) -> None:
        self._inner = inner
        self._turns = turns
        self._place = place
        self.allow = inner.allow

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that the worker has used, as of its last answer."""
        return self._inner.cpu_seconds

    def start(self, setup: Any) -> None:
        """Have the worker prepare for the simulation."""
        self._timed(self._inner.start, setup)

    def decide(self, observation: Any, answer: Callable[[Any], Any]) -> Any:
        """Return the worker's answer."""
        return self._timed(self._inner.decide, observation, answer)

    def _timed(self, call: Callable[..., Any], *arguments: Any) -> Any:
        self._turns.charge(self._place)
        began = time.monotonic()
        try:
            return call(*arguments)
        finally:
            self._turns.excuse_others(self._place, time.monotonic() - began)
