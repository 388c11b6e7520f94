"""The objects that a policy reads: the platform ``p``, what is on it, and what happened.

All times are seconds since the beginning and all sizes are MB. Objects that a policy may use as
keys hash to their numbers, so that sets of them have the same order in every run.
"""

import math
from collections.abc import Collection, Sequence
from heapq import heappop, heappush
from typing import Any

from simulator.domains.faas.messages import FOREVER, NO_LIMIT, Evict, Serve, Setup
from simulator.domains.faas.messages import Function as FunctionFacts
from simulator.domains.faas.messages import Image as ImageFacts
from simulator.domains.faas.messages import Node as NodeFacts
from simulator.domains.faas.messages import Tenant as TenantFacts

US = 1_000_000
MB_PER_GB = 1024
DEFAULT_KEEP_ALIVE_US = 600 * US

SERVE_RULES = {
    None: Serve.NONE,
    "most_recent": Serve.MOST_RECENT,
    "least_recent": Serve.LEAST_RECENT,
}
EVICT_RULES = {None: Evict.NONE, "lru": Evict.LRU, "largest": Evict.LARGEST}


class Tenant:
    """Who owns functions. ``quota_concurrency`` and ``quota_mb`` are None without a limit."""

    def __init__(self, number: int, facts: TenantFacts) -> None:
        self.number = number
        self.name = facts.name
        self.weight = facts.weight
        self.quota_concurrency = facts.quota_concurrency or None
        self.quota_mb = facts.quota_mb or None
        self.functions: list[Function] = []
        self.running = 0
        """Invocations that run or are bound to an instance that starts."""
        self.memory_mb = 0
        """Memory of its instances."""
        self.served = 0
        """Invocations that have begun."""

    def __hash__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"Tenant({self.name!r})"


class Image:
    """What a node must have before it can start an instance: names of packages, and their size."""

    def __init__(self, number: int, facts: ImageFacts, setup: Setup) -> None:
        self.number = number
        self.name = facts.name
        self.packages = tuple(setup.packages[each].name for each in facts.packages)
        self.size_mb = sum(setup.packages[each].size_mb for each in facts.packages)
        self._packages = facts.packages

    def __hash__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"Image({self.name!r})"


class Function:
    """What is invoked, with its declared figures."""

    def __init__(self, number: int, facts: FunctionFacts, tenant: Tenant, image: Image) -> None:
        self.number = number
        self.name = facts.name
        self.tenant = tenant
        self.image = image
        self.memory_mb = facts.memory_mb
        self.init_seconds = facts.init_us / US
        self.concurrency = facts.concurrency
        self.timeout_seconds = facts.timeout_us / US
        self.patience_seconds = facts.patience_us / US
        self._patience_us = facts.patience_us
        self._waiting: dict[int, Invocation] = {}
        self._instances: dict[int, Instance] = {}
        self._keep_us = DEFAULT_KEEP_ALIVE_US

    @property
    def queue(self) -> "list[Invocation]":
        """Its invocations that wait and are not bound, in order of arrival."""
        return list(self._waiting.values())

    @property
    def instances(self) -> "list[Instance]":
        """Its instances that exist, in order of creation."""
        return list(self._instances.values())

    def __hash__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"Function({self.name!r})"


class Invocation:
    """One call of a function."""

    __slots__ = ("_began_us", "_us", "function", "instance", "number", "state")

    def __init__(self, number: int, function: Function, us: int) -> None:
        self.number = number
        self.function = function
        self.state = "waiting"
        """"waiting", "bound", "running", "done", "failed", "timed_out" or "rejected"."""
        self.instance: Instance | None = None
        self._us = us
        self._began_us = -1

    @property
    def tenant(self) -> Tenant:
        """The tenant of its function."""
        return self.function.tenant

    @property
    def arrived(self) -> float:
        """When it arrived."""
        return self._us / US

    @property
    def deadline(self) -> float:
        """When its patience ends, unless it has begun by then."""
        return (self._us + self.function._patience_us) / US

    def __hash__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"Invocation({self.number}, {self.function.name!r}, {self.state})"


class Instance:
    """One copy of a function on a node."""

    __slots__ = (
        "_bound", "_created_us", "_expires_us", "_idle_us", "_keep_us", "_on", "_ready_us",
        "_state", "function", "in_use", "node", "number", "uses",
    )  # fmt: skip

    def __init__(self, number: int, function: Function, node: "Node", us: int) -> None:
        self.number = number
        self.function = function
        self.node = node
        self.in_use = 0
        """Invocations that run in it."""
        self.uses = 0
        """Invocations that have begun in it."""
        self._bound = 0
        self._created_us = us
        self._ready_us = -1
        self._idle_us = -1
        self._expires_us = FOREVER
        self._keep_us: int | None = None
        self._on = False
        self._state = "pulling"

    @property
    def state(self) -> str:
        """ "pulling", "initialising", "idle", "busy" or "gone"."""
        if self._on:
            return "busy" if self.in_use else "idle"
        return self._state

    @property
    def room(self) -> int:
        """How many more invocations it can take now: to run if it is ready, else to be bound."""
        if self._state == "gone":
            return 0
        return self.function.concurrency - self.in_use - self._bound

    @property
    def created(self) -> float:
        """When it was created."""
        return self._created_us / US

    @property
    def idle_since(self) -> float | None:
        """When it last became idle, None while it is not idle."""
        return self._idle_us / US if self.state == "idle" else None

    @property
    def expires(self) -> float | None:
        """When its keep-alive ends, ``math.inf`` for never, None while it is not idle."""
        if self.state != "idle":
            return None
        return math.inf if self._expires_us == FOREVER else self._expires_us / US

    def __hash__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"Instance({self.number}, {self.function.name!r} on {self.node.name}, {self.state})"


