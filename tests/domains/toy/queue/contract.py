"""What a policy of the queue sees and answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from simulator.contract import Contract, Dialogue, no_modules, refuse, shown


class Setup(msgspec.Struct, frozen=True):
    """What a policy may know before the first second."""

    duration: int


class Observation(msgspec.Struct, frozen=True):
    """What happened since the last call: nothing here tells how long a job will really take."""

    step: int
    quiet_until: int
    arrived: list[tuple[int, int]] = []
    """Number and estimated seconds of service."""
    finished: int | None = None
    """The number of the job that has just left the server."""


class Decision(msgspec.Struct, frozen=True):
    """Which waiting job the server takes now, if any."""

    step: int
    calls: int
    start: int | None = None

    @property
    def size(self) -> int:
        return int(self.start is not None)


@dataclass(frozen=True)
class Job:
    """A waiting job."""

    number: int
    arrived_at: int
    estimate: int


@dataclass
class Queue:
    """The first argument of both functions of a policy."""

    duration: int
    now: int = 0
    waiting: list[Job] = field(default_factory=list)
    running: Job | None = None


class Mirror:
    """Keeps a policy's queue up to date and turns its answers into decisions."""

    def __init__(self, setup: Setup, _key: str) -> None:
        self.state = Queue(setup.duration)
        self.step: int | None = None

    def decide(
        self, step: Callable[..., Any], seen: Observation, _answer: Callable[[Any], Any]
    ) -> Decision:
        queue = self.state
        queue.now = self.step = seen.step
        if seen.finished is not None:
            queue.running = None
        queue.waiting += [Job(number, seen.step, estimate) for number, estimate in seen.arrived]
        job = step(queue)
        if job is None:
            return Decision(step=seen.step, calls=1)
        if not isinstance(job, Job) or job not in queue.waiting or queue.running is not None:
            refuse(f"step returned {shown(job)}, expected a waiting job or None", seen.step)
        queue.waiting.remove(job)
        queue.running = job
        return Decision(step=seen.step, calls=1, start=job.number)


CONTRACT = Contract(
    dialogue=Dialogue(setup=Setup, observation=Observation, decision=Decision),
    init="register_queue_init",
    step="register_queue",
    names=lambda: {"Job": Job},
    modules=no_modules,
    mirror=Mirror,
)
