"""The accounts of a run: exact sums of memory over time, and samples for a timeline."""

from collections.abc import Sequence

from simulator.domains.faas.nodes import Instance, NodeState

TIMELINE_SAMPLES = 240


class Recorder:
    """Sums in MB·µs, current MB by what they do, and up to ``TIMELINE_SAMPLES`` samples."""

    def __init__(self, end_us: int) -> None:
        self.pull_mb_us = 0
        self.init_mb_us = 0
        self.idle_mb_us = 0
        self.busy_mb_us = 0
        self.starting_mb = 0
        self.idle_mb = 0
        self.busy_mb = 0
        self.pulled_mb = 0
        self.packages_cached = 0
        self.packages_shared = 0
        self.packages_pulled = 0
        self.sample_us = -(-end_us // TIMELINE_SAMPLES)
        self.next_sample = 0
        self.samples: list[tuple[int, int, int, int]] = []
        """MB that start, MB idle, MB busy, invocations that wait: as of before each sample time."""

    def sample(self, now: int, num_waiting: int) -> None:
        """Record the samples up to ``now``, before anything happens at that time."""
        row = (self.starting_mb, self.idle_mb, self.busy_mb, num_waiting)
        while self.next_sample <= now:
            self.samples.append(row)
            self.next_sample += self.sample_us

    def idle_to_busy(self, memory_mb: int, idle_us: int) -> None:
        """An idle instance begins to work."""
        self.idle_mb_us += memory_mb * idle_us
        self.idle_mb -= memory_mb
        self.busy_mb += memory_mb

    def busy_to_idle(self, memory_mb: int, busy_us: int) -> None:
        """The last invocation in an instance ended."""
        self.busy_mb_us += memory_mb * busy_us
        self.busy_mb -= memory_mb
        self.idle_mb += memory_mb

    def starting_to_idle(self, memory_mb: int) -> None:
        """An instance became ready."""
        self.starting_mb -= memory_mb
        self.idle_mb += memory_mb

    def idle_to_gone(self, memory_mb: int, idle_us: int) -> None:
        """An idle instance was removed."""
        self.idle_mb_us += memory_mb * idle_us
        self.idle_mb -= memory_mb

    def close(self, instance: Instance, last_us: int) -> None:
        """Account for the last stretch of an instance that is on at the end."""
        if instance.in_use:
            self.busy_mb_us += instance.memory_mb * last_us
        else:
            self.idle_mb_us += instance.memory_mb * last_us

    def count_packages(self, node: NodeState, needs: Sequence[int]) -> None:
        """Count which packages of a start are there, on their way, or missing."""
        for package in needs:
            if package not in node.on_disk:
                self.packages_pulled += 1
            elif package in node.arrivals:
                self.packages_shared += 1
            else:
                self.packages_cached += 1
