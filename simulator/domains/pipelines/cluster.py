"""The cluster: pools and containers, moved from event to event in the reference's order.

Within a tick pools go in order of their index, and a pool goes through: suspensions, assignments,
ends of suspensions, containers in order of creation, the memory killer, the time-out killer,
results, removal.
"""

from simulator.domains.pipelines.agenda import Agenda
from simulator.domains.pipelines.containers import Container, Pool
from simulator.domains.pipelines.courses import Courses, Fallout
from simulator.domains.pipelines.decisions import (
    Placed,
    Suspension,
    by_pool,
    check_free,
    refuse,
    take_operators,
)
from simulator.domains.pipelines.jobs import Jobs
from simulator.domains.pipelines.memory import MemoryAccounts
from simulator.domains.pipelines.messages import Decision, MemoryReading, NewContainer
from simulator.domains.pipelines.overflow import (
    find_overflow,
    leave_bound,
    may_overflow,
    next_check,
)
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.plans import Planner
from simulator.domains.pipelines.recorder import Recorder
from simulator.domains.pipelines.states import NEVER


class Cluster:
    """All pools of a simulation. The engine empties the lists of what became visible."""

    def __init__(self, params: Params, jobs: Jobs, recorder: Recorder) -> None:
        self.pools = [
            Pool(index, params.cpus_per_pool, params.ram_gb_per_pool, params.tick_seconds)
            for index in range(params.num_pools)
        ]
        self.accounts = MemoryAccounts(params.tick_seconds, params.ticks_per_second)
        self.agenda = Agenda(params.num_ticks)
        self.courses = Courses(
            jobs, self.agenda, Planner(params.tick_seconds), params.policy_calls == "every_tick"
        )
        self.new_containers: list[NewContainer] = []
        self.moves: list[tuple[int, str]] = []
        self.results: list[tuple[int, str | None]] = []
        self.touched_pools: set[int] = set()
        self._jobs = jobs
        self._recorder = recorder
        self._cpus_per_pool = params.cpus_per_pool
        self._overcommit = params.allow_memory_overcommit
        self._multi = params.multi_operator_containers
        self._created = 0

    def tick(self, tick: int, decision: Decision | None) -> bool:
        """Run one tick; return whether it gave a result."""
        emitted = len(self.results)
        requests = {}
        if decision is not None:
            requests = by_pool(decision, len(self.pools))
            take_operators(decision, self._jobs, self._cpus_per_pool, self._multi)
        order = iter(sorted(requests))
        asked = next(order, NEVER)
        while True:
            due = self.agenda.due_pool(tick)
            if due == asked == NEVER:
                return len(self.results) > emitted
            pool = self.pools[min(due, asked)]
            new: list[Container] = []
            if pool.index == asked:
                suspensions, assignments = requests[asked]
                if suspensions:
                    self._suspend(pool, tick, suspensions)
                new = self._create(pool, tick, assignments)
                asked = next(order, NEVER)
            self._run_pool(pool, tick, new)

    def changed(self) -> bool:
        """Whether something became visible that no observation has told yet."""
        return bool(
            self._jobs.changes
            or self.results
            or self.touched_pools
            or self.moves
            or self.courses.suspendable
        )

    def read_memory(self, tick: int) -> MemoryReading:
        """Return the memory in use at the end of ``tick - 1``."""
        containers: list[tuple[int, float]] = []
        growing: list[tuple[int, int]] = []
        for pool in self.pools:
            self.accounts.carry(pool, tick - 1)
            for container in pool.active:
                container.forget_phases(tick - 1)
                start, gb, _ = container.phases[0]
                if gb is None:
                    growing.append((container.number, tick - start))
            for container in pool.active + pool.suspending + pool.suspended:
                containers.append((container.number, float(container.gb)))
        consumed = [float(pool.consumed) for pool in self.pools]
        return MemoryReading(tick=tick, consumed=consumed, containers=containers, growing=growing)

    def _suspend(self, pool: Pool, tick: int, suspensions: list[Suspension]) -> None:
        found = [_find_suspendable(pool, tick, name) for name, _ in suspensions]
        if len(set(found)) < len(found):
            refuse(tick, f"a container of pool {pool.index} is to be suspended twice in one call")
        for container in found:
            self.accounts.carry(pool, tick - 1)
            pool.active.remove(container)
            pool.suspending.append(container)
            pool.cap_gb -= container.cap_gb
            leave_bound(container)
            pool.stale_gb += container.gb
            self.courses.suspend(container, tick)
            self.moves.append((container.number, "suspending"))

    def _create(self, pool: Pool, tick: int, assignments: list[Placed]) -> list[Container]:
        check_free(tick, pool, assignments, self._overcommit)
        new: list[Container] = []
        for place, request in assignments:
            self._created += 1
            container = Container(self._created, pool, request, tick)
            self.courses.set_deadline(container)
            pool.free_cpu -= request.cpu
            pool.free_ram -= request.ram
            pool.active.append(container)
            self.new_containers.append(NewContainer(container.number, place))
            new.append(container)
        if new:
            self.touched_pools.add(pool.index)
        return new

    def _run_pool(self, pool: Pool, tick: int, new: list[Container]) -> None:
        fallout = Fallout()
        for container in self.agenda.take(tick, pool):
            if container.suspended:
                self._end_suspension(pool, container, tick)
            else:
                self.courses.step(container, tick, fallout)
        for container in new:
            self.courses.step(container, tick, fallout)
        if fallout.over_limit or fallout.overdue or may_overflow(pool):
            self._run_killers(pool, tick, fallout)
        if fallout.ended:
            self._remove(pool, tick, fallout.ended)
        check = next_check(pool, tick)
        if check < pool.wake_tick or pool.wake_tick <= tick:
            pool.wake_tick = check
            self.agenda.add_wake(pool, check)

    def _run_killers(self, pool: Pool, tick: int, fallout: Fallout) -> None:
        for container in fallout.over_limit:
            self.courses.kill(container, "OOM", fallout)
        for container in find_overflow(pool, tick, self.accounts):
            self.courses.kill(container, "OOM", fallout)
        for container in fallout.overdue:
            if container.gone:
                continue
            self.courses.set_deadline(container)
            if container.deadline <= tick:
                self.courses.kill(container, "timeout", fallout)
            else:
                self.courses.schedule(container)

    def _remove(self, pool: Pool, tick: int, ended: list[Container]) -> None:
        """Emit the results of a tick, give back what was held and start the account anew."""
        if pool.next_sample < tick:
            self.accounts.carry(pool, tick - 1)
        if len(ended) > 1:
            ended.sort(key=lambda container: container.number)
        for container in ended:
            pool.free_cpu += container.cpu
            pool.free_ram += container.ram
            pool.cap_gb -= container.cap_gb
            leave_bound(container)
            pool.active.remove(container)
            self.results.append((container.number, container.error))
            self._recorder.ended(container, tick, self.accounts.tick_seconds)
        if not pool.active:
            pool.cap_gb = pool.bound_base = pool.bound_rate = 0.0
        self.touched_pools.add(pool.index)
        self.accounts.restart(pool, tick)

    def _end_suspension(self, pool: Pool, container: Container, tick: int) -> None:
        self.courses.release(container)
        self._recorder.keep(container, tick, "suspended")
        pool.free_cpu += container.cpu
        pool.free_ram += container.ram
        pool.suspending.remove(container)
        pool.suspended.append(container)
        self.touched_pools.add(pool.index)
        self.moves.append((container.number, "suspended"))


def _find_suspendable(pool: Pool, tick: int, name: str) -> Container:
    for container in pool.active:
        if f"c{container.number}" == name:
            if not container.suspendable:
                refuse(
                    tick,
                    f"container {name} of pool {pool.index} cannot be suspended right now: it can "
                    "be only on the tick after one of its operators has completed",
                )
            return container
    return refuse(tick, f"suspension names {name[:80]!r}, no active container of pool {pool.index}")
