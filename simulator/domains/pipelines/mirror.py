"""The policy's side of the simulation: turns observations into the objects a policy reads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulator.contract import plain_number, refuse, shown, whole_number
from simulator.domains.pipelines.messages import (
    Decision,
    MemoryReading,
    NewAssignment,
    NewPipeline,
    Observation,
    Setup,
)
from simulator.domains.pipelines.policy_cluster import (
    Clock,
    Container,
    Executor,
    ResourcePool,
    Scheduler,
    Wake,
)
from simulator.domains.pipelines.policy_requests import Assignment, ExecutionResult, Suspend
from simulator.domains.pipelines.policy_values import Priority
from simulator.domains.pipelines.policy_work import DAG, Operator, Pipeline, PipelineRuntimeStatus
from simulator.domains.pipelines.states import COMPLETED

SCAN_GB_PER_SECOND = 20
NOTHING: tuple[list[Any], list[Any]] = ([], [])

ReadMemory = Callable[[int], MemoryReading]


class Mirror:
    """A copy of what is visible of the cluster. Nothing in the engine depends on it."""

    def __init__(self, setup: Setup, algo_name: str) -> None:
        self.clock = Clock(setup.ticks_per_second)
        self._containers: dict[int, Container] = {}
        self.memory = MemoryMirror(self.clock, self._containers)
        pools = [
            ResourcePool(
                index,
                setup.cpus_per_pool,
                setup.ram_gb_per_pool,
                self.memory.pool_gb,
                self.memory.container_gb,
            )
            for index in range(setup.num_pools)
        ]
        self.wake = Wake(self.clock)
        executor, params = Executor(pools), dict(setup.params)
        self.state = Scheduler(executor, self.clock, params, algo_name, self.wake)
        self.step: int | None = None
        self.returned: list[tuple[Assignment, int]] = []
        """The assignments of the last decision with their pools: containers are made of them."""
        self._pools = pools
        self._max_job_ticks = setup.max_job_ticks
        self._operators: list[Operator | None] = []
        """By number; None while the operators of a pipeline have not been asked for."""
        self._num_pipelines = 0
        self._successful: list[PipelineRuntimeStatus] = []

    def decide(
        self,
        step: Callable[..., Any],
        observation: Observation,
        read_memory: ReadMemory,
    ) -> Decision:
        """Call the policy up to ``quiet_until``, or until it decides something."""
        results, pipelines = self.apply(observation, read_memory)
        clock, scheduler = self.clock, self.state
        quiet_until = observation.quiet_until
        tick = self.step = observation.tick
        answer = step(scheduler, results, pipelines)
        while answer == NOTHING and tick < quiet_until:
            self.step = tick = tick + 1
            clock.tick = tick
            answer = step(scheduler, [], [])
        while tick < quiet_until and _is_empty(answer, tick):
            self.step = tick = tick + 1
            clock.tick = tick
            answer = step(scheduler, [], [])
        return self._decision(answer, tick, tick - observation.tick + 1)

    def _decision(self, answer: Any, tick: int, calls: int) -> Decision:
        suspensions, assignments = _unpack(answer, tick)
        wake_tick = self.wake.after(tick)
        if not suspensions and not assignments:
            return Decision(tick, calls, [], [], wake_tick)
        typed: list[NewAssignment] = []
        self.returned = []
        for each in assignments:
            new = _typed_assignment(each, tick, self._operators)
            typed.append(new)
            self.returned.append((each, new.pool))
        suspended = [_typed_suspension(each, tick) for each in suspensions] if suspensions else []
        return Decision(tick, calls, suspended, typed, wake_tick)

    def apply(
        self, observation: Observation, read_memory: ReadMemory
    ) -> tuple[list[ExecutionResult], list[Pipeline]]:
        """Bring the mirror up to date; return the results and the pipelines for the policy."""
        self.clock.tick = observation.tick
        self.memory.read = read_memory
        for made in observation.containers:
            assignment, index = self.returned[made.assignment]
            pool = self._pools[index]
            container = Container(made.number, assignment, pool, self.clock)
            self._containers[made.number] = container
            pool.active_containers.append(container)
        for number, state in observation.op_states:
            operator = self._operators[number]
            assert operator is not None, "only what was assigned changes its state"
            status = operator.pipeline.runtime_status()
            status._move(operator, state)
            last = state == COMPLETED and status.is_pipeline_successful()
            if last and status.finish_tick is None:
                self._successful.append(status)
        for number, place in observation.moves:
            self._move(self._containers[number], place)
        for number, can_suspend in observation.suspendable:
            self._containers[number]._can_suspend = can_suspend
        for index, cpus, ram_gb in observation.pools:
            self._pools[index].avail_cpu_pool = cpus
            self._pools[index].avail_ram_pool = ram_gb
        results = [self._end(number, error) for number, error in observation.results]
        if results and self._successful:
            for status in self._successful:
                status.finish_tick = observation.tick - 1
            self._successful.clear()
        return results, [self._arrive(pipeline) for pipeline in observation.arrivals]

    def _move(self, container: Container, place: str) -> None:
        pool = container.pool
        if place == "suspending":
            container._last_tick = self.clock.tick - 2
            pool.active_containers.remove(container)
            pool.suspending_containers.append(container)
        else:
            pool.suspending_containers.remove(container)
            pool.suspended_containers.append(container)

    def _end(self, number: int, error: str | None) -> ExecutionResult:
        container = self._containers.pop(number)
        container._ended = True
        container._can_suspend = False
        container._last_tick = self.clock.tick - 1
        container.error = error
        container.pool.active_containers.remove(container)
        request = container.assignment
        return ExecutionResult(
            request.ops,
            request.cpu,
            request.ram,
            request.priority,
            container.pool.pool_id,
            container.container_id,
            error,
        )

    def _arrive(self, arrival: NewPipeline) -> Pipeline:
        first = len(self._operators)
        self._operators += [None] * len(arrival.operators)
        self._num_pipelines += 1
        number, priority = self._num_pipelines - 1, Priority(arrival.priority)
        return Pipeline(number, arrival.id, priority, self, (arrival, first))

    def unfold(
        self, pipeline: Pipeline, folded: tuple[NewPipeline, int]
    ) -> tuple[DAG, PipelineRuntimeStatus]:
        """Make the operators of a pipeline, numbered from where they arrived."""
        arrival, first = folded
        operators: list[Operator] = []
        for new in arrival.operators:
            number = first + len(operators)
            operator = Operator(number, f"{arrival.id}/{new.id}", pipeline, new.estimate_gb)
            if new.parents:
                operator._wait_for([operators[parent] for parent in new.parents])
            operators.append(operator)
        self._operators[first : first + len(operators)] = operators
        values = DAG(tuple(operators))
        clock, limit = self.clock, self._max_job_ticks
        return values, PipelineRuntimeStatus(pipeline, values, arrival.arrival_tick, clock, limit)


class MemoryMirror:
    """Memory in use, asked for when a policy first reads it and then carried along quiet ticks."""

    def __init__(self, clock: Clock, known: Mapping[int, Container]) -> None:
        self._clock = clock
        self._tick_seconds = 1.0 / clock.ticks_per_second
        self._known = known
        self.read: ReadMemory | None = None
        """Set when an observation came: what was read before is out of date."""
        self._tick = -1
        self._consumed: list[float] = []
        self._containers: dict[int, float] = {}
        self._growing: list[tuple[int, int, int]] = []
        """(pool, container, its next tick of growth), in the order of the account."""

    def pool_gb(self, index: int) -> float:
        """Return the memory in use in a pool at the end of the tick before."""
        self._bring_forward()
        return self._consumed[index]

    def container_gb(self, number: int) -> float:
        """Return the memory in use in a container at the end of the tick before."""
        self._bring_forward()
        return self._containers.get(number, 0.0)

    def _bring_forward(self) -> None:
        tick = self._clock.tick
        if self.read is not None:
            reading = self.read(tick)
            self.read = None
            self._tick = tick
            self._consumed = list(reading.consumed)
            self._containers = dict(reading.containers)
            pool_of = {number: each.pool.pool_id for number, each in self._known.items()}
            self._growing = [(pool_of[number], number, next_) for number, next_ in reading.growing]
        for _ in range(tick - self._tick):
            self._grow()
        self._tick = tick

    def _grow(self) -> None:
        """Add one quiet tick with the very additions that the engine makes."""
        grown: list[tuple[int, int, int]] = []
        for pool, number, place in self._growing:
            gb = ((place + 1) * self._tick_seconds) * SCAN_GB_PER_SECOND
            self._consumed[pool] += gb - self._containers[number]
            self._containers[number] = gb
            grown.append((pool, number, place + 1))
        self._growing = grown


def _is_empty(answer: Any, tick: int) -> bool:
    suspensions, assignments = _unpack(answer, tick)
    return not suspensions and not assignments


def _unpack(answer: Any, tick: int) -> tuple[list[Any], list[Any]]:
    """Return the two lists of an answer; refuse anything of another shape."""
    if type(answer) is tuple and len(answer) == 2 and type(answer[0]) is type(answer[1]) is list:
        return list(answer[0]), list(answer[1])
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        refuse(f"step returned {shown(answer)}, expected (suspensions, assignments)", tick)
    for name, part in zip(("suspensions", "assignments"), answer, strict=True):
        if not isinstance(part, list | tuple):
            refuse(f"step returned {shown(part)} as {name}, expected a list", tick)
    return list(answer[0]), list(answer[1])


def _typed_suspension(request: Any, tick: int) -> tuple[str, int]:
    if not isinstance(request, Suspend):
        refuse(f"suspensions hold {shown(request)}, expected Suspend objects", tick)
    name: object = request.container_id
    if not isinstance(name, str) or not name.isascii():
        refuse(f"Suspend has container_id={shown(name)}, expected a container_id", tick)
    return str(name), whole_number(request.pool_id, "Suspend has pool_id", tick)


def _typed_assignment(request: Any, tick: int, known: Sequence[Operator | None]) -> NewAssignment:
    if not isinstance(request, Assignment):
        refuse(f"assignments hold {shown(request)}, expected Assignment objects", tick)
    operators: list[int] = []
    for operator in request.ops:
        place = operator._number if isinstance(operator, Operator) else len(known)
        if place >= len(known) or known[place] is not operator:
            refuse(f"Assignment has {shown(operator)} in ops, expected arrived operators", tick)
        operators.append(place)
    priority: object = request.priority
    if not isinstance(priority, Priority):
        refuse(f"Assignment has priority={shown(priority)}, expected a Priority", tick)
    return NewAssignment(
        operators,
        plain_number(request.cpu, "Assignment has cpu", tick),
        plain_number(request.ram, "Assignment has ram", tick),
        whole_number(request.pool_id, "Assignment has pool_id", tick),
        int(priority._value_),
    )
