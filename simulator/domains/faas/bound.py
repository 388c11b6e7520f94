"""The lower bound: what no policy can beat on a scenario, whatever it knows. See ``docs/faas.md``.

Only whole numbers are compared, so the bound is exact. A microsecond of delay of a function costs
``unit``, one of the idle memory of an instance costs ``memory``, both in the same exact unit.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fractions import Fraction

from simulator.domains.faas.messages import Function
from simulator.domains.faas.world import US, World


def lower_bound_us(world: World) -> Fraction:
    """Return a cost, in µs per invocation, that every policy's cost is at least."""
    count = len(world.times)
    setup = world.setup
    arrivals: list[list[tuple[int, int]]] = [[] for _ in setup.functions]
    of_tenant = [0 for _ in setup.tenants]
    for time, function, service in zip(world.times, world.functions, world.services, strict=True):
        facts = setup.functions[function]
        arrivals[function].append((time, time + min(service, facts.timeout_us)))
        of_tenant[facts.tenant] += 1
    weights = sum(each.weight for each, has in zip(setup.tenants, of_tenant, strict=True) if has)
    total = Fraction(0)
    for facts, runs in zip(setup.functions, arrivals, strict=True):
        if not runs:
            continue
        # In units of 1 / (weights * invocations of the tenant * price): all are whole numbers.
        scale = weights * of_tenant[facts.tenant] * setup.price_mb_us
        unit = count * setup.tenants[facts.tenant].weight * setup.price_mb_us
        memory = facts.memory_mb * US * weights * of_tenant[facts.tenant]
        bound = _alone if facts.concurrency == 1 else _together
        total += Fraction(bound(facts, runs, unit, memory), 2 * scale)
    return total / count


def _alone(facts: Function, runs: Sequence[tuple[int, int]], unit: int, memory: int) -> int:
    """Return twice the bound of a function whose instances run one invocation at a time.

    Each invocation needs a start of its own, an idle instance before it, or a wait.
    """
    starts = memory * facts.init_us
    twice_idle = min(2 * memory, unit)
    twice_wait = 2 * unit - twice_idle
    ends = sorted((end, place) for place, (_, end) in enumerate(runs))
    times = [end for end, _ in ends]
    twice_total = 0
    for place, (at, _) in enumerate(runs):
        best = 2 * starts
        before = bisect_right(times, at)
        if before:
            best = min(best, twice_idle * (at - times[before - 1]))
        after = bisect_left(times, at)
        if after < len(ends) and ends[after][1] == place:
            after += 1
        if after < len(ends):
            best = min(best, twice_wait * (times[after] - at))
        twice_total += best
    return twice_total


def _together(facts: Function, runs: Sequence[tuple[int, int]], unit: int, memory: int) -> int:
    """Return twice the bound of a function whose instances run several invocations at a time.

    Each stretch of work needs a start of its own, idle memory before it, or a wait.
    """
    starts = memory * facts.init_us
    twice_idle = min(2 * memory, unit)
    twice_wait = 2 * unit - twice_idle
    stretches: list[list[int]] = []
    for at, end in runs:
        if stretches and at <= stretches[-1][1]:
            stretches[-1][1] = max(stretches[-1][1], end)
        else:
            stretches.append([at, end])
    twice_total = 0
    for place, (at, end) in enumerate(stretches):
        best = 2 * starts
        if place:
            best = min(best, twice_idle * (at - stretches[place - 1][1]))
        if place + 1 < len(stretches):
            best = min(best, twice_wait * (end - at))
        twice_total += best
    return twice_total
