"""The course of a container: its operators start, end, or are killed, one after the other."""

from simulator.domains.pipelines.agenda import Agenda
from simulator.domains.pipelines.containers import Container, Pool
from simulator.domains.pipelines.decisions import refuse
from simulator.domains.pipelines.jobs import Jobs
from simulator.domains.pipelines.overflow import enter_bound
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND, Planner, whole_ticks
from simulator.domains.pipelines.states import NEVER


class Fallout:
    """What one tick left behind in a pool for the killers and for the results."""

    __slots__ = ("ended", "over_limit", "overdue")

    def __init__(self) -> None:
        self.ended: list[Container] = []
        self.over_limit: list[Container] = []
        self.overdue: list[Container] = []


class Courses:
    """Moves containers through their events and keeps track of what becomes visible by it."""

    def __init__(self, jobs: Jobs, agenda: Agenda, planner: Planner, every_phase: bool) -> None:
        self.suspendable: list[tuple[int, bool]] = []
        self._jobs = jobs
        self._agenda = agenda
        self._planner = planner
        self._every_phase = every_phase
        """Whether the begin of every memory phase is an event."""

    def step(self, container: Container, tick: int, fallout: Fallout) -> None:
        """Run a container through a tick in which something happens to it."""
        if container.next_start == tick:
            self._start_operator(container, tick)
        if container.oom == tick:
            fallout.over_limit.append(container)
            return
        if container.end == tick:
            self._complete_operator(container, tick)
            if container.gone:
                fallout.ended.append(container)
                return
        if container.deadline <= tick:
            fallout.overdue.append(container)
        else:
            self.schedule(container)

    def schedule(self, container: Container) -> None:
        """Enter what happens next to a container."""
        tick = min(container.next_start, container.end, container.oom, container.deadline)
        self._agenda.add(container, tick)

    def kill(self, container: Container, error: str, fallout: Fallout) -> None:
        """End a container; its unfinished operators fail."""
        for operator in container.ops[container.position :]:
            self._jobs.fail(operator)
        container.gone = True
        container.error = error
        fallout.ended.append(container)

    def suspend(self, container: Container, tick: int) -> None:
        """Begin to write a container's memory to disk; its unfinished operators wait for it."""
        container.suspended = True
        for operator in container.ops[container.position :]:
            self._jobs.suspend(operator)
        self._set_suspendable(container, False)
        seconds = container.ram / SCAN_GB_PER_SECOND
        ticks = max(1, whole_ticks(seconds, self._planner.tick_seconds))
        self._agenda.add_end_of_suspension(container, tick + ticks - 1)

    def release(self, container: Container) -> None:
        """End a suspension; the unfinished operators can be assigned again."""
        # The entry for its next operator, left in the agenda, may name this very tick.
        container.event = NEVER
        for operator in container.ops[container.position :]:
            self._jobs.release(operator)

    def set_deadline(self, container: Container) -> None:
        """Take the earliest deadline of the container's unsuccessful pipelines."""
        jobs = self._jobs
        if jobs.max_job_ticks == 0:
            return
        pipelines = {jobs.pipeline_of[operator] for operator in container.ops}
        deadlines = [jobs.deadline(each) for each in pipelines if not jobs.successful(each)]
        container.deadline = min(deadlines, default=NEVER)

    def _start_operator(self, container: Container, tick: int) -> None:
        jobs, operator = self._jobs, container.ops[container.position]
        work = jobs.work[operator]
        obstacle = jobs.unfinished_parent(operator) if work.parents else None
        if obstacle is not None:
            refuse(
                tick,
                f"dependencies not satisfied: operator {jobs.name(operator)} cannot start in "
                f"container c{container.number} as {obstacle}",
            )
        jobs.start(operator, tick)
        if container.suspendable:
            self._set_suspendable(container, False)
        plan = self._planner.plan(work.segments, container.cpu, container.ram)
        pool: Pool = container.pool
        pool.cap_gb += plan.cap_gb - container.cap_gb
        container.begin(plan, tick)
        enter_bound(container, tick)
        if self._every_phase:
            for phase in plan.phases[1:]:
                self._agenda.add_wake(pool, tick + phase.start)

    def _complete_operator(self, container: Container, tick: int) -> None:
        self._jobs.complete(container.ops[container.position], tick)
        container.position += 1
        container.end = NEVER
        if container.position == len(container.ops):
            container.gone = True
        else:
            container.next_start = tick + 1
            self._set_suspendable(container, True)

    def _set_suspendable(self, container: Container, suspendable: bool) -> None:
        if container.suspendable != suspendable:
            container.suspendable = suspendable
            self.suspendable.append((container.number, suspendable))
