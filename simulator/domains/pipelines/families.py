"""Families of workloads with genuinely different operators, drawn from a seeded generator."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from simulator.domains.pipelines.families_table import FAMILIES, KINDS, Family, Kind
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload

Draw = Callable[[], float]
MAX_MEMORY_SHARE = 0.85
"""Most memory that an operator needs, as a share of a pool: every operator fits somewhere."""
MIN_SECONDS = 0.2
ARRIVAL_SHARE = 0.75
"""Pipelines arrive within this share of the duration, so that late ones can still end."""
PRIORITIES = (Priority.QUERY, Priority.INTERACTIVE, Priority.BATCH_PIPELINE)


def generate_family(family: Family, seed: int) -> Workload:
    """Return the workload of a family for a seed, arrivals on whole ticks of its clock.

    Only ``Generator.random`` is drawn from and every figure is rounded, so that the same seed gives
    the same trace with every version of numpy.
    """
    draw: Draw = np.random.default_rng([seed, *family.name.encode()]).random
    rate = int(family.params["ticks_per_second"])
    arrivals = _arrivals(family, draw)
    pipelines = []
    for number, seconds in enumerate(arrivals, start=1):
        priority = PRIORITIES[_weighted(draw, family.priorities)]
        pipelines.append(
            Pipeline(
                id=f"p{number}",
                priority=priority,
                arrival_tick=int(seconds * rate),
                operators=_operators(family, priority, draw),
            )
        )
    return Workload(pipelines=tuple(pipelines))


def find_family(name: str) -> Family:
    """Return the family of that name; raise ``KeyError`` if there is none."""
    return next((family for family in FAMILIES if family.name == name), None) or _missing(name)


def scaled_down(family: Family, pipelines: int, duration: int) -> Family:
    """Return a smaller family with another number of pipelines over another duration."""
    return replace(family, pipelines=pipelines, params={**family.params, "duration": duration})


def _missing(name: str) -> Family:
    raise KeyError(f"unknown family {name!r}, expected {', '.join(each.name for each in FAMILIES)}")


def _arrivals(family: Family, draw: Draw) -> list[float]:
    horizon = float(family.params["duration"]) * ARRIVAL_SHARE
    count = family.pipelines
    match family.arrivals:
        case "regular":
            times = [horizon * number / count for number in range(count)]
        case "burst":
            size = max(1, count // 6)
            starts = sorted(draw() * horizon for _ in range(math.ceil(count / size)))
            times = [starts[number // size] + draw() for number in range(count)]
        case "diurnal":
            times = [horizon * _diurnal(draw()) for _ in range(count)]
        case _:
            times = [horizon * draw() for _ in range(count)]
    return sorted(times)


def _diurnal(share: float) -> float:
    """Map a uniform share to a time with two peaks, by bisection of the cumulated rate."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if middle - 0.9 * math.sin(4 * math.pi * middle) / (4 * math.pi) < share:
            low = middle
        else:
            high = middle
    return low


def _operators(family: Family, priority: Priority, draw: Draw) -> tuple[Operator, ...]:
    low, high = family.sizes[PRIORITIES.index(priority)]
    count = low + int(draw() * (high - low + 1))
    result = []
    for position in range(count):
        place = "root" if position == 0 else "last" if position == count - 1 else "inner"
        names = {"root": family.roots, "inner": family.inner, "last": family.last}[place]
        kind = KINDS[names[int(draw() * len(names))]]
        result.append(
            Operator(
                id=f"op{position + 1}",
                parents=_parents(family.shape, position, count, draw),
                segments=(_segment(family, kind, draw),),
            )
        )
    return tuple(result)


def _parents(shape: str, position: int, count: int, draw: Draw) -> tuple[int, ...]:
    if position == 0:
        return ()
    match shape:
        case "fan_out":
            return (0,)
        case "fan_in":
            return tuple(range(position)) if position == count - 1 else ()
        case "diamond":
            return tuple(range(1, position)) or (0,) if position == count - 1 else (0,)
        case "random":
            first = int(draw() * position)
            second = int(draw() * position)
            return tuple(sorted({first, second}))
        case _:
            return (position - 1,)


def _segment(family: Family, kind: Kind, draw: Draw) -> Segment:
    limit = float(family.params["ram_gb_per_pool"]) * MAX_MEMORY_SHARE
    spread = kind.sigma * family.tail
    cpu = kind.cpu_seconds * family.cpu * _lognormal(draw, spread)
    read = min(kind.read_gb * family.read * _lognormal(draw, spread), limit)
    memory = min(kind.memory_gb * family.memory * _lognormal(draw, spread), limit)
    grows = draw() < kind.growing
    scaling = kind.scalings[int(draw() * len(kind.scalings))]
    return Segment(
        baseline_cpu_seconds=round(min(max(cpu, MIN_SECONDS), family.max_cpu_seconds), 2),
        cpu_scaling=scaling,
        memory_gb=None if grows else round(max(memory, 0.1), 1),
        storage_read_gb=round(max(read, 0.1), 1),
    )


def _lognormal(draw: Draw, sigma: float) -> float:
    """Return a lognormal factor of median 1, made from two uniform draws."""
    radius = math.sqrt(-2 * math.log(1 - draw()))
    return math.exp(sigma * radius * math.cos(2 * math.pi * draw()))


def _weighted(draw: Draw, weights: tuple[float, ...]) -> int:
    point = draw() * sum(weights)
    for index, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return index
    return len(weights) - 1
