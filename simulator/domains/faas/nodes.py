"""Nodes and instances: memory, the package cache on the disk, and the link that fills it."""

from collections.abc import Sequence

from simulator.domains.faas.messages import NO_LIMIT, Node, Package
from simulator.domains.faas.world import pull_us

NEVER = 1 << 60
"""Later than any event."""

PULLING, INITIALISING, ON, GONE = range(4)
"""States of an instance; one that is ``ON`` is busy while an invocation runs in it, else idle."""


class Instance:
    """One copy of a function on a node; the engine alone changes it."""

    __slots__ = (
        "bound",
        "created",
        "entry",
        "expires",
        "function",
        "gone",
        "how_gone",
        "in_use",
        "initialises",
        "keep_us",
        "memory_mb",
        "node",
        "number",
        "ready",
        "since",
        "state",
        "uses",
    )

    def __init__(
        self, number: int, function: int, node: int, memory_mb: int, created: int, keep_us: int
    ) -> None:
        self.number = number
        self.function = function
        self.node = node
        self.memory_mb = memory_mb
        self.created = created
        self.keep_us = keep_us
        """Its own keep-alive, FOREVER, or AS_RULED."""
        self.initialises = created
        """When its packages are all there."""
        self.ready = NEVER
        self.gone = NEVER
        self.how_gone = ""
        self.state = PULLING
        self.in_use = 0
        """How many invocations run in it."""
        self.bound: list[int] = []
        """The invocations that begin when it becomes ready."""
        self.since = created
        """When it last became idle or busy."""
        self.expires = NEVER
        self.entry = NEVER
        """The time of its earliest entry of expiry among the events to come."""
        self.uses = 0


class NodeState:
    """What happens on one node: free memory, the packages on its disk, and its link."""

    def __init__(self, node: Node, packages: Sequence[Package]) -> None:
        self.memory_mb = node.memory_mb
        self.free_mb = node.memory_mb
        self.instances: dict[int, Instance] = {}
        self.on_disk: dict[int, bool] = {}
        """Packages, the one that was needed least recently first; whether each has arrived."""
        self.pinned: dict[int, int] = {}
        """How many instances use a package."""
        self.arrivals: dict[int, int] = {}
        """When each package that is on its way will be there."""
        self._node = node
        self._packages = packages
        self._disk_mb = node.disk_mb
        self._used_mb = 0
        self._link_free_at = 0

    def missing(self, needed: Sequence[int]) -> list[int]:
        """Return the packages that are neither there nor on their way."""
        return [each for each in needed if each not in self.on_disk]

    def to_drop(self, needed: Sequence[int]) -> list[int] | None:
        """Return the packages to remove so that ``needed`` fit, None if they cannot fit."""
        if self._disk_mb == NO_LIMIT:
            return []
        sizes = self._packages
        wanted = sum(sizes[each].size_mb for each in self.missing(needed))
        over = self._used_mb + wanted - self._disk_mb
        dropped: list[int] = []
        for package, arrived in self.on_disk.items():
            if over <= 0:
                break
            if arrived and not self.pinned.get(package) and package not in needed:
                dropped.append(package)
                over -= sizes[package].size_mb
        return dropped if over <= 0 else None

    def drop(self, package: int) -> None:
        """Remove a package from the disk."""
        del self.on_disk[package]
        self._used_mb -= self._packages[package].size_mb

    def pull(self, needed: Sequence[int], now: int) -> list[int]:
        """Queue the missing packages on the link, mark all as just needed; return the missing."""
        missing = self.missing(needed)
        for package in needed:
            self.on_disk[package] = self.on_disk.pop(package, False)
        for package in missing:
            size_mb = self._packages[package].size_mb
            self._used_mb += size_mb
            begins = max(self._link_free_at, now)
            self._link_free_at = begins + pull_us(size_mb, self._node.pull_mb_per_second)
            self.arrivals[package] = self._link_free_at
        return missing

    def all_there_at(self, needed: Sequence[int], now: int) -> int:
        """Return when the last of these packages, which are there or on their way, is there."""
        arrivals = self.arrivals
        return max((arrivals[each] for each in needed if each in arrivals), default=now)

    def arrive(self, package: int) -> None:
        """Note that a package is there."""
        del self.arrivals[package]
        self.on_disk[package] = True

    def pin(self, needed: Sequence[int], count: int) -> None:
        """Count one more (1) or one less (-1) instance that uses these packages."""
        for package in needed:
            self.pinned[package] = self.pinned.get(package, 0) + count
