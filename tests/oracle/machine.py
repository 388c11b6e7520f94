"""The oracle's machine: containers that are stepped on every tick, and pools that hold them."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from simulator.domains.pipelines.workload import Segment
from tests.oracle.names import Assignment, ExecutionResult, Operator, OperatorState, Suspend

GB_PER_SECOND = 20
Steps = list[tuple[Operator, list[tuple[Segment, int, int]]]]


class InvalidDecisionError(Exception):
    """A decision that the rules do not allow."""


def compensated_sum(values: Iterable[float]) -> float:
    """Return the sum as the builtin of CPython 3.12 rounds it.

    It adds up to the first float plainly and carries the rounding errors of floats after that.
    """
    total: float = 0
    correction = 0.0
    for value in values:
        new = total + value
        if isinstance(value, float) and isinstance(total, float):
            if abs(total) >= abs(value):
                correction += (total - new) + value
            else:
                correction += (value - new) + total
        total = new
    return total + correction if correction and math.isfinite(correction) else total


def cpu_seconds(segment: Segment, cpus: float) -> float:
    """Return how long the CPU work of a segment takes."""
    work, law = segment.baseline_cpu_seconds, segment.cpu_scaling
    if not isinstance(law, str):
        return law(cpus, work)
    laws: dict[str, Callable[[], float]] = {
        "const": lambda: 1,
        "linear3": lambda: cpus if cpus < 3 else 3,
        "linear7": lambda: cpus if cpus < 7 else 7,
        "log": lambda: float(np.log(cpus) + 1),
        "sqrt": lambda: float(np.sqrt(cpus)),
        "squared": lambda: float(np.power(cpus, 2)),
        "exp": lambda: float(np.power(2, cpus)) if cpus < 4 else 16,
    }
    return work / laws[law]()


class Container:
    """Runs its operators one after the other; ``memory`` is what it holds at the end of a tick."""

    def __init__(self, name: str, assignment: Assignment, tick_seconds: float) -> None:
        self.container_id = name
        self.assignment = assignment
        self.operators = assignment.ops
        self.cpu, self.ram = assignment.cpu, assignment.ram
        self.priority, self.pool_id = assignment.priority, assignment.pool_id
        self.tick_seconds = tick_seconds
        self.memory = 0.0
        self.ticks_run = 0
        self.current = 0
        self.suspendable = False
        self.completed = False
        self.error: str | None = None
        self.ticks_to_suspend = 0
        self._steps = self._run()

    def can_suspend_container(self) -> bool:
        """Tell whether the container stands between two operators."""
        return self.suspendable

    def get_current_memory_usage(self) -> float:
        """Return the memory held at the end of the last tick."""
        return self.memory

    def is_completed(self) -> bool:
        """Tell whether the container ended."""
        return self.completed

    def ticks_elapsed(self) -> int:
        """Return the number of ticks that it has run."""
        return self.ticks_run

    def step(self) -> Iterator[float]:
        """Run one tick and yield each new value of the memory."""
        self.ticks_run += 1
        self.suspendable = False
        yield from next(self._steps)

    def _run(self) -> Iterator[list[float]]:
        """Yield, once per tick, the values that the memory takes in that tick."""
        for place, operator in enumerate(self.operators):
            self.current = place
            operator.move(OperatorState.RUNNING)
            needs = list(self._memory(operator))
            for number, need in enumerate(needs):
                while need > self.ram:
                    yield [need]
                if number < len(needs) - 1:
                    yield [need]
            operator.move(OperatorState.COMPLETED)
            self.completed = place == len(self.operators) - 1
            self.suspendable = not self.completed
            yield [0.0] if self.completed else [needs[-1]]

    def _memory(self, operator: Operator) -> Iterator[float]:
        """Yield the memory of every tick of an operator, of one tick if its work takes none."""
        count, peak = 0, 0.0
        for segment in operator.work.segments:
            fixed = segment.memory_gb
            io_ticks = int(segment.storage_read_gb / GB_PER_SECOND / self.tick_seconds)
            cpu_ticks = int(cpu_seconds(segment, self.cpu) / self.tick_seconds)
            for tick in range(io_ticks):
                yield ((tick + 1) * self.tick_seconds) * GB_PER_SECOND if fixed is None else fixed
            for _ in range(cpu_ticks):
                yield segment.storage_read_gb if fixed is None else fixed
            count += io_ticks + max(cpu_ticks, 0)
            peak = max(peak, segment.storage_read_gb if fixed is None else fixed)
        if count == 0:
            yield peak


class Pool:
    """A pool of cpus and memory with its containers."""

    def __init__(self, pool_id: int, params: Any, clock: Any) -> None:
        self.pool_id = pool_id
        self.max_cpu_pool = self.avail_cpu_pool = params.cpus_per_pool
        self.max_ram_pool = self.avail_ram_pool = params.ram_gb_per_pool
        self.consumed_ram_gb = 0.0
        self.active_containers: list[Container] = []
        self.suspending_containers: list[Container] = []
        self.suspended_containers: list[Container] = []
        self.ended_ticks: list[int] = []
        self.num_completed = 0
        self.params = params
        self.clock = clock

    def get_consumed_ram_gb(self) -> float:
        """Return the memory in use."""
        return self.consumed_ram_gb

    def get_container_by_id(self, container_id: str) -> Container | None:
        """Return the active container of that name."""
        named = [c for c in self.active_containers if c.container_id == container_id]
        return named[0] if named else None

    def run_tick(
        self, suspensions: list[Suspend], assignments: list[Assignment]
    ) -> list[ExecutionResult]:
        """Run one tick and return the results of the containers that ended in it."""
        self._suspend(suspensions)
        self._assign(assignments)
        for container in list(self.suspending_containers):
            container.ticks_to_suspend -= 1
            if container.ticks_to_suspend == 0:
                self._end_suspension(container)
        for container in self.active_containers:
            for memory in container.step():
                self._set_memory(container, memory)
        self._kill_for_memory()
        self._kill_for_time()
        return self._collect()

    def _suspend(self, suspensions: list[Suspend]) -> None:
        active = {container.container_id: container for container in self.active_containers}
        for suspension in suspensions:
            container = active.pop(suspension.container_id, None)
            if container is None or not container.suspendable:
                raise InvalidDecisionError(f"cannot suspend {suspension.container_id}")
            for operator in container.operators[container.current + 1 :]:
                operator.move(OperatorState.SUSPENDING)
            ticks = int(container.ram / GB_PER_SECOND / container.tick_seconds)
            container.ticks_to_suspend = max(1, ticks)
            self.active_containers.remove(container)
            self.suspending_containers.append(container)

    def _end_suspension(self, container: Container) -> None:
        for operator in container.operators[container.current + 1 :]:
            operator.move(OperatorState.PENDING)
        self.avail_cpu_pool += container.cpu
        self.avail_ram_pool += container.ram
        self.suspending_containers.remove(container)
        self.suspended_containers.append(container)

    def _assign(self, assignments: list[Assignment]) -> None:
        cpu = ram = 0.0
        for assignment in assignments:
            cpu += assignment.cpu
            ram += assignment.ram
        if cpu > self.avail_cpu_pool:
            raise InvalidDecisionError("Overallocated CPU in assignment")
        if ram > self.avail_ram_pool and not self.params.allow_memory_overcommit:
            raise InvalidDecisionError("Overallocated RAM in assignment")
        for assignment in assignments:
            if len(assignment.ops) > 1 and not self.params.multi_operator_containers:
                raise InvalidDecisionError("Assignment must have exactly 1 operator")
            name = self.clock.next_container()
            container = Container(name, assignment, self.params.tick_seconds)
            self.avail_cpu_pool -= assignment.cpu
            self.avail_ram_pool -= assignment.ram
            self.active_containers.append(container)

    def _set_memory(self, container: Container, memory: float) -> None:
        self.consumed_ram_gb += memory - container.memory
        container.memory = memory

    def _kill(self, container: Container, error: str) -> None:
        for operator in container.operators[container.current :]:
            if operator.current is not OperatorState.COMPLETED:
                operator.move(OperatorState.FAILED)
        self._set_memory(container, 0.0)
        container.error = error
        container.completed = True

    def _kill_for_memory(self) -> None:
        for container in self.active_containers:
            if container.memory > container.ram:
                self._kill(container, "OOM")
        if self.consumed_ram_gb <= self.max_ram_pool:
            return
        candidates = [c for c in self.active_containers if not c.completed and c.memory > 0]
        for container in sorted(candidates, key=lambda c: -(c.memory * (c.memory / c.ram))):
            if self.consumed_ram_gb <= self.max_ram_pool:
                break
            self._kill(container, "OOM")

    def _kill_for_time(self) -> None:
        for container in self.active_containers:
            late = any(operator.pipeline.has_timed_out() for operator in container.operators)
            if late and not container.completed:
                self._kill(container, "timeout")

    def _collect(self) -> list[ExecutionResult]:
        ended = [container for container in self.active_containers if container.completed]
        results = []
        for c in ended:
            self.avail_cpu_pool += c.cpu
            self.avail_ram_pool += c.ram
            self.num_completed += c.error is None
            self.ended_ticks.append(c.ticks_run)
            name = c.container_id
            results.append(
                ExecutionResult(c.operators, c.cpu, c.ram, c.priority, c.pool_id, name, c.error)
            )
        if ended:
            self.active_containers[:] = [c for c in self.active_containers if not c.completed]
            self.consumed_ram_gb = compensated_sum(c.memory for c in self.active_containers)
        return results
