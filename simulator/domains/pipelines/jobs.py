"""The work that has arrived: the state of every operator and the fate of every pipeline."""

from array import array
from collections.abc import Sequence

from simulator.domains.pipelines.messages import NewOperator, NewPipeline
from simulator.domains.pipelines.states import (
    ASSIGNED,
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    STATE_NAMES,
    SUSPENDING,
)
from simulator.domains.pipelines.workload import Operator, Pipeline

NOT_YET = -1


class Jobs:
    """Operators and pipelines in order of arrival; operators are numbered through.

    ``changes`` collects ``(operator, state)`` for the policy's side, except the step to ASSIGNED,
    which happens there first.
    """

    def __init__(self, pipelines: Sequence[Pipeline], max_job_ticks: int) -> None:
        self.pipelines = pipelines
        self.max_job_ticks = max_job_ticks
        self.changes: list[tuple[int, int]] = []
        self.work: list[Operator] = []
        """What each operator truly is."""
        self.states = bytearray()
        self.pipeline_of = array("i")
        self.first_operator = array("i")
        self.unfinished_operators = array("i")
        self.held_operators = array("i")
        """Per pipeline: operators that are in a container."""
        self.started_tick = array("q")
        self.successful_tick = array("q")
        self.finished_tick = array("q")
        self.queued = [0, 0, 0, 0]
        """By priority: unfinished pipelines that have no operator in a container."""
        self._unnoticed: list[int] = []
        self._described: dict[int, NewOperator] = {}

    @property
    def arrived(self) -> int:
        """Number of pipelines that have arrived."""
        return len(self.first_operator)

    def arrive(self, tick: int, estimates: Sequence[float | None]) -> NewPipeline:
        """Take in the next pipeline and return what the policy may know of it."""
        number = self.arrived
        pipeline = self.pipelines[number]
        size = len(pipeline.operators)
        self.first_operator.append(len(self.states))
        self.states.extend(bytes(size))
        self.work += pipeline.operators
        self.pipeline_of.extend([number] * size)
        self.unfinished_operators.append(size)
        self.held_operators.append(0)
        self.started_tick.append(NOT_YET)
        self.successful_tick.append(NOT_YET)
        self.finished_tick.append(NOT_YET)
        if size == 0:
            self.successful_tick[number] = tick
            self._unnoticed.append(number)
        else:
            self.queued[pipeline.priority] += 1
        known = self._described
        operators = [
            (known.get(id(operator)) if estimate is None else None)
            or self._describe(operator, estimate)
            for operator, estimate in zip(pipeline.operators, estimates, strict=True)
        ]
        return NewPipeline(
            id=pipeline.id,
            priority=int(pipeline.priority),
            arrival_tick=tick,
            operators=operators,
        )

    def name(self, operator: int) -> str:
        """Return the id of an operator as policies read it."""
        number = self.pipeline_of[operator]
        return f"{self.pipelines[number].id}/{self.work[operator].id}"

    def unfinished_parent(self, operator: int) -> str | None:
        """Return what keeps an operator from starting, None if all its parents are completed."""
        first = self.first_operator[self.pipeline_of[operator]]
        for parent in self.work[operator].parents:
            state = self.states[first + parent]
            if state != COMPLETED:
                return f"its parent {self.name(first + parent)} is {STATE_NAMES[state]}"
        return None

    def assign(self, operator: int) -> None:
        """PENDING or FAILED to ASSIGNED: the operator is put into a container."""
        self.states[operator] = ASSIGNED
        number = self.pipeline_of[operator]
        self.held_operators[number] += 1
        if self.held_operators[number] == 1:
            self.queued[self.pipelines[number].priority] -= 1

    def start(self, operator: int, tick: int) -> None:
        """ASSIGNED to RUNNING."""
        self.states[operator] = RUNNING
        self.changes.append((operator, RUNNING))
        number = self.pipeline_of[operator]
        if self.started_tick[number] == NOT_YET:
            self.started_tick[number] = tick

    def complete(self, operator: int, tick: int) -> None:
        """RUNNING to COMPLETED; the last operator makes its pipeline successful."""
        self._set(operator, COMPLETED)
        number = self.pipeline_of[operator]
        self.unfinished_operators[number] -= 1
        if self.unfinished_operators[number] == 0:
            self.successful_tick[number] = tick
            self._unnoticed.append(number)
        self._let_go(number)

    def fail(self, operator: int) -> None:
        """ASSIGNED or RUNNING to FAILED: the container was killed."""
        self._set(operator, FAILED)
        self._let_go(self.pipeline_of[operator])

    def suspend(self, operator: int) -> None:
        """ASSIGNED to SUSPENDING."""
        self._set(operator, SUSPENDING)

    def release(self, operator: int) -> None:
        """SUSPENDING to PENDING."""
        self._set(operator, PENDING)
        self._let_go(self.pipeline_of[operator])

    def notice_finished(self, tick: int) -> None:
        """Give every pipeline that became successful its finish; called on ticks with a result."""
        for number in self._unnoticed:
            self.finished_tick[number] = tick
        self._unnoticed.clear()

    def arrival(self, pipeline: int) -> int:
        """Return the tick at which a pipeline arrived."""
        return self.pipelines[pipeline].arrival_tick

    def deadline(self, pipeline: int) -> int:
        """Return the tick from which an unsuccessful pipeline counts as timed out."""
        return self.pipelines[pipeline].arrival_tick + self.max_job_ticks

    def successful(self, pipeline: int) -> bool:
        """Whether all operators of a pipeline are COMPLETED."""
        return self.unfinished_operators[pipeline] == 0

    def _set(self, operator: int, state: int) -> None:
        self.states[operator] = state
        self.changes.append((operator, state))

    def _let_go(self, number: int) -> None:
        self.held_operators[number] -= 1
        if self.held_operators[number] == 0 and self.unfinished_operators[number] > 0:
            self.queued[self.pipelines[number].priority] += 1

    def _describe(self, operator: Operator, estimate: float | None) -> NewOperator:
        """Return the message for an operator; without an estimate, remember it for its next use."""
        described = NewOperator(operator.id, list(operator.parents), estimate)
        if estimate is None:
            self._described[id(operator)] = described
        return described