class Node:
    """A machine with its memory and its package cache; ``disk_mb`` is None without a limit."""

    def __init__(self, number: int, facts: NodeFacts, setup: Setup) -> None:
        self.number = number
        self.name = facts.name
        self.memory_mb = facts.memory_mb
        self.disk_mb = None if facts.disk_mb == NO_LIMIT else facts.disk_mb
        self.pull_mb_per_second = facts.pull_mb_per_second
        self.free_mb = facts.memory_mb
        self._sizes = [each.size_mb for each in setup.packages]
        self._names = [each.name for each in setup.packages]
        self._on_disk: dict[int, bool] = {}
        self._used_mb = 0
        self._instances: dict[int, Instance] = {}

    @property
    def instances(self) -> list[Instance]:
        """The instances that exist on it, in order of creation."""
        return list(self._instances.values())

    @property
    def idle(self) -> list[Instance]:
        """Its idle instances, the one that has been idle longest first."""
        idle = [each for each in self._instances.values() if each._on and not each.in_use]
        return sorted(idle, key=lambda each: (each._idle_us, each.number))

    def _idle_mb(self) -> int:
        return sum(
            each.function.memory_mb
            for each in self._instances.values()
            if each._on and not each.in_use
        )

    @property
    def packages(self) -> list[str]:
        """The names of the packages that are in its cache."""
        return [self._names[each] for each, arrived in self._on_disk.items() if arrived]

    def missing_mb(self, function: Function) -> int:
        """Return how much of a function's image is neither in the cache nor on its way."""
        needed = function.image._packages
        return sum(self._sizes[each] for each in needed if each not in self._on_disk)

    def has_disk_for(self, function: Function) -> bool:
        """Tell whether a function's image fits the disk beside what instances use."""
        return self._has_disk(set(function.image._packages))

    def _has_disk(self, needed: set[int], leaving: Collection[Instance] = ()) -> bool:
        """Tell whether packages fit the disk beside those in use and those on their way."""
        if self.disk_mb is None:
            return True
        kept = set(needed)
        for other in self._instances.values():
            if other not in leaving:
                kept.update(other.function.image._packages)
        kept.update(each for each, arrived in self._on_disk.items() if not arrived)
        return sum(self._sizes[each] for each in kept) <= self.disk_mb

    def can_start(self, function: Function) -> bool:
        """Tell whether ``Start(function, node)`` is possible now without removing an instance."""
        tenant = function.tenant
        return (
            self.free_mb >= function.memory_mb
            and (
                tenant.quota_mb is None or tenant.memory_mb + function.memory_mb <= tenant.quota_mb
            )
            and self.has_disk_for(function)
        )

    def __hash__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        return f"Node({self.name!r}, {self.free_mb} of {self.memory_mb} MB free)"


class Arrived:
    """An invocation arrived. It runs already where its ``state`` is not "waiting"."""

    __slots__ = ("invocation", "time")

    def __init__(self, time: float, invocation: Invocation) -> None:
        self.time = time
        self.invocation = invocation


class Completed:
    """An invocation ended after ``duration`` seconds; ``failed`` if its timeout ended it."""

    __slots__ = ("duration", "failed", "instance", "invocation", "time", "was_cold")

    def __init__(
        self,
        time: float,
        invocation: Invocation,
        instance: Instance,
        duration: float,
        was_cold: bool,
        failed: bool,
    ) -> None:
        self.time = time
        self.invocation = invocation
        self.instance = instance
        self.duration = duration
        self.was_cold = was_cold
        self.failed = failed


class Ready:
    """An instance became ready."""

    __slots__ = ("instance", "time")

    def __init__(self, time: float, instance: Instance) -> None:
        self.time = time
        self.instance = instance


class Expired:
    """The keep-alive of an instance ended, so it is gone."""

    __slots__ = ("instance", "time")

    def __init__(self, time: float, instance: Instance) -> None:
        self.time = time
        self.instance = instance


class Evicted:
    """The rule of eviction removed an instance."""

    __slots__ = ("instance", "time")

    def __init__(self, time: float, instance: Instance) -> None:
        self.time = time
        self.instance = instance


