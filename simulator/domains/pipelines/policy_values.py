"""The small values that a policy sees of the work: priorities, operator states, estimates."""

from enum import Enum


class Priority(Enum):
    """Priority classes; a lower value is more urgent."""

    QUERY = 1
    INTERACTIVE = 2
    BATCH_PIPELINE = 3

    def __hash__(self) -> int:
        number: int = self._value_
        return number


class OperatorState(Enum):
    """The states of an operator. PENDING and FAILED ones can be assigned."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    RUNNING = "running"
    SUSPENDING = "suspending"
    COMPLETED = "completed"
    FAILED = "failed"

    def __hash__(self) -> int:
        return len(self._value_)


STATES = tuple(OperatorState)
"""All states, at the numbers that messages use."""

ASSIGNABLE_STATES = [OperatorState.PENDING, OperatorState.FAILED]


class Estimate:
    """What an estimator said about an operator: ``mem_peak_gb``, None without an estimator."""

    __slots__ = ("__dict__", "mem_peak_gb")

    def __init__(self, mem_peak_gb: float | None = None) -> None:
        self.mem_peak_gb = mem_peak_gb

    def to_dict(self) -> dict[str, float | None]:
        """Return the hints by name."""
        return {"mem_peak_gb": self.mem_peak_gb}

    def __repr__(self) -> str:
        return f"Estimate(mem_peak_gb={self.mem_peak_gb!r})"
