"""A world: who owns which functions, on which nodes they run, and every invocation of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.domains.faas.messages import NO_LIMIT, Function, Node, Setup
from simulator.errors import InputError
from simulator.textfile import show

US = 1_000_000
"""Microseconds in a second."""
MB_PER_GB = 1024
CALLS = ("on_decision", "every_event")
MAX_SECONDS = 10_000_000
MAX_INVOCATIONS = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a policy may know (``setup``), and what it may not: the duration and the invocations.

    ``times``, ``functions`` and ``services`` have one entry per invocation, in order of arrival.
    """

    setup: Setup
    duration_us: int
    times: Sequence[int]
    functions: Sequence[int]
    services: Sequence[int]

    @property
    def end_us(self) -> int:
        """When the simulation ends: by then every invocation has begun or run out of patience."""
        return self.duration_us + max(each.patience_us for each in self.setup.functions)


def check_world(world: World, where: str) -> None:
    """Refuse a scenario that no policy could serve, or that is inconsistent in itself."""
    setup, count = world.setup, len(world.times)
    if not 1 <= count <= MAX_INVOCATIONS:
        raise InputError(f"{where}: {count} invocations, expected 1 to {MAX_INVOCATIONS}")
    if not (count == len(world.functions) == len(world.services)) or not setup.functions:
        raise InputError(f"{where}: the invocations are incomplete, expected equally many columns")
    if setup.calls not in CALLS:
        raise InputError(f"{where}: calls is {show(setup.calls)}, expected {' or '.join(CALLS)}")
    if not 0 < world.duration_us <= MAX_SECONDS * US:
        raise InputError(
            f"{where}: the duration is {world.duration_us} us, expected up to {MAX_SECONDS} s"
        )
    known = range(len(setup.functions))
    before = 0
    for time, function, service in zip(world.times, world.functions, world.services, strict=True):
        if not before <= time < world.duration_us or function not in known or service < 1:
            raise InputError(
                f"{where}: invocation ({time}, {function}, {service}) is out of order or range"
            )
        before = time
    for facts in setup.functions:
        problem = why_unservable(facts, setup)
        if problem is not None:
            raise InputError(f"{where}: {problem}")


def why_unservable(function: Function, setup: Setup) -> str | None:
    """Return why no policy could serve a function, or None if it fits and starts in time."""
    title = f"function {show(function.name)}"
    packages = [setup.packages[each] for each in setup.images[function.image].packages]
    image_mb = sum(each.size_mb for each in packages)
    fits = [
        node
        for node in setup.nodes
        if node.memory_mb >= function.memory_mb
        and (node.disk_mb == NO_LIMIT or node.disk_mb >= image_mb)
    ]
    if not fits:
        return (
            f"{title} needs memory_mb {function.memory_mb} and disk_mb {image_mb} for its image, "
            "which no node has; enlarge a node"
        )
    quota = setup.tenants[function.tenant].quota_mb
    if quota != NO_LIMIT and quota < function.memory_mb:
        return (
            f"{title} needs memory_mb {function.memory_mb}, more than the quota_mb {quota} of its "
            "tenant; raise the quota"
        )
    longest = max(cold_start_us(function, node, setup) for node in fits)
    if longest > function.patience_us:
        return (
            f"{title} takes up to {longest / US:g} s to start cold, longer than its "
            f"patience_seconds {function.patience_us / US:g}; raise them"
        )
    return None


def pull_us(size_mb: int, mb_per_second: int) -> int:
    """Return how long a package takes on a link, rounded up to a microsecond."""
    return -(-size_mb * US // mb_per_second)


def cold_start_us(function: Function, node: Node, setup: Setup) -> int:
    """Return how long a start takes on a node with an empty cache and a free link."""
    packages = setup.images[function.image].packages
    pulls = [pull_us(setup.packages[each].size_mb, node.pull_mb_per_second) for each in packages]
    return sum(pulls) + function.init_us
