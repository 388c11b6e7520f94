"""Says in a few lines on what platforms a policy is tried, and how much arrives there."""

from collections.abc import Sequence
from statistics import median

from simulator.domains.faas.messages import NO_LIMIT, Setup
from simulator.domains.faas.scenario import Scenario
from simulator.domains.faas.world import MB_PER_GB, US


def outline(scenarios: Sequence[Scenario]) -> list[str]:
    """Return a line for each family: its platform, its functions, and how much arrives."""
    families: dict[str, list[Scenario]] = {}
    for each in scenarios:
        families.setdefault(each.family, []).append(each)
    return [f"- {name}: {_family(known)}" for name, known in families.items()]


def _family(known: Sequence[Scenario]) -> str:
    setups = [each.world.setup for each in known]
    rates = [60 * each.size["invocations"] / each.duration_seconds for each in known]
    prices = [setup.price_mb_us / (MB_PER_GB * US) for setup in setups]
    facts = [
        f"{_span([each.duration_seconds / 3600 for each in known])} h",
        _nodes(setups),
        f"{_count([len(setup.functions) for setup in setups], 'function')} of "
        f"{_count([len(setup.tenants) for setup in setups], 'tenant')}",
        _functions(setups),
        f"{_span(rates)} invocations per minute",
        f"{_span(prices)} GB s idle cost 1 s of delay",
    ]
    return "; ".join([*facts, *_particulars(setups)])


def _nodes(setups: Sequence[Setup]) -> str:
    counts = [len(setup.nodes) for setup in setups]
    sizes = [node.memory_mb / MB_PER_GB for setup in setups for node in setup.nodes]
    return f"{_count(counts, 'node')} of {_span(sizes)} GB"


def _functions(setups: Sequence[Setup]) -> str:
    functions = [each for setup in setups for each in setup.functions]
    memory = [each.memory_mb for each in functions]
    init = [each.init_us / US for each in functions]
    return (
        f"they take {_span(memory)} MB (median {median(memory):g}) and "
        f"{_span(init)} s to initialise"
    )


def _particulars(setups: Sequence[Setup]) -> list[str]:
    """Return what not every platform has: images, quotas, weights, wide instances."""
    facts = []
    images = [
        sum(setup.packages[each].size_mb for each in image.packages)
        for setup in setups
        for image in setup.images
        if image.packages
    ]
    if images:
        speeds = [node.pull_mb_per_second for setup in setups for node in setup.nodes]
        facts.append(f"images of {_span(images)} MB, pulled at {_span(speeds)} MB per second")
    disks = [node.disk_mb for setup in setups for node in setup.nodes if node.disk_mb != NO_LIMIT]
    if disks:
        facts.append(f"disks of {_span(disks)} MB for packages")
    tenants = [tenant for setup in setups for tenant in setup.tenants]
    if any(each.quota_mb or each.quota_concurrency for each in tenants):
        facts.append("tenants with quotas")
    if len({each.weight for each in tenants}) > 1:
        facts.append(f"tenants of weight {_span([each.weight for each in tenants])}")
    widths = [each.concurrency for setup in setups for each in setup.functions]
    if max(widths) > 1:
        facts.append(f"instances that run {_span(widths)} invocations at a time")
    return facts


def _count(values: Sequence[int], noun: str) -> str:
    return f"{_span(values)} {noun}{'' if max(values) == 1 else 's'}"


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.4g}", f"{max(values):.4g}"
    return low if low == high else f"{low} to {high}"
