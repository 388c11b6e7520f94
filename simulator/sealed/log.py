"""What a simulator says, event by event, and how a broken law is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from simulator.errors import Failure, PolicyFailure
from simulator.sealed.shapes import MOST_NUMBER, SealedSpec

Event = tuple[str, int, tuple[int, ...]]
"""Kind, time in us, and fields in the order of the contract."""
MOST_IN_CHUNK = 1000
"""Events in one message of a simulator; with ``more`` the next ones follow."""
TAIL = 20
"""Events that a counterexample shows before the one that breaks a law."""

_Number = Annotated[int, msgspec.Meta(ge=-MOST_NUMBER, le=MOST_NUMBER)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=MOST_NUMBER)]
_Kind = Annotated[int, msgspec.Meta(ge=0, le=999)]


class Said(msgspec.Struct, frozen=True, array_like=True):
    """One message of a simulator: events by the number of their kind, and what comes after them."""

    step: int
    calls: int
    then: Literal["asks", "more", "done"]
    events: Annotated[
        list[tuple[_Kind, _Time, Annotated[tuple[_Number, ...], msgspec.Meta(max_length=20)]]],
        msgspec.Meta(max_length=MOST_IN_CHUNK),
    ]

    @property
    def size(self) -> int:
        return len(self.events)


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """The broker's answer to a simulator: decisions by the number of their kind."""

    step: int
    quiet_until: int
    decisions: list[tuple[int, tuple[int, ...]]] = []


class Broken(Exception):
    """A law, or the contract, that an event or the end of a run breaks."""

    def __init__(self, law: str, time: int, event: Event | None, expected: str, found: str) -> None:
        super().__init__(f"{law}: {found}, expected {expected}")
        self.law = law
        self.time = time
        self.event = event
        self.expected = expected
        self.found = found


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """Where a simulator went wrong: the law, and the events up to the one that breaks it."""

    law: str
    expected: str
    found: str
    time: int | None = None
    event: str | None = None
    """None where the end of a run or a decision shows it."""
    before: tuple[str, ...] = ()


class SimulatorFailure(PolicyFailure):
    """Carries the failure of an untrusted simulator; no policy is ever charged for it."""

    def __init__(self, failure: Failure, counterexample: Counterexample) -> None:
        super().__init__(failure)
        self.counterexample = counterexample


KIND = "simulator_failed"
"""The outcome of a run whose simulator failed."""


def simulator_broke(broken: Broken, spec: SealedSpec, log: Sequence[Event]) -> SimulatorFailure:
    """Return the failure of a simulator that broke a law after these events."""
    event = None if broken.event is None else event_text(broken.event, spec)
    at = "" if event is None else f" in {event}"
    message = f"{broken.law}: at {broken.time} us{at}: {broken.found}, expected {broken.expected}"
    return SimulatorFailure(
        Failure(kind=KIND, message=message, step=broken.time),
        Counterexample(
            law=broken.law,
            expected=broken.expected,
            found=broken.found,
            time=broken.time,
            event=event,
            before=tuple(event_text(each, spec) for each in log[-TAIL:]),
        ),
    )


def simulator_failed(failure: Failure) -> SimulatorFailure:
    """Return the failure of a simulator that crashed, stalled, or said what is no message."""
    line = "" if failure.line is None else f" in line {failure.line}"
    said = failure.message.replace("the policy", "the simulator")  # sealed workers run both
    return SimulatorFailure(
        Failure(
            kind=KIND,
            message=f"the simulator failed{line} ({failure.kind}): {said}",
            step=failure.step,
        ),
        Counterexample(
            law="the simulator runs",
            expected="a log of the contract",
            found=f"{failure.kind}{line}: {said}",
            time=failure.step,
        ),
    )


def event_text(event: Event, spec: SealedSpec) -> str:
    """Return an event as a simulator logs it: ``arrived(120, job=3)``."""
    kind, time, args = event
    names = list(spec.events[kind].fields) if kind in spec.events else []
    parts = [str(time), *(f"{name}={arg}" for name, arg in zip(names, args, strict=False))]
    return f"{kind}({', '.join(parts)})"
