"""Random scenarios with many ties, and random policies that decide what is possible."""

import random
from typing import Any

import msgspec
from hypothesis import strategies as st

from simulator.domains.faas.messages import Function, Image, Node, Package, Setup, Tenant
from simulator.domains.faas.plan import KeepAlive, Prefetch, Reject, Run, Start, Stop
from simulator.domains.faas.policy_api import Platform
from simulator.domains.faas.world import World, check_world, cold_start_us

PRICES = (1_000_000, 50_000_000, 60 * 1024 * 1_000_000)


@st.composite
def worlds(draw: st.DrawFn, most: int = 30) -> World:
    """Return a scenario of a few microseconds, with quotas, packages and small disks."""
    small = st.integers(1, 3)
    packages = tuple(
        Package(f"p{number}", size)
        for number, size in enumerate(draw(st.lists(small, min_size=4, max_size=6)))
    )
    subsets = st.lists(st.sampled_from(range(len(packages))), unique=True, min_size=1, max_size=2)
    images = tuple(
        Image(f"i{number}", tuple(chosen))
        for number, chosen in enumerate(draw(st.lists(subsets, min_size=1, max_size=3)))
    )
    tenants = tuple(
        Tenant(f"t{number}", draw(small), draw(st.integers(0, 3)), draw(st.sampled_from([0, 3, 6])))
        for number in range(draw(small))
    )
    nodes = tuple(
        Node(f"n{number}", draw(st.integers(4, 8)), draw(st.sampled_from([0, 6, 6])), 400_000)
        for number in range(draw(st.integers(1, 2)))
    )
    functions = tuple(
        _function(draw, number, tenants, images, nodes, packages)
        for number in range(draw(st.integers(1, 4)))
    )
    calls = draw(st.sampled_from(["on_decision", "every_event"]))
    setup = Setup(calls, draw(st.sampled_from(PRICES)), packages, images, nodes, tenants, functions)
    duration = draw(st.integers(10, 80))
    times = sorted(draw(st.lists(st.integers(0, duration - 1), min_size=most // 3, max_size=most)))
    numbers = st.integers(0, len(functions) - 1)
    world = World(
        setup=setup,
        duration_us=duration,
        times=times,
        functions=[draw(numbers) for _ in times],
        services=[draw(st.integers(1, 12)) for _ in times],
    )
    check_world(world, "random")
    return world


def _function(
    draw: st.DrawFn,
    number: int,
    tenants: tuple[Tenant, ...],
    images: tuple[Image, ...],
    nodes: tuple[Node, ...],
    packages: tuple[Package, ...],
) -> Function:
    small = st.integers(1, 3)
    made = Function(
        f"f{number}",
        draw(st.integers(0, len(tenants) - 1)),
        draw(st.integers(0, len(images) - 1)),
        draw(small),
        draw(small),
        draw(small),
        draw(st.integers(4, 14)),
        1,
    )
    setup = Setup("on_decision", 1, packages, images, nodes, tenants, (made,))
    longest = max(cold_start_us(made, node, setup) for node in nodes)
    patience = longest + draw(st.integers(0, 10))
    return msgspec.structs.replace(made, patience_us=patience)


def random_policy(seed: int) -> Any:
    """Return a step that takes one random action that the platform says is possible."""
    rng = random.Random(seed)

    def step(p: Platform, events: list[Any]) -> list[Any]:
        if rng.random() < 0.3:
            p.wake_in(rng.randint(0, 4) / 1_000_000)
        chosen = rng.random()
        if chosen < 0.1:
            _change_a_rule(p, rng)
        options = _options(p)
        if not options or chosen < 0.15:
            return []
        return [rng.choice(options)]

    return step


def _change_a_rule(p: Platform, rng: random.Random) -> None:
    function = rng.choice(p.functions)
    match rng.randrange(3):
        case 0:
            p.serve_warm(function, rng.choice(["most_recent", "least_recent", None]))
        case 1:
            p.keep_alive(function, rng.choice([0, 1e-6, 5e-6, float("inf")]))
        case 2:
            rule = rng.choice(["lru", "largest", None])
            vars(p)["rule"] = rule
            p.evict(rule)


def _options(p: Platform) -> list[Any]:
    options: list[Any] = []
    for invocation in p.queue:
        tenant = invocation.tenant
        below = tenant.quota_concurrency is None or tenant.running < tenant.quota_concurrency
        options += [
            Run(invocation, each)
            for each in invocation.function.instances
            if each.room > 0 and below
        ]
        options += [
            Start(invocation.function, node, invocation if below else None)
            for node in p.nodes
            if node.can_start(invocation.function)
        ] * 2
    options += [Reject(each) for each in p.queue[:1]]
    for instance in p.instances:
        if instance.in_use == 0 and instance.room == instance.function.concurrency:
            options.append(Stop(instance))
        options.append(KeepAlive(instance, (instance.number % 4) / 1_000_000))
    for node in p.nodes:
        options += [Prefetch(node, each) for each in p.functions if node.has_disk_for(each)]
        options += [Start(each, node) for each in p.functions if _can_evict_for(p, each, node)] * 2
        options += [
            Start(each, node, None, 2e-6) for each in p.functions[:2] if node.can_start(each)
        ]
    return options


def _can_evict_for(p: Platform, function: Any, node: Any) -> bool:
    """Tell whether a start is possible only because the rule of eviction makes room."""
    idle_mb = sum(each.function.memory_mb for each in node.idle)
    tenant = function.tenant
    own_mb = sum(
        each.function.memory_mb
        for each in p.instances
        if each.function.tenant is tenant and each.state == "idle"
    )
    return (
        getattr(p, "rule", None) is not None
        and (
            tenant.quota_mb is None
            or tenant.memory_mb - own_mb + function.memory_mb <= tenant.quota_mb
        )
        and function.memory_mb <= node.free_mb + idle_mb
        and node.has_disk_for(function)
    )
