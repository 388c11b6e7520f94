"""What a run costs: charged delay by tenant, and charged memory at a price."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from simulator.domains.faas.messages import NO_LIMIT, Function, Setup
from simulator.domains.faas.world import US, World, cold_start_us


def charged_mb_us(stats: Mapping[str, Any]) -> int:
    """Return the memory over time that the cost charges."""
    names = ("pull_mb_us", "init_mb_us", "idle_mb_us", "missed_mb_us")
    return sum(stats[name] for name in names)


def cost_metrics(world: World, stats: Mapping[str, Any]) -> dict[str, float]:
    """Return the cost at three prices and its two parts, each the double nearest to it."""
    charged_us = delay_us(world, stats["tenants"])
    memory_us = _memory_us(world, charged_mb_us(stats))
    return {
        "cost_seconds": _seconds(charged_us + memory_us),
        "cost_at_quarter_price_seconds": _seconds(charged_us + memory_us / 4),
        "cost_at_four_times_price_seconds": _seconds(charged_us + memory_us * 4),
        "delay_cost_seconds": _seconds(charged_us),
        "memory_cost_seconds": _seconds(memory_us),
        "worst_cost_seconds": _seconds(worst_cost_us(world)),
    }


def worst_delay_us(world: World) -> Fraction:
    """Return the mean charged delay where nothing is served."""
    rows = {}
    for tenant, members in zip(world.setup.tenants, by_tenant(world), strict=True):
        functions = [world.setup.functions[world.functions[each]] for each in members]
        patience = sum(each.patience_us for each in functions)
        rows[tenant.name] = {"invocations": len(members), "delay_us": patience}
    return delay_us(world, rows)


def worst_cost_us(world: World) -> Fraction:
    """Return the cost where nothing is served and all memory idles, which no run can exceed."""
    setup = world.setup
    dearest = [dearest_start_mb_us(each, setup) for each in setup.functions]
    missed = sum(dearest[each] for each in world.functions)
    whole = sum(node.memory_mb for node in setup.nodes) * world.end_us
    return worst_delay_us(world) + _memory_us(world, whole + missed)


def delay_us(world: World, tenants: Mapping[str, Any]) -> Fraction:
    """Return the mean over tenants, by weight, of the mean charged delay of their invocations."""
    rows = [
        (tenant.weight, tenants[tenant.name])
        for tenant in world.setup.tenants
        if tenants[tenant.name]["invocations"]
    ]
    weights = sum(weight for weight, _ in rows)
    return sum(
        (Fraction(weight * row["delay_us"], weights * row["invocations"]) for weight, row in rows),
        Fraction(0),
    )


def _memory_us(world: World, mb_us: int) -> Fraction:
    """Return what memory costs, in µs of delay per invocation."""
    return Fraction(mb_us * US, world.setup.price_mb_us * len(world.times))


def by_tenant(world: World) -> list[list[int]]:
    """Return the numbers of the invocations of each tenant, in order of arrival."""
    members: list[list[int]] = [[] for _ in world.setup.tenants]
    for number, function in enumerate(world.functions):
        members[world.setup.functions[function].tenant].append(number)
    return members


def dearest_start_mb_us(function: Function, setup: Setup) -> int:
    """Return the memory over time of the longest cold start, on its own, on a node that fits."""
    image_mb = sum(setup.packages[each].size_mb for each in setup.images[function.image].packages)
    return function.memory_mb * max(
        cold_start_us(function, node, setup)
        for node in setup.nodes
        if node.memory_mb >= function.memory_mb
        and (node.disk_mb == NO_LIMIT or node.disk_mb >= image_mb)
    )


def _seconds(us: Fraction) -> float:
    return float(us / US)
