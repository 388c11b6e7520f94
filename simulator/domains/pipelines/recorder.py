"""What a simulation writes down for its statistics: ended containers and one sample per second."""

from dataclasses import dataclass, field

from simulator.domains.pipelines.containers import Container, Pool
from simulator.domains.pipelines.jobs import Jobs
from simulator.exact_sums import float_sum

TIMELINE_SAMPLES = 600
OOM_SIZES_KEPT = 10_000
"""Sizes that are counted; beyond that the rarest half is forgotten."""
CONTAINERS_KEPT = 300
"""The first containers of a simulation are kept one by one, for a drawing."""


@dataclass(slots=True, kw_only=True)
class Timeline:
    """State of the cluster at regular ticks, few enough to keep."""

    allocated_cpu: list[float] = field(default_factory=list)
    allocated_ram_gb: list[float] = field(default_factory=list)
    queued: tuple[list[int], list[int], list[int]] = field(default_factory=lambda: ([], [], []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One of the first containers, and the tick on which it held its share for the last time."""

    container: Container
    tick: int
    outcome: str


class Recorder:
    """Samples the cluster every ``sample_step`` ticks and tallies the containers that ended."""

    def __init__(self, num_ticks: int, sample_step: int) -> None:
        samples = (num_ticks - 1) // sample_step + 1
        self.sample_step = sample_step
        self.timeline_stride = max(1, -(-samples // TIMELINE_SAMPLES))
        self.timeline = Timeline()
        self.allocated: list[tuple[float, float, int]] = []
        """Allocated GB and cpus with the number of consecutive samples that had them."""
        self.elapsed_ticks: list[int] = []
        self.completed = 0
        self.errors: dict[str, int] = {}
        self.oom_sizes: dict[tuple[float, float], int] = {}
        self.oom_cpu_ticks = 0.0
        self.oom_marks: dict[int, int] = {}
        """Kills by the sample of the timeline in whose stretch they fell."""
        self.first_ended: list[Ended] = []
        self._next = 0

    def ended(self, container: Container, tick: int, tick_seconds: float) -> None:
        """Tally a container that ended at ``tick``."""
        elapsed = tick - container.created + 1
        self.elapsed_ticks.append(elapsed)
        if container.number <= CONTAINERS_KEPT:
            self.keep(container, tick, container.error or "ok")
        if container.error is None:
            self.completed += 1
            return
        self.errors[container.error] = self.errors.get(container.error, 0) + 1
        if container.error == "OOM":
            self.oom_cpu_ticks += container.cpu * elapsed
            size = (container.ram, round(container.memory_at(tick, tick_seconds), 3))
            self.oom_sizes[size] = self.oom_sizes.get(size, 0) + 1
            if len(self.oom_sizes) > OOM_SIZES_KEPT:
                self.oom_sizes = dict(self.most_frequent_oom_sizes(OOM_SIZES_KEPT // 2))
            mark = tick // (self.sample_step * self.timeline_stride)
            self.oom_marks[mark] = self.oom_marks.get(mark, 0) + 1

    def most_frequent_oom_sizes(self, count: int) -> list[tuple[tuple[float, float], int]]:
        """Return what was asked for and what was held at kills for memory, the most frequent."""
        return sorted(self.oom_sizes.items(), key=lambda item: (-item[1], item[0]))[:count]

    def keep(self, container: Container, tick: int, outcome: str) -> None:
        """Keep what became of a container that is one of the first."""
        if container.number <= CONTAINERS_KEPT:
            self.first_ended.append(Ended(container=container, tick=tick, outcome=outcome))

    def catch_up(self, tick: int, pools: list[Pool], jobs: Jobs) -> None:
        """Sample the ticks before ``tick``, through which the cluster stayed as it is."""
        if self._next >= tick:
            return
        count = (tick - 1 - self._next) // self.sample_step + 1
        ram = float_sum([pool.ram_gb - pool.free_ram for pool in pools])
        cpu = float_sum([pool.cpus - pool.free_cpu for pool in pools])
        self.allocated.append((ram, cpu, count))
        first = self._next // self.sample_step
        marks = _multiples(first + count, self.timeline_stride)
        marks -= _multiples(first, self.timeline_stride)
        self.timeline.allocated_cpu += [cpu] * marks
        self.timeline.allocated_ram_gb += [ram] * marks
        for priority, row in enumerate(self.timeline.queued, start=1):
            row += [jobs.queued[priority]] * marks
        self._next += count * self.sample_step


def _multiples(below: int, stride: int) -> int:
    """Return how many of 0, stride, 2 * stride... are below a number."""
    return -(-below // stride)
