"""The messages between the engine and a policy: what is known before, what happened, what to do.

Everything has a number: tenants, packages, images, functions and nodes in the order of the scenario
file, invocations in order of arrival, instances in order of creation. Times are microseconds since
the beginning, sizes are MB. Nothing here may carry a service time before it has passed, a future
arrival, a seed or the duration of the scenario.
"""

from enum import IntEnum

import msgspec

NO_LIMIT = 0
"""Stands for no limit where a limit would be: quotas, and the disk of a node."""
FOREVER = -1
"""A keep-alive that never ends."""
AS_RULED = -2
"""The keep-alive of a new instance that follows the rule of its function."""


class Node(msgspec.Struct, array_like=True, frozen=True):
    """A machine: memory for instances, a disk that caches packages, and a link to pull them."""

    name: str
    memory_mb: int
    disk_mb: int
    pull_mb_per_second: int


class Package(msgspec.Struct, array_like=True, frozen=True):
    """A part of images that nodes pull and cache as a whole."""

    name: str
    size_mb: int


class Image(msgspec.Struct, array_like=True, frozen=True):
    """What a node needs before it can start an instance; ``packages`` are package numbers."""

    name: str
    packages: tuple[int, ...]


class Tenant(msgspec.Struct, array_like=True, frozen=True):
    """Who owns functions: a weight in the cost, and quotas."""

    name: str
    weight: int
    quota_concurrency: int
    quota_mb: int


class Function(msgspec.Struct, array_like=True, frozen=True):
    """What is invoked; ``image`` and ``tenant`` are numbers."""

    name: str
    tenant: int
    image: int
    memory_mb: int
    init_us: int
    concurrency: int
    timeout_us: int
    patience_us: int


class Setup(msgspec.Struct, array_like=True, frozen=True):
    """All that a policy may know before the first event.

    ``price_mb_us``: as many MB·µs of charged memory cost as much as 1 µs of delay, times 10^6.
    """

    calls: str
    price_mb_us: int
    packages: tuple[Package, ...]
    images: tuple[Image, ...]
    nodes: tuple[Node, ...]
    tenants: tuple[Tenant, ...]
    functions: tuple[Function, ...]


class Event(IntEnum):
    """What a row of an observation tells, and the meaning of its two numbers."""

    ARRIVED = 0
    """(invocation, function): it waits."""
    SERVED = 1
    """(invocation, instance): it arrived and began at once on a warm instance."""
    BEGAN = 2
    """(invocation, instance): it waited and began."""
    BOUND = 3
    """(invocation, instance): it waits for the instance to become ready."""
    COMPLETED = 4
    """(invocation, microseconds that it ran)."""
    FAILED = 5
    """(invocation, microseconds that it ran until its function's timeout ended it)."""
    TIMED_OUT = 6
    """(invocation, 0): its patience ended before it began."""
    REJECTED = 7
    """(invocation, 0)."""
    CREATED = 8
    """(function, node): the next instance by number."""
    INITIALISING = 9
    """(instance, 0): its packages are all there."""
    READY = 10
    """(instance, 0)."""
    KEPT = 11
    """(instance, keep-alive in microseconds or FOREVER): the policy set its keep-alive."""
    EXPIRED = 12
    """(instance, 0): its keep-alive ended."""
    EVICTED = 13
    """(instance, 0): the rule of eviction removed it."""
    STOPPED = 14
    """(instance, 0): the policy removed it."""
    PULLING = 15
    """(node, package): it was queued on the node's link."""
    CACHED = 16
    """(node, package): it is there."""
    DROPPED = 17
    """(node, package): it was removed to make room on the disk."""


class Act(IntEnum):
    """What a row of a decision asks for, with its three numbers; unused ones are 0."""

    RUN = 0
    """(invocation, instance, 0)"""
    START = 1
    """(function, node, keep-alive in microseconds, FOREVER or AS_RULED)"""
    STOP = 2
    """(instance, 0, 0)"""
    KEEP_ALIVE = 3
    """(instance, keep-alive in microseconds or FOREVER, 0)"""
    REJECT = 4
    """(invocation, 0, 0)"""
    PREFETCH = 5
    """(node, image, 0)"""
    RULE_SERVE_WARM = 6
    """(function, number of a ``Serve``, 0)"""
    RULE_KEEP_ALIVE = 7
    """(function, keep-alive in microseconds or FOREVER, 0)"""
    RULE_EVICT = 8
    """(number of an ``Evict``, 0, 0)"""


class Serve(IntEnum):
    """Which free instance of a function the rule gives an invocation to."""

    NONE = 0
    MOST_RECENT = 1
    LEAST_RECENT = 2


class Evict(IntEnum):
    """Which idle instances the rule removes first where a start needs memory."""

    NONE = 0
    LRU = 1
    LARGEST = 2


EventRow = tuple[int, int, int, int]
"""(number of an ``Event``, time, first number, second number)"""
ActRow = tuple[int, int, int, int]
"""(number of an ``Act``, first, second, third number)"""


class Observation(msgspec.Struct, array_like=True, frozen=True):
    """What happened since the last observation, in order, as of the time ``step``.

    It asks for exactly one call, so ``quiet_until`` equals ``step``.
    """

    step: int
    quiet_until: int
    events: list[EventRow] = []


class Decision(msgspec.Struct, array_like=True, frozen=True):
    """What a policy decided at the time ``step``, in order; ``calls`` is 1.

    ``wake``: the earliest time at which the policy asked to be called again, None if it did not.
    """

    step: int
    calls: int
    acts: list[ActRow] = []
    wake: int | None = None

    @property
    def size(self) -> int:
        """How many single decisions these are."""
        return len(self.acts)
