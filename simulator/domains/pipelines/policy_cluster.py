"""What a policy sees of the cluster: pools, containers, the clock, and its own ``s``."""

import math
from collections.abc import Callable
from typing import Any

from simulator.domains.pipelines.policy_requests import Assignment, Number
from simulator.domains.pipelines.policy_values import Priority
from simulator.domains.pipelines.policy_work import Operator

ReadGb = Callable[[int], float]

LAST_TICK = 1 << 62
"""Wake-ups beyond this tick never come."""

NO_TICK = -1
"""Before the first tick of a simulation."""


class Clock:
    """Simulated time."""

    def __init__(self, ticks_per_second: Number) -> None:
        self.ticks_per_second = ticks_per_second
        self.tick = -1

    def now_ticks(self) -> int:
        """Return the current tick."""
        return self.tick

    def now_seconds(self) -> float:
        """Return the current time in seconds."""
        return self.tick / self.ticks_per_second


class Container:
    """A running, suspending or suspended container."""

    def __init__(
        self, number: int, assignment: Assignment, pool: "ResourcePool", clock: Clock
    ) -> None:
        self._number = number
        self._can_suspend = False
        self._created = clock.tick - 1
        self._last_tick: int | None = None
        self._ended = False
        self._clock = clock
        self.container_id = f"c{number}"
        self.assignment = assignment
        self.pool = pool
        self.error: str | None = None

    @property
    def operators(self) -> list[Operator]:
        """The operators, in the order in which they run."""
        return self.assignment.ops

    @property
    def pool_id(self) -> int:
        """The index of the container's pool."""
        return self.pool.pool_id

    @property
    def priority(self) -> Priority:
        """The label that the assignment gave it."""
        return self.assignment.priority

    def can_suspend_container(self) -> bool:
        """Whether a ``Suspend`` of it is allowed now."""
        return self._can_suspend

    def get_current_memory_usage(self) -> float:
        """Return the GB in use at the end of the previous tick."""
        return self.pool._read_container(self._number)

    def is_completed(self) -> bool:
        """Whether it ended, with or without an error."""
        return self._ended

    def ticks_elapsed(self) -> int:
        """Return for how many ticks it has run."""
        now = self._clock.tick if self._last_tick is None else self._last_tick + 1
        return now - self._created

    def get_pipeline_id(self) -> str:
        """Return the id of its pipeline, "multiple_pipelines" if there are several."""
        ids = {operator.pipeline.pipeline_id for operator in self.operators}
        return ids.pop() if len(ids) == 1 else "multiple_pipelines"

    def __hash__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        size = f"cpu={self.assignment.cpu}, ram={self.assignment.ram}"
        return f"Container({self.container_id}, {len(self.operators)} operators, {size})"


class ResourcePool:
    """One machine: what it has, what is free, and its containers (live lists)."""

    def __init__(
        self, pool_id: int, cpus: Number, ram_gb: Number, read_pool: ReadGb, read_container: ReadGb
    ) -> None:
        self.pool_id = pool_id
        self.max_cpu_pool = cpus
        self.max_ram_pool = ram_gb
        self.avail_cpu_pool = cpus
        self.avail_ram_pool = ram_gb
        self.active_containers: list[Container] = []
        self.suspending_containers: list[Container] = []
        self.suspended_containers: list[Container] = []
        self._read_pool = read_pool
        self._read_container = read_container

    @property
    def consumed_ram_gb(self) -> float:
        """The GB in use at the end of the previous tick."""
        return self._read_pool(self.pool_id)

    def get_consumed_ram_gb(self) -> float:
        """Return the GB in use at the end of the previous tick."""
        return self._read_pool(self.pool_id)

    def get_container_by_id(self, container_id: str) -> Container | None:
        """Return the active container with this id."""
        for container in self.active_containers:
            if container.container_id == container_id:
                return container
        return None

    def __repr__(self) -> str:
        free = f"{self.avail_cpu_pool} cpus and {self.avail_ram_pool} GB free"
        return f"ResourcePool({self.pool_id}, {free})"


class Executor:
    """All pools."""

    def __init__(self, pools: list[ResourcePool]) -> None:
        self.pools = pools
        self.num_pools = len(pools)

    def get_pool_id_with_max_avail_ram(self) -> int:
        """Return the first pool with the most free RAM, -1 if all have less than nothing."""
        best, most = -1, -1.0
        for pool in self.pools:
            if pool.avail_ram_pool > most:
                best, most = pool.pool_id, pool.avail_ram_pool
        return best


class Wake:
    """The one pending wake-up of a policy: the earliest tick that it asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tick = NO_TICK

    def ask(self, tick: int) -> None:
        """Keep this tick, unless an earlier one that has not come yet is pending."""
        now = self._clock.tick
        tick = max(tick, now + 1)
        if self._tick <= now or tick < self._tick:
            self._tick = tick

    def after(self, tick: int) -> int | None:
        """Return the tick of the wake-up that is pending at the end of ``tick``, if any."""
        return self._tick if self._tick > tick else None


class Scheduler:
    """The ``s`` of a policy: the cluster, the clock, and whatever the policy hangs on it."""

    def __init__(
        self,
        executor: Executor,
        clock: Clock,
        params: dict[str, Any],
        algo_name: str,
        wake: Wake,
    ) -> None:
        self.executor = executor
        self.clock = clock
        self.params = params
        self.algo_name = algo_name
        # Policies choose their own names for what they keep here: this one must not be among them.
        self.__clock = clock
        self.__wake = wake

    def now(self) -> float:
        """Return the current time in seconds."""
        return self.__clock.now_seconds()

    def wake_in(self, seconds: float) -> None:
        """Ask to be called again ``seconds`` from now; only the earliest request is kept."""
        clock = self.__clock
        self.wake_at(max(clock.tick, 0) / clock.ticks_per_second + _checked(seconds))

    def wake_at(self, seconds: float) -> None:
        """Ask to be called again at the time ``seconds``; only the earliest request is kept.

        A time that is not in the future means the next tick. Once the wake-up has come, it is
        forgotten: the policy asks again.
        """
        ticks = _checked(seconds) * self.__clock.ticks_per_second
        if ticks < LAST_TICK:
            # Rounding first keeps 0.1 s at 1000 ticks per second from becoming 101 ticks.
            self.__wake.ask(math.ceil(round(ticks, 6)))


def _checked(seconds: float) -> float:
    if not isinstance(seconds, int | float) or math.isnan(seconds):
        raise ValueError(f"time to wake at is {seconds!r}, expected a number of seconds")
    return seconds
