"""Runs a trusted policy in the engine's own process, with no wall around it."""

from simulator.driver import PolicyDriver, ReadMemory
from simulator.errors import PolicyFailure
from simulator.messages import Decision, Observation, Setup


class LocalPolicy:
    """A policy for baselines, tests and benchmarks. Never run untrusted source with it."""

    def __init__(self, source: str, filename: str = "policy.py") -> None:
        self._driver = PolicyDriver(source, filename)

    def start(self, setup: Setup) -> None:
        """Load the policy and call its init function."""
        try:
            self._driver.load()
            self._driver.start(setup)
        except PolicyFailure as failure:
            _let_interrupts_through(failure)
            raise

    def decide(self, observation: Observation, read_memory: ReadMemory) -> Decision:
        """Ask the policy for its next decision."""
        try:
            return self._driver.decide(observation, read_memory)
        except PolicyFailure as failure:
            _let_interrupts_through(failure)
            raise


def _let_interrupts_through(failure: PolicyFailure) -> None:
    """An interrupt in this process is the user's, not the policy's."""
    if isinstance(failure.__cause__, KeyboardInterrupt):
        raise failure.__cause__
