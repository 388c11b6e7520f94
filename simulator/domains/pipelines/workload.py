"""The immutable form of a workload: pipelines of operators, each a list of segments of work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

CpuScaling = str | Callable[[float, float], float]
SCALINGS = ("const", "log", "sqrt", "linear3", "linear7", "squared", "exp")
MAX_OPERATORS = 2_000_000
"""Operators in one workload; a trace or generator that makes more is refused."""


class Priority(IntEnum):
    """Priority classes with the reference's numbers; a lower number is more urgent."""

    QUERY = 1
    INTERACTIVE = 2
    BATCH_PIPELINE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Work done at a stretch: a scan of ``storage_read_gb`` at 20 GB/s, then CPU work.

    ``memory_gb`` is the fixed memory need; ``None`` means that memory grows with the scan up to
    ``storage_read_gb``. ``cpu_scaling`` is a name from ``SCALINGS`` or a function of the number of
    cpus and the baseline seconds.
    """

    baseline_cpu_seconds: float
    cpu_scaling: CpuScaling = "const"
    memory_gb: float | None = None
    storage_read_gb: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One node of a DAG; ``parents`` are positions of earlier operators of its pipeline."""

    id: str
    parents: tuple[int, ...] = ()
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A DAG of operators that arrives at ``arrival_tick``."""

    id: str
    priority: Priority
    arrival_tick: int
    operators: tuple[Operator, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Pipelines in order of delivery; ``arrival_tick`` never decreases along the tuple."""

    pipelines: tuple[Pipeline, ...]


def iteration_order(operators: Sequence[Operator]) -> list[int]:
    """Return positions in the order in which a DAG is iterated: breadth first from the roots.

    Roots come in order of insertion; a child follows as soon as its last parent was returned.
    """
    waiting = [len(operator.parents) for operator in operators]
    children: list[list[int]] = [[] for _ in operators]
    for position, operator in enumerate(operators):
        for parent in operator.parents:
            children[parent].append(position)
    order = [position for position, count in enumerate(waiting) if count == 0]
    for position in order:
        for child in children[position]:
            waiting[child] -= 1
            if waiting[child] == 0:
                order.append(child)
    return order