class TimedOut:
    """The patience of an invocation ended before it began."""

    __slots__ = ("invocation", "time")

    def __init__(self, time: float, invocation: Invocation) -> None:
        self.time = time
        self.invocation = invocation


class Platform:
    """The ``p`` of a policy: the whole platform, the rules, the clock, and what the policy adds."""

    def __init__(self, setup: Setup) -> None:
        images = [Image(number, each, setup) for number, each in enumerate(setup.images)]
        self.tenants = [Tenant(number, each) for number, each in enumerate(setup.tenants)]
        self.nodes = [Node(number, each, setup) for number, each in enumerate(setup.nodes)]
        self.images = [each for each in images if each.name]
        self.functions = [
            Function(number, each, self.tenants[each.tenant], images[each.image])
            for number, each in enumerate(setup.functions)
        ]
        for function in self.functions:
            function.tenant.functions.append(function)
        self.gb_seconds_per_delay_second = setup.price_mb_us / (MB_PER_GB * US)
        """As many GB·s of idle memory cost as much as one second of delay."""
        # Policies choose their own names for what they keep here: these must not be among them.
        self._evicts = False
        self.__us = 0
        self.__rules: list[tuple[str, Any, Any]] = []
        self.__wakes: list[int] = []
        self.__waiting: dict[int, Invocation] = {}
        self.__instances: dict[int, Instance] = {}

    def now(self) -> float:
        """Return the time in seconds."""
        return self.__us / US

    @property
    def queue(self) -> list[Invocation]:
        """The invocations that wait and are not bound, in order of arrival."""
        return list(self.__waiting.values())

    @property
    def instances(self) -> list[Instance]:
        """The instances that exist, in order of creation."""
        return list(self.__instances.values())

    def serve_warm(self, function: Function, order: str | None = "most_recent") -> None:
        """Let invocations of a function begin at once where one of its ready instances has room.

        ``order``: "most_recent" (the rule of every function at the beginning), "least_recent", or
        None to be asked each time.
        """
        if order not in list(SERVE_RULES):
            raise ValueError(f"order is {order!r}, expected 'most_recent', 'least_recent' or None")
        self.__rules.append(("serve_warm", function, SERVE_RULES[order]))

    def keep_alive(self, function: Function, seconds: float) -> None:
        """Let instances of a function that become idle from now on expire after ``seconds``.

        600 at the beginning; ``math.inf`` is for ever. A ``KeepAlive`` of an instance goes before.
        """
        us = keep_us(seconds)
        if isinstance(function, Function):
            function._keep_us = us
        self.__rules.append(("keep_alive", function, us))

    def evict(self, order: str | None) -> None:
        """Let a ``Start`` that lacks quota, memory or disk remove idle instances.

        ``order``: "lru" (idle longest first), "largest" (most memory first, then as "lru"), or None
        (the rule at the beginning), with which such a ``Start`` is an invalid decision.
        """
        if order not in list(EVICT_RULES):
            raise ValueError(f"order is {order!r}, expected 'lru', 'largest' or None")
        self._evicts = order is not None
        self.__rules.append(("evict", None, EVICT_RULES[order]))

    def wake_at(self, seconds: float) -> None:
        """Ask for a call at a time; a time that is not in the future is ignored.

        Any number of requests may be pending.
        """
        us = microseconds(seconds)
        if us is not None and us > self.__us:
            heappush(self.__wakes, us)

    def wake_in(self, seconds: float) -> None:
        """Ask for a call so many seconds from now; 0 is ignored."""
        us = microseconds(seconds)
        if us:
            heappush(self.__wakes, self.__us + us)

    def _advance(self, us: int) -> None:
        self.__us = us

    def _wake(self) -> int | None:
        """Return the earliest request for a call that is still to come."""
        wakes = self.__wakes
        while wakes and wakes[0] <= self.__us:
            heappop(wakes)
        return wakes[0] if wakes else None

    def _take_rules(self) -> Sequence[tuple[str, Any, Any]]:
        rules, self.__rules = self.__rules, []
        return rules

    def _registers(self) -> tuple[dict[int, Invocation], dict[int, Instance]]:
        """Return what waits and what exists, for the policy's side to keep up to date."""
        return self.__waiting, self.__instances


def microseconds(seconds: object) -> int | None:
    """Return the nearest microsecond, of two the even one; None for infinity."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds != seconds:
        raise ValueError(f"{seconds!r} is not a number of seconds")
    if seconds < 0:
        raise ValueError(f"{seconds!r} seconds are negative, expected 0 or more")
    if seconds == math.inf:
        return None
    if isinstance(seconds, int):
        return min(seconds, MOST_SECONDS) * US
    return round(min(seconds, MOST_SECONDS) * US)


def keep_us(seconds: object) -> int:
    """Return a keep-alive in microseconds, FOREVER for infinity."""
    us = microseconds(seconds)
    return FOREVER if us is None else us


MOST_SECONDS = 1_000_000_000
"""Longer times, of about 32 years, are cut to this."""
