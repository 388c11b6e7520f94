"""A simulator as a check asks it: within CPU seconds, and never again once it is gone."""

import time
from collections.abc import Callable, Sequence
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


class Meter:
    """The CPU seconds of a check: of this process and of the simulator's own."""

    def __init__(self, ports: Sequence[Policy], cpu_seconds: float) -> None:
        self._ports = list({id(each): each for each in ports}.values())
        self.begin(cpu_seconds)

    def begin(self, cpu_seconds: float) -> None:
        """Give what follows so many CPU seconds."""
        self.limit, self._began = cpu_seconds, self._used()

    @property
    def left(self) -> float:
        return self.limit - self._used() + self._began

    def _used(self) -> float:
        return time.process_time() + sum(map(_own_cpu_seconds, self._ports))


class Metered:
    """A simulator's port that ends a check which takes too long, and remembers how it failed."""

    def __init__(self, port: Policy, meter: Meter, run_cpu_seconds: float) -> None:
        self._port, self._meter, self._run_limit = port, meter, run_cpu_seconds
        self._allow = getattr(port, "allow", None)
        """Ends a call in the midst of it, where the port is that of a process."""
        self.dead = False

    def start(self, setup: Any) -> None:
        self._began = _own_cpu_seconds(self._port)
        if self._allow is not None:
            self._allow(min(self._run_limit, self._meter.left))
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
        if self._meter.left < 0.0:
            raise OutOfTime(f"it took more than {self._meter.limit:g} CPU seconds")
        if _own_cpu_seconds(self._port) - self._began > self._run_limit:
            raise OutOfTime(f"a run took more than {self._run_limit:g} CPU seconds")


def _own_cpu_seconds(port: Policy) -> float:
    """Return the CPU seconds of a port's process, 0 where it has none."""
    own: float = getattr(port, "cpu_seconds", 0.0)
    return own
