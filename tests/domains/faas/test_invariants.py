"""What holds in every run: nothing is lost, time has no scale, keep-alive saves cold starts."""

import math

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.domains.faas.cluster import DONE, FAILED, REJECTED, TIMED_OUT
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Event, Node, Tenant
from simulator.domains.faas.metrics import compute_stats
from simulator.domains.faas.nodes import NEVER
from simulator.domains.faas.world import US, World
from tests.domains.faas.random_worlds import random_policy, worlds
from tests.domains.faas.support import Played, function, keeping, play, serve, world
from tests.support.examples import at_night


@settings(max_examples=at_night(60))
@given(worlds(), st.integers(0, 1000))
def test_nothing_is_lost(scenario: World, seed: int) -> None:
    """Every invocation has one fate, all memory over time has one use, and Little's law holds."""
    played = Played(random_policy(seed))
    simulation = Simulation(scenario, played)
    simulation.run()
    stats = compute_stats(simulation)

    assert set(simulation.status) <= {DONE, FAILED, TIMED_OUT, REJECTED}
    fates = ("done", "failed", "timed_out", "rejected")
    assert sum(stats[each] for each in fates) == len(scenario.times)
    end = simulation.end_us
    lived = sum(
        each.memory_mb * (min(each.gone, end) - each.created) for each in simulation.instances
    )
    uses = ("pull_mb_us", "init_mb_us", "idle_mb_us", "busy_mb_us")
    assert sum(stats[each] for each in uses) == lived
    left = [each for each in simulation.instances if each.gone == NEVER]
    for number, node in enumerate(simulation.nodes):
        used = sum(each.memory_mb for each in left if each.node == number)
        assert node.free_mb == node.memory_mb - used >= 0
    for tenant in stats["tenants"].values():
        assert sum(tenant[each] for each in fates) == tenant["invocations"]
    begun = [k for k, each in enumerate(simulation.began) if each != NEVER]
    rows = [row for each in played.seen for row in each.events] + simulation.rows
    starts = [row[1] for row in rows if row[0] in (Event.SERVED, Event.BEGAN)]
    ends = [row[1] for row in rows if row[0] in (Event.COMPLETED, Event.FAILED)]
    number_over_time = sum(ends) + end * (len(starts) - len(ends)) - sum(starts)
    ran = sum(min(simulation.run_us[k], end - simulation.began[k]) for k in begun)
    assert number_over_time == ran


@settings(max_examples=at_night(40))
@given(worlds(), st.integers(0, 5))
def test_three_times_as_slow_is_three_times_as_long(scenario: World, keep: int) -> None:
    bare = msgspec.structs.replace(
        scenario.setup,
        images=tuple(msgspec.structs.replace(each, packages=()) for each in scenario.setup.images),
    )

    def scaled(factor: int) -> World:
        times = ("init_us", "timeout_us", "patience_us")
        functions = tuple(
            msgspec.structs.replace(each, **{key: factor * getattr(each, key) for key in times})
            for each in bare.functions
        )
        return World(
            setup=msgspec.structs.replace(bare, functions=functions),
            duration_us=factor * scenario.duration_us,
            times=[factor * each for each in scenario.times],
            functions=scenario.functions,
            services=[factor * each for each in scenario.services],
        )

    one = play(scaled(1), serve, keeping(keep / US))
    three = play(scaled(3), serve, keeping(3 * keep / US))

    assert [each if each == NEVER else 3 * each for each in one.began] == three.began
    assert one.status == three.status
    first, second = compute_stats(one), compute_stats(three)
    for key in ("delay_us", "init_mb_us", "idle_mb_us", "busy_mb_us", "missed_mb_us", "end_us"):
        assert 3 * first[key] == second[key]


def busy_scenario(copies: int = 1, until: float = 300) -> World:
    """Return invocations of four functions of two tenants, per copy, on ample nodes."""
    functions = [
        function(f"f{copy}-{k}", tenant=2 * copy + k % 2, memory_mb=128 << k % 3, init_us=US * k)
        for copy in range(copies)
        for k in range(1, 5)
    ]
    rows = [
        ((k * k * 7919 % 300_000) / 1000, k % 4 + 4 * copy, 0.2 + k % 7)
        for k in range(150)
        for copy in range(copies)
    ]
    return world(
        [row for row in rows if row[0] < until],
        functions=functions,
        tenants=[Tenant(f"t{k}", 1, 0, 0) for k in range(2 * copies)],
        nodes=[Node("n", 1 << 20, 0, 100)],
        duration=300,
    )


def test_two_copies_that_share_nothing_cost_twice_as_much() -> None:
    one = compute_stats(play(busy_scenario(1), serve, keeping(20)))
    two = compute_stats(play(busy_scenario(2), serve, keeping(20)))

    assert one["cold"] > 10
    for key in ("cold", "delay_us", "init_mb_us", "idle_mb_us", "busy_mb_us", "expired"):
        assert 2 * one[key] == two[key]


def test_what_comes_later_changes_nothing_before() -> None:
    whole = play(busy_scenario(), serve, keeping(20))
    part = play(busy_scenario(until=150), serve, keeping(20))

    before = len(part.began)
    assert 50 < before < len(whole.began)
    assert whole.began[:before] == part.began


def test_longer_keep_alive_means_fewer_cold_starts_and_more_idle_memory() -> None:
    runs = [
        compute_stats(play(busy_scenario(), serve, keeping(keep)))
        for keep in (0, 2, 10, 50, math.inf)
    ]

    cold = [each["cold"] for each in runs]
    idle = [each["idle_mb_us"] for each in runs]
    assert cold == sorted(cold, reverse=True) and cold[0] > 2 * cold[-1]
    assert idle == sorted(idle) and idle[0] == 0 < idle[-1]
