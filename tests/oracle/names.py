"""What a policy sees in the oracle: the names it may use without import and their objects."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Dict, List, Optional, Tuple  # noqa: UP035  policies use these names


class Priority(Enum):
    """Priority of a pipeline."""

    QUERY = 1
    INTERACTIVE = 2
    BATCH_PIPELINE = 3


class OperatorState(IntEnum):
    """Where an operator is in its life; the numbers mean nothing."""

    PENDING = 0
    ASSIGNED = 1
    RUNNING = 2
    SUSPENDING = 3
    COMPLETED = 4
    FAILED = 5


ASSIGNABLE_STATES = (OperatorState.PENDING, OperatorState.FAILED)
S = OperatorState
ALLOWED = {
    S.PENDING: (S.ASSIGNED,),
    S.ASSIGNED: (S.RUNNING, S.SUSPENDING, S.FAILED),
    S.RUNNING: (S.COMPLETED, S.FAILED),
    S.SUSPENDING: (S.PENDING,),
    S.FAILED: (S.ASSIGNED,),
    S.COMPLETED: (),
}


@dataclass(eq=False)
class Estimate:
    """What an estimator says about an operator."""

    mem_peak_gb: float | None = None


class Operator:
    """One node of a pipeline. ``work`` is the simulator's own and no policy of ours reads it."""

    def __init__(
        self, name: str, number: int, pipeline: "Pipeline", parents: list["Operator"], work: Any
    ) -> None:
        self.id = name
        self.number = number
        self.pipeline = pipeline
        self.parents = parents
        self.children: list[Operator] = []
        self.work = work
        self.current = OperatorState.PENDING
        self.estimate = Estimate()
        for parent in parents:
            parent.children.append(self)

    def state(self) -> OperatorState:
        """Return the present state."""
        return self.current

    def move(self, state: OperatorState) -> None:
        """Go to another state or raise AssertionError."""
        assert state in ALLOWED[self.current], f"cannot go from {self.current} to {state}"
        if state is OperatorState.RUNNING:
            assert self.parents_done(), "Dependencies not satisfied"
        self.current = state

    def parents_done(self) -> bool:
        """Tell whether every parent is completed."""
        return all(parent.current is OperatorState.COMPLETED for parent in self.parents)

    def __hash__(self) -> int:
        return self.number


class Pipeline:
    """A DAG of operators, iterated breadth first, and where it is in its life."""

    def __init__(self, pipeline_id: str, priority: Priority, now: Callable[[], int]) -> None:
        self.pipeline_id = pipeline_id
        self.priority = priority
        self.values: list[Operator] = []
        self.arrival_tick = -1
        self.max_job_ticks = 0
        self.now = now

    def runtime_status(self) -> "Pipeline":
        """Return the object with the methods below."""
        return self

    @property
    def state_counts(self) -> dict[OperatorState, int]:
        """How many operators are in each state."""
        return {state: len(self.get_ops(state)) for state in OperatorState}

    @property
    def operator_states(self) -> dict[Operator, OperatorState]:
        """The state of every operator."""
        return {op: op.current for op in self.values}

    def get_ops(self, states: Any, require_parents_complete: bool = False) -> list[Operator]:
        """Return the operators in one of the states."""
        wanted = [states] if isinstance(states, OperatorState) else list(states)
        return [
            op
            for op in self.values
            if op.current in wanted and (op.parents_done() or not require_parents_complete)
        ]

    def is_pipeline_successful(self) -> bool:
        """Tell whether every operator is completed."""
        return all(op.current is OperatorState.COMPLETED for op in self.values)

    def has_timed_out(self) -> bool:
        """Tell whether the pipeline took as long as it may without ending."""
        if self.max_job_ticks <= 0 or self.is_pipeline_successful():
            return False
        return self.now() - self.arrival_tick >= self.max_job_ticks


class Assignment:
    """A request to start a container; its operators are ASSIGNED as soon as it is built."""

    def __init__(
        self,
        ops: Iterable[Operator],
        cpu: float,
        ram: float,
        priority: Priority,
        pool_id: int,
        pipeline_id: str,
        container_id: str | None = None,
        is_resume: bool = False,
        force_run: bool = False,
    ) -> None:
        self.ops = list(ops)
        self.cpu, self.ram, self.priority = cpu, ram, priority
        self.pool_id, self.pipeline_id = pool_id, pipeline_id
        assert len(self.ops) > 0, "assignments cannot have zero operators"
        assert cpu > 0, f"must assign positive CPU allocation, got {cpu}"
        assert ram > 0, f"must assign positive RAM allocation, got {ram}"
        for op in self.ops:
            op.move(OperatorState.ASSIGNED)


@dataclass(eq=False)
class Suspend:
    """A request to suspend a container."""

    container_id: str
    pool_id: int


@dataclass(eq=False)
class ExecutionResult:
    """How a container ended."""

    ops: list[Operator]
    cpu: float
    ram: float
    priority: Priority
    pool_id: int
    container_id: str
    error: str | None

    def failed(self) -> bool:
        """Tell whether the container ended with an error."""
        return self.error is not None


class Registry:
    """Collects the two functions that a policy registers."""

    def __init__(self) -> None:
        self.init: Callable[..., Any] = lambda s: None
        self.step: Callable[..., Any] = lambda s, results, pipelines: ([], [])

    def load(self, source: str) -> None:
        """Run a policy's source with the names it may use."""
        names: dict[str, Any] = {
            "register_scheduler_init": lambda key: lambda function: self._keep("init", function),
            "register_scheduler": lambda key: lambda function: self._keep("step", function),
            "Assignment": Assignment,
            "Suspend": Suspend,
            "ExecutionResult": ExecutionResult,
            "Pipeline": Pipeline,
            "Operator": Operator,
            "OperatorState": OperatorState,
            "ASSIGNABLE_STATES": ASSIGNABLE_STATES,
            "Priority": Priority,
            "List": List,  # noqa: UP006
            "Tuple": Tuple,  # noqa: UP006
            "Dict": Dict,  # noqa: UP006
            "Optional": Optional,
            "__name__": "policy",
        }
        exec(compile(source, "policy.py", "exec"), names)

    def _keep(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(self, name, function)
        return function
