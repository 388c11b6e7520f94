"""A simulator as a check asks it: within CPU seconds, and never again once it is gone."""

import time
from collections.abc import Callable
from typing import Any

from simulator.contract import Policy
from simulator.errors import Failure, PolicyFailure

OWN_FAILURES = ("policy_error", "invalid_decision")
"""How a simulator can fail and still be asked again."""


class Unloadable(Exception):
    """The simulator cannot even be loaded, so no check says anything of it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class OutOfTime(Exception):
    """A check, or one run of it, has used its CPU seconds."""


class Metered:
    """A simulator's port that ends a check which takes too long, and remembers how it failed."""

    def __init__(self, port: Policy, cpu_seconds: float, run_cpu_seconds: float) -> None:
        self._port = port
        self._run_limit = run_cpu_seconds
        self._allow = getattr(port, "allow", None)
        """Ends a call in the midst of it, where the port is that of a process."""
        self.dead = False
        self.begin(cpu_seconds)

    def begin(self, cpu_seconds: float) -> None:
        self._limit, self._began = cpu_seconds, self._used()

    def start(self, setup: Any) -> None:
        self._own_began = self._own()
        if self._allow is not None:
            self._allow(min(self._run_limit, self._limit - self._used() + self._began))
        self._within(lambda: self._port.start(setup))

    def decide(self, observation: Any, answer: Callable[[Any], Any]) -> Any:
        return self._within(lambda: self._port.decide(observation, answer))

    def _within(self, call: Callable[[], Any]) -> Any:
        try:
            answer = call()
        except PolicyFailure as error:
            if error.failure.kind == "load_error":
                raise Unloadable(error.failure) from None
            self.dead = error.failure.kind not in OWN_FAILURES
            self._end_in_time()
            raise
        self._end_in_time()
        return answer

    def _end_in_time(self) -> None:
        if self._used() - self._began > self._limit:
            raise OutOfTime(f"it took more than {self._limit:g} CPU seconds")
        if self._own() - self._own_began > self._run_limit:
            raise OutOfTime(f"a run took more than {self._run_limit:g} CPU seconds")

    def _own(self) -> float:
        """Return the CPU seconds of the simulator's own process, 0 where it has none."""
        own: float = getattr(self._port, "cpu_seconds", 0.0)
        return own

    def _used(self) -> float:
        """Return the CPU seconds of this process and of the simulator's own."""
        return time.process_time() + self._own()
