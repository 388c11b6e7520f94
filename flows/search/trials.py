"""Where trials happen: in cells of this process, unless an orchestrator sends them elsewhere."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from flows.settings.sections import RunnerConfig
from sandbox.limits import Limits
from sandbox.outcome import Trial
from sandbox.trial import Payload, Sandbox


class Machinery(Protocol):
    """The part of a configuration that says how policies are tried."""

    @property
    def limits(self) -> Limits: ...

    @property
    def cell(self) -> str: ...

    @property
    def slots(self) -> int: ...

    @property
    def runner(self) -> RunnerConfig: ...


class Trials(Protocol):
    """Tries policies, from several threads at once; a sandbox does."""

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Return how the policy did; raise a SandboxError when that could not be found out."""
        ...

    def prepare(self, scenarios: int) -> None:
        """Start cells ahead, where that is of use."""
        ...

    def info(self) -> dict[str, Any]:
        """Return what trials run on, for the record."""
        ...


OpenTrials = Callable[[Machinery], AbstractContextManager[Trials]]


@contextmanager
def in_this_process(config: Machinery) -> Iterator[Trials]:
    """Try policies in cells that this process starts."""
    with Sandbox(limits=config.limits, slots=config.slots, ready=True, cell=config.cell) as sandbox:
        yield sandbox
