"""A policy in a sealed worker, as the engine sees it; no word of what comes back is trusted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from simulator.cell.channel import Answer, Channel
from simulator.cell.cleantext import lines_of
from simulator.cell.frames import CellLimits
from simulator.cell.wire import Kind
from simulator.contract import Dialogue
from simulator.errors import Failure, PolicyFailure
from simulator.messages import MessageError, decode, encode

T = TypeVar("T")

_DECIDE, _DECISION = Kind.DECIDE, Kind.DECISION
"""By names of their own: a class of names is slow to look into, and these are asked for always."""

ADMITTED = ("load_error", "policy_error", "invalid_decision", "memory_limit")
"""The failures that a worker may report of itself; every other kind is found by PID 1."""


class SealedPolicy:
    """Stands where an in-process policy stands; see ``simulator.contract.Policy``."""

    def __init__(
        self, dialogue: Dialogue, source: str, channel: Channel, limits: CellLimits
    ) -> None:
        self._decision_type = dialogue.decision
        self._reply_type = dialogue.reply
        self._source = source
        self._channel = channel
        self._limits = limits
        self._step: int | None = None
        self._quiet_until = 0
        self.calls = 0
        """How many times the policy says it was called; for information only."""
        self.loaded = False
        """Whether the policy got as far as being told about the scenario."""

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds that its process has used, as of its last answer."""
        return self._channel.cpu_seconds

    def allow(self, cpu_seconds: float) -> None:
        """Let its process use so many CPU seconds from here on; a call that exceeds it fails."""
        self._channel.allow(cpu_seconds)

    def start(self, setup: Any) -> None:
        """Load the policy in the worker and tell it about its surroundings."""
        self._expect_ready(self._exchange(self._channel.ask, Kind.LOAD, self._source.encode()))
        self.loaded = True
        self._expect_ready(self._exchange(self._channel.ask, Kind.START, encode(setup)))

    def decide(self, observation: Any, answer: Callable[[int], Any]) -> Any:
        """Return the policy's decision on ``observation``, well-formed but not yet judged."""
        first, last = observation.step, observation.quiet_until
        self._step, self._quiet_until = first, last
        came = self._exchange(self._channel.ask, _DECIDE, encode(observation))
        if came.kind == _DECISION:
            return self._checked(came, first, last)
        if came.kind == Kind.QUERY and self._reply_type is not None:
            reply = answer(self._queried_step(came, first, last))
            came = self._exchange(self._channel.tell, Kind.REPLY, encode(reply))
        if came.kind != Kind.DECISION:
            raise self._unexpected(came)
        return self._checked(came, first, last)

    def _exchange(self, talk: Callable[[Kind, bytes], Answer], kind: Kind, data: bytes) -> Answer:
        try:
            return talk(kind, data)
        except PolicyFailure as error:
            raise PolicyFailure(replace(error.failure, step=self._step)) from None

    def _queried_step(self, answer: Answer, first: int, last: int) -> int:
        step = self._decoded(answer.payload, int)
        if not first <= step <= last:
            raise self._failed("protocol_error", f"a query for step {step}, which is not open")
        return step

    def _checked(self, came: Answer, first: int, last: int) -> Any:
        """Return the decision in an answer."""
        decision = self._decoded(came.payload, self._decision_type)
        if not first <= decision.step <= last:
            told = f"a decision for step {decision.step}, outside {first} to {last}"
            raise self._failed("protocol_error", told)
        calls = decision.calls
        if not 0 <= calls <= last - first + 1:
            told = f"{calls} calls reported for {last - first + 1} steps"
            raise self._failed("protocol_error", told)
        size = decision.size
        if size > self._limits.decisions_per_call:
            told = f"one call made {size} decisions; {self._limits.decisions_per_call} are allowed"
            raise self._failed("invalid_decision", told)
        self.calls += calls
        return decision

    def _expect_ready(self, answer: Answer) -> None:
        if answer.kind != Kind.READY or answer.payload:
            raise self._unexpected(answer)

    def _unexpected(self, answer: Answer) -> PolicyFailure:
        if answer.kind != Kind.FAILURE:
            return self._failed("protocol_error", f"an answer of the wrong kind ({answer.kind})")
        failure = self._decoded(answer.payload, Failure)
        if failure.kind not in ADMITTED:
            return self._failed("protocol_error", "the worker reported an impossible failure")
        self._step = self._step_of(failure)
        return self._failed(failure.kind, failure.message, line=self._line(failure))

    def _step_of(self, failure: Failure) -> int | None:
        """Return the step of the call that failed, if it lies in the stretch that was open."""
        first, told = self._step, failure.step
        if first is None or told is None:
            return first
        return told if first <= told <= self._quiet_until else first

    def _line(self, failure: Failure) -> int | None:
        lines = len(lines_of(self._source))
        return failure.line if failure.line and 1 <= failure.line <= lines else None

    def _decoded(self, payload: bytes, kind: type[T]) -> T:
        try:
            return decode(payload, kind)
        except MessageError as error:
            raise self._failed("protocol_error", str(error)) from None

    def _failed(self, kind: str, message: str, line: int | None = None) -> PolicyFailure:
        return PolicyFailure(Failure(kind=kind, message=message, step=self._step, line=line))
