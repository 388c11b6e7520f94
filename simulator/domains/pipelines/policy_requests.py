"""What a policy can ask for, assignments and suspensions, and the results it gets."""

from typing import Any

from simulator.domains.pipelines.policy_values import Priority
from simulator.domains.pipelines.policy_work import Operator
from simulator.domains.pipelines.states import ASSIGNED, FAILED, PENDING, STATE_NAMES

Number = int | float


class Assignment:
    """A request to run ``ops``, in order, in a new container of ``cpu`` cpus and ``ram`` GB.

    The operators become ASSIGNED at once, also if the assignment is never returned.
    """

    def __init__(
        self,
        ops: list[Operator],
        cpu: Number,
        ram: Number,
        priority: Priority,
        pool_id: int,
        pipeline_id: str,
        container_id: str | None = None,
        is_resume: bool = False,
        force_run: bool = False,
    ) -> None:
        assert len(ops) > 0, "assignments cannot have zero operators"
        assert cpu > 0, f"must assign positive CPU allocation, got {cpu}"
        assert ram > 0, f"must assign positive RAM allocation, got {ram}"
        for operator in ops:
            _assign(operator)
        self.ops = ops
        self.cpu = cpu
        self.ram = ram
        self.priority = priority
        self.pool_id = pool_id
        self.pipeline_id = pipeline_id
        self.container_id = container_id
        self.is_resume = is_resume
        self.force_run = force_run

    def __repr__(self) -> str:
        return (
            f"Assignment({self.ops}, cpu={self.cpu}, ram={self.ram}, pool_id={self.pool_id}, "
            f"pipeline_id={self.pipeline_id!r})"
        )


def _assign(operator: Operator) -> None:
    state = operator._state_number
    assert state in (PENDING, FAILED), (
        f"Cannot transition operator {operator.id} in pipeline {operator.pipeline.pipeline_id} "
        f"from {STATE_NAMES[state]} to {STATE_NAMES[ASSIGNED]}"
    )
    operator.pipeline.runtime_status()._move(operator, ASSIGNED)


class Suspend:
    """A request to suspend a container, allowed on the tick after an operator boundary in it."""

    def __init__(self, container_id: str, pool_id: int) -> None:
        self.container_id = container_id
        self.pool_id = pool_id

    def __repr__(self) -> str:
        return f"Suspend({self.container_id!r}, {self.pool_id})"


class ExecutionResult:
    """How a container ended: ``error`` is None, "OOM" or "timeout"."""

    def __init__(
        self,
        ops: list[Operator],
        cpu: Number,
        ram: Number,
        priority: Priority,
        pool_id: int,
        container_id: str | None = None,
        error: str | None = None,
    ) -> None:
        self.ops = ops
        self.cpu = cpu
        self.ram = ram
        self.priority = priority
        self.pool_id = pool_id
        self.container_id = container_id
        self.error = error

    def failed(self) -> bool:
        """Whether the container was killed."""
        return self.error is not None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "ops": [str(operator.id) for operator in self.ops],
            "cpu": self.cpu,
            "ram": self.ram,
            "priority": self.priority.name,
            "pool_id": self.pool_id,
            "container_id": self.container_id,
            "error": self.error,
        }

    def __repr__(self) -> str:
        how = "succeeded" if self.error is None else f"failed with {self.error}"
        return f"ExecutionResult({self.container_id} {how}, cpu={self.cpu}, ram={self.ram})"
