"""What every importer shares: which jobs are taken, what is counted, how a trace is made."""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path

from simulator.domains.pipelines.tracefile import MAX_TRACE_NUMBER
from simulator.domains.pipelines.workload import (
    MAX_OPERATORS,
    Operator,
    Pipeline,
    Priority,
    Segment,
    Workload,
)
from simulator.errors import TraceError

MOST_EDGES = 64
"""Edges between two groups of operators up to which each waits for each of the others directly."""
BARRIER = Segment(baseline_cpu_seconds=0.0, memory_gb=0.0)
OUTSIDE = "outside the window"
NOT_SAMPLED = "not in the sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which part of the data is taken.

    ``begin_seconds`` None begins the window at the first usable job; ``sample`` is the share of
    jobs (of invocations, in Azure's data) that is kept, drawn by ``seed``; ``limit`` keeps the
    first arrivals.
    """

    begin_seconds: float | None = None
    window_seconds: float = 600.0
    limit: int | None = None
    sample: float = 1.0
    seed: int = 0
    ticks_per_second: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Jobs, and the tasks in them, that were left out for one reason."""

    reason: str
    jobs: int
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A workload from outside data. ``assumptions`` say what the data does not: all of it.

    ``jobs`` and ``tasks`` were read; less those in ``left_out`` they are in the workload.
    """

    source: str
    licence: str
    assumptions: tuple[str, ...]
    workload: Workload
    begin_seconds: float
    jobs: int
    tasks: int
    left_out: tuple[LeftOut, ...]

    @property
    def taken_jobs(self) -> int:
        """Return the number of jobs that are in the workload."""
        return self.jobs - sum(each.jobs for each in self.left_out)

    @property
    def taken_tasks(self) -> int:
        """Return the number of recorded tasks that are in the workload."""
        return self.tasks - sum(each.tasks for each in self.left_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A pipeline before its arrival is put on the clock. ``facts`` counts what was assumed."""

    arrival_seconds: float
    priority: Priority
    operators: tuple[Operator, ...]
    tasks: int = 1
    facts: Mapping[str, int] = field(default_factory=dict)


class Taking:
    """Takes jobs one by one while a file is read and keeps no more of them than are wanted.

    Every job that is read is counted once: it is taken, or left out for a reason.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self.limit = selection.limit
        self._begin = selection.begin_seconds
        self._open = selection.begin_seconds is None
        self._heap: list[tuple[float, int, Job]] = []
        self._operators = 0
        self._order = 0
        self._seen: Counter[str] = Counter()
        self._left_jobs: Counter[str] = Counter()
        self._left_tasks: Counter[str] = Counter()
        self._late = f"after the first {selection.limit}"
        self.first = math.inf
        self.last = -math.inf

    @property
    def full(self) -> bool:
        """Whether as many jobs are kept as are wanted; an earlier one replaces the last of them."""
        return self.limit is not None and len(self._heap) >= self.limit

    @property
    def until(self) -> float:
        """The arrival at and after which no job is taken."""
        end = math.inf if self._begin is None else self._begin + self._selection.window_seconds
        return min(end, -self._heap[0][0]) if self.full else end

    def begin_at(self, seconds: float) -> None:
        """Let the window begin here, where the selection leaves it open."""
        self._begin = seconds
        self._open = False

    def seen(self, *arrivals: float) -> None:
        """Note when jobs of the file begin, taken or not."""
        self.first = min(self.first, *arrivals)
        self.last = max(self.last, *arrivals)

    def sampled(self, key: str) -> bool:
        """Return whether a job is in the sample: the same for equal keys and seeds."""
        share = self._selection.sample
        if share >= 1:
            return True
        salt = self._selection.seed.to_bytes(16, "little")
        digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8, key=salt).digest()
        return int.from_bytes(digest, "little") < share * 2**64

    def leave_out(self, reason: str, jobs: int = 1, tasks: int | None = None) -> None:
        """Count jobs that are not taken, and their tasks; a job is one task unless it is said."""
        if jobs or tasks:
            self._left_jobs[reason] += jobs
            self._left_tasks[reason] += jobs if tasks is None else tasks

    def leave_out_late(self, jobs: int, tasks: int | None = None) -> None:
        """Count jobs after the last one that ``limit`` lets in."""
        self.leave_out(self._late, jobs, tasks)

    def in_time(self, arrival: float, tasks: int = 1) -> bool:
        """Return whether a job with this arrival is taken; one that is not is counted here."""
        self.seen(arrival)
        if self._open and (self._begin is None or arrival < self._begin):
            self._begin = arrival
            while self._heap and -self._heap[0][0] >= arrival + self._selection.window_seconds:
                self._evict(OUTSIDE)
        begin = self._begin if self._begin is not None else arrival
        if not 0 <= arrival - begin < self._selection.window_seconds:
            self.leave_out(OUTSIDE, tasks=tasks)
            return False
        if self.full and arrival >= -self._heap[0][0]:
            self.leave_out(self._late, tasks=tasks)
            return False
        return True

    def add(self, place: str, job: Job) -> None:
        """Keep a job that is in time."""
        if self.full:
            self._evict(self._late)
        self._order += 1
        self._operators += len(job.operators)
        check_size(place, self._operators)
        heappush(self._heap, (-job.arrival_seconds, -self._order, job))

    def jobs(self) -> list[Job]:
        """Return the jobs that were taken, in order of arrival."""
        return [job for _, _, job in sorted(self._heap, key=lambda each: (-each[0], -each[1]))]

    def imported(
        self,
        path: Path,
        jobs: Sequence[Job],
        *,
        source: str,
        licence: str,
        assumptions: Iterable[str],
    ) -> Imported:
        """Return the import; no job at all is an error that says where the jobs are."""
        left_out = tuple(
            LeftOut(reason=reason, jobs=count, tasks=self._left_tasks[reason])
            for reason, count in self._left_jobs.items()
        )
        if not jobs:
            raise TraceError(f"{path}: {self._why_empty(left_out)}")
        begin = 0.0 if self._begin is None else self._begin
        said = [each for each in assumptions if each]
        if self._selection.sample < 1:
            said.append(
                f"a share of {self._selection.sample:g} is kept, drawn by seed "
                f"{self._selection.seed}"
            )
        return Imported(
            source=source,
            licence=licence,
            assumptions=tuple(said),
            workload=assemble(jobs, self._selection.ticks_per_second),
            begin_seconds=begin,
            jobs=len(jobs) + sum(each.jobs for each in left_out),
            tasks=sum(job.tasks for job in jobs) + sum(each.tasks for each in left_out),
            left_out=left_out,
        )

    def _why_empty(self, left_out: Sequence[LeftOut]) -> str:
        reasons = "; ".join(f"{each.jobs} {each.reason}" for each in left_out)
        if self.first > self.last:
            return f"holds no job that can be taken (left out: {reasons or 'none, it is empty'})"
        begin = self.first if self._begin is None else self._begin
        return (
            f"no job that can be taken begins from {begin:.15g} s to "
            f"{begin + self._selection.window_seconds:.15g} s; those in the file begin from "
            f"{self.first:.15g} s to {self.last:.15g} s, choose another --start or --duration "
            f"(left out: {reasons})"
        )

    def _evict(self, reason: str) -> None:
        _, _, job = heappop(self._heap)
        self._operators -= len(job.operators)
        self.leave_out(reason, tasks=job.tasks)


def count_facts(jobs: Iterable[Job]) -> Counter[str]:
    """Return how often each fact holds among jobs."""
    found: Counter[str] = Counter()
    for job in jobs:
        for fact, count in job.facts.items():
            found[fact] += count
    return found


def assemble(jobs: Sequence[Job], ticks_per_second: int) -> Workload:
    """Return the jobs as pipelines in order of arrival; the first one arrives at tick 0."""
    ordered = sorted(jobs, key=lambda job: job.arrival_seconds)
    start = ordered[0].arrival_seconds if ordered else 0.0
    return Workload(
        pipelines=tuple(
            Pipeline(
                id=f"p{number}",
                priority=job.priority,
                arrival_tick=int((job.arrival_seconds - start) * ticks_per_second),
                operators=job.operators,
            )
            for number, job in enumerate(ordered, start=1)
        )
    )


def side_by_side(segments: Iterable[Segment]) -> tuple[Operator, ...]:
    """Return an operator for each segment; none waits for another."""
    return tuple(
        Operator(id=f"op{number}", segments=(each,)) for number, each in enumerate(segments, 1)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An operator of a graph that waits for every member of the groups it names."""

    segment: Segment
    waits_for: tuple[str, ...] = ()


def graph_operators(
    nodes: Sequence[Node], groups: Mapping[str, Sequence[int]]
) -> tuple[tuple[Operator, ...], int] | None:
    """Return the operators, parents first, and how many barriers were added; None for a circle.

    ``groups`` has the positions of nodes by name. Nodes that are ready keep their order. Where
    many nodes wait for many, an operator without work stands between, so that edges stay few.
    """
    waiting_for = Counter(name for node in nodes for name in node.waits_for)
    segments = [node.segment for node in nodes]
    parents_of: dict[str, tuple[int, ...]] = {}
    barriers: list[tuple[int, ...]] = []
    for name, count in waiting_for.items():
        members = tuple(groups[name])
        if min(count, len(members)) > 1 and count * len(members) > MOST_EDGES:
            parents_of[name] = (len(segments),)
            segments.append(BARRIER)
            barriers.append(members)
        else:
            parents_of[name] = members
    joined: dict[tuple[str, ...], tuple[int, ...]] = {}
    parents: list[tuple[int, ...]] = []
    for node in nodes:
        if node.waits_for not in joined:
            found = {parent for name in node.waits_for for parent in parents_of[name]}
            joined[node.waits_for] = tuple(sorted(found))
        parents.append(joined[node.waits_for])
    parents += barriers
    order = _parents_first(parents)
    if order is None:
        return None
    place = {position: number for number, position in enumerate(order)}
    operators = tuple(
        Operator(
            id=f"op{number + 1}",
            parents=tuple(sorted(place[parent] for parent in parents[position])),
            segments=(segments[position],),
        )
        for number, position in enumerate(order)
    )
    return operators, len(barriers)


def _parents_first(parents: Sequence[Sequence[int]]) -> list[int] | None:
    waiting = [len(each) for each in parents]
    children: list[list[int]] = [[] for _ in parents]
    for position, each in enumerate(parents):
        for parent in each:
            children[parent].append(position)
    order = [position for position, count in enumerate(waiting) if count == 0]
    for position in order:
        for child in children[position]:
            waiting[child] -= 1
            if waiting[child] == 0:
                order.append(child)
    return order if len(order) == len(parents) else None


def work(
    place: str,
    cpu_seconds: float,
    memory_gb: float,
    scaling: str = "const",
    read_gb: float = 0.0,
) -> Segment:
    """Return a segment with fixed memory, rounded for the trace; refuse what no trace can hold."""
    figures = {"cpu work, s": cpu_seconds, "memory, GB": memory_gb, "read, GB": read_gb}
    for name, figure in figures.items():
        if not 0 <= figure <= MAX_TRACE_NUMBER:
            raise TraceError(
                f"{place}: {name} comes to {figure!r}, expected a number from 0 to "
                f"{MAX_TRACE_NUMBER:g}"
            )
    return Segment(
        baseline_cpu_seconds=round(cpu_seconds, 3),
        cpu_scaling=scaling,
        memory_gb=round(memory_gb, 4),
        storage_read_gb=round(read_gb, 4),
    )


def check_size(place: str, operators: int) -> None:
    """Refuse an import that makes more operators than a trace may have."""
    if operators > MAX_OPERATORS:
        raise TraceError(
            f"{place}: more than {MAX_OPERATORS} operators up to here, take a shorter --duration, "
            "a --limit or a smaller --sample"
        )
