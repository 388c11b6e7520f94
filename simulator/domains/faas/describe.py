"""What a scenario asks of its platform: arrivals, sizes, starts, gaps and the work of tenants."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from simulator.domains.faas.messages import NO_LIMIT, Node, Setup
from simulator.domains.faas.scenario import Scenario
from simulator.domains.faas.world import MB_PER_GB, US, World

QUANTILES = (10, 50, 90, 100)
BARS = " ▁▂▃▄▅▆▇█"
COLUMNS = 60
MOST_TENANTS = 12
"""Tenants on the page, those with most work first; plain values have all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantLoad:
    """What one tenant brings."""

    name: str
    functions: int
    invocations: int
    work_share: float
    """Part of the memory of all nodes over time that its invocations would fill if none waited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Figures of a scenario; quantiles are those of ``QUANTILES``, in order."""

    arrivals: list[int]
    """Invocations that arrive in each of ``COLUMNS`` equal parts of the duration."""
    nodes: list[str]
    """How many of which, equal ones together."""
    gb_seconds_per_delay_second: float
    memory_mb: list[float]
    """Of a function's instance."""
    init_seconds: list[float]
    image_mb: list[float]
    """All packages of a function."""
    service_seconds: list[float]
    """How long an invocation runs if nothing ends it before."""
    gap_seconds: list[float]
    """Between two arrivals of one function."""
    memory_of_all_functions: float
    """One instance of each function, as a part of the memory of all nodes."""
    tenants: list[TenantLoad]

    @property
    def work_share(self) -> float:
        """Part of the memory of all nodes that the invocations would fill if none waited."""
        return sum(each.work_share for each in self.tenants)


def describe(scenario: Scenario) -> Description:
    """Return the figures of a scenario."""
    world, setup = scenario.world, scenario.world.setup
    functions = setup.functions
    sizes = [sum(setup.packages[each].size_mb for each in image.packages) for image in setup.images]
    return Description(
        arrivals=_arrivals(world),
        nodes=_nodes(setup.nodes),
        gb_seconds_per_delay_second=setup.price_mb_us / (MB_PER_GB * US),
        memory_mb=_quantiles(each.memory_mb for each in functions),
        init_seconds=_quantiles(each.init_us / US for each in functions),
        image_mb=_quantiles(sizes[each.image] for each in functions),
        service_seconds=_quantiles(each / US for each in world.services),
        gap_seconds=_quantiles(_gaps(world)),
        memory_of_all_functions=sum(each.memory_mb for each in functions) / _memory_mb(setup),
        tenants=_tenants(world),
    )


def describe_scenario(scenario: Scenario) -> list[str]:
    """Return the page about one scenario, in lines of at most 80 columns."""
    found = describe(scenario)
    size = scenario.size
    most = max(found.arrivals)
    bars = "".join(BARS[-(-count * 8 // max(most, 1))] for count in found.arrivals)
    heads = " ".join(f"{f'p{each}' if each < 100 else 'max':>9}" for each in QUANTILES)
    lines = [
        f"{scenario.name}: {size['invocations']} invocations in {scenario.duration_seconds:g} s",
        f"family {scenario.family}, split {scenario.split}, calls {scenario.calls}",
        f"arrivals   |{bars}|",
        f"            at most {most} in {scenario.duration_seconds / COLUMNS:g} s",
        *(f"{'nodes' if not place else '':12}{each}" for place, each in enumerate(found.nodes)),
        f"price       {found.gb_seconds_per_delay_second:g} GB s of idle memory cost 1 s of delay",
        f"{'':32}{heads}",
    ]
    rows = {
        "memory of a function, MB": found.memory_mb,
        "initialisation, s": found.init_seconds,
        "packages of a function, MB": found.image_mb,
        "run time of an invocation, s": found.service_seconds,
        "gap of a function, s": found.gap_seconds,
    }
    for name, figures in rows.items():
        lines.append(f"{name:32}" + " ".join(f"{each:9.4g}" for each in figures))
    lines += [
        f"work, of the memory of all nodes over time: {found.work_share:.2%}",
        "one instance of each function, of the memory of all nodes: "
        f"{found.memory_of_all_functions:.0%}",
        f"{'tenant':24}{'functions':>10}{'invocations':>13}{'work':>9}",
    ]
    shown = sorted(found.tenants, key=lambda each: -each.work_share)[:MOST_TENANTS]
    for each in shown:
        counts = f"{each.functions:10}{each.invocations:13}{each.work_share:9.2%}"
        lines.append(f"{_short(each.name):24}{counts}")
    left = len(found.tenants) - len(shown)
    return [*lines, f"and {left} more with less work"] if left else lines


def workload_figures(scenario: Scenario) -> dict[str, Any]:
    """Return the page about one scenario as plain values."""
    found = describe(scenario)
    return {**asdict(found), "quantiles": list(QUANTILES), "work_share": found.work_share}


def _short(name: str) -> str:
    return name if len(name) < 24 else f"{name[:20]}..."


def _nodes(nodes: Sequence[Node]) -> list[str]:
    """Return a line for each kind of node."""
    kinds: dict[tuple[int, int, int], int] = {}
    for each in nodes:
        kind = (each.memory_mb, each.disk_mb, each.pull_mb_per_second)
        kinds[kind] = kinds.get(kind, 0) + 1
    return [
        f"{count} of {memory_mb / MB_PER_GB:g} GB, pull {pull} MB/s"
        + ("" if disk_mb == NO_LIMIT else f", {disk_mb} MB of disk")
        for (memory_mb, disk_mb, pull), count in kinds.items()
    ]


def _tenants(world: World) -> list[TenantLoad]:
    setup = world.setup
    counts, work = [0] * len(setup.tenants), [0] * len(setup.tenants)
    for number, service in zip(world.functions, world.services, strict=True):
        function = setup.functions[number]
        counts[function.tenant] += 1
        place = function.memory_mb * min(service, function.timeout_us)
        work[function.tenant] += place // function.concurrency
    room = _memory_mb(setup) * world.duration_us
    return [
        TenantLoad(
            name=tenant.name,
            functions=sum(each.tenant == number for each in setup.functions),
            invocations=counts[number],
            work_share=work[number] / room,
        )
        for number, tenant in enumerate(setup.tenants)
    ]


def _gaps(world: World) -> list[float]:
    """Return the seconds between two arrivals of one function, of all functions."""
    last: dict[int, int] = {}
    gaps = []
    for time, function in zip(world.times, world.functions, strict=True):
        if function in last:
            gaps.append((time - last[function]) / US)
        last[function] = time
    return gaps


def _arrivals(world: World) -> list[int]:
    counts = [0] * COLUMNS
    for time in world.times:
        counts[time * COLUMNS // world.duration_us] += 1
    return counts


def _memory_mb(setup: Setup) -> int:
    return sum(each.memory_mb for each in setup.nodes)


def _quantiles(values: Iterable[float]) -> list[float]:
    ordered = np.fromiter(values, dtype=float)
    if not ordered.size:
        return [0.0] * len(QUANTILES)
    return [float(each) for each in np.percentile(ordered, QUANTILES)]
