"""Schedules that were worked out by hand, written out in full."""

import math
from typing import Any

from simulator.domains.faas.cluster import DONE, FAILED, REJECTED, TIMED_OUT
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Image, Node, Package, Tenant
from simulator.domains.faas.nodes import NEVER
from simulator.domains.faas.plan import KeepAlive, Prefetch, Reject, Run, Start, Stop
from simulator.domains.faas.policy_api import Platform
from simulator.domains.faas.world import US
from tests.domains.faas.support import figures, function, play, world

GB_S = 1024 * US
"""MB·µs in one GB·s."""


def start_what_waits(p: Platform, events: list[Any]) -> list[Any]:
    """Start an instance for everything that waits, on the first node that can."""
    actions = []
    free = {node: node.free_mb for node in p.nodes}
    for invocation in p.queue:
        for node in p.nodes:
            if free[node] >= invocation.function.memory_mb:
                free[node] -= invocation.function.memory_mb
                actions.append(Start(invocation.function, node, invocation))
                break
    return actions


def keeping(seconds: float) -> Any:
    def init(p: Platform) -> None:
        for each in p.functions:
            p.keep_alive(each, seconds)

    return init


def begun_at(simulation: Simulation) -> list[float | None]:
    """Return when each invocation began, in seconds."""
    return [None if each == NEVER else each / US for each in simulation.began]


def test_cold_starts_warm_hits_and_expiry() -> None:
    """Keep-alive 10 s counts from the end of the work, and a use renews it."""
    scenario = world([(0, 0, 2), (12, 0, 1), (24, 0, 1), (24.5, 0, 1)], duration=40)

    simulation = play(scenario, start_what_waits, keeping(10))

    # Cold: 0 to 1, runs to 3, expires at 13; reused at 12, runs to 13, expires at 23, before 24.
    # At 24 a new one, ready at 25, ends at 26; at 24.5 another, ready at 25.5, ends at 26.5.
    assert begun_at(simulation) == [1, 12, 25, 25.5]
    stats, metrics = figures(simulation)
    assert stats["cold"] == 3
    assert stats["init_mb_us"] == 3 * GB_S
    assert stats["idle_mb_us"] == (9 + 10 + 10 + 10) * GB_S
    assert stats["busy_mb_us"] == (2 + 1 + 1 + 1) * GB_S
    assert metrics["delay_cost_seconds"] == 3 / 4
    assert metrics["memory_cost_seconds"] == 42 / 60 / 4


def test_an_arrival_finds_no_instance_that_expires_at_that_instant() -> None:
    scenario = world([(0, 0, 2), (13, 0, 1)])

    assert begun_at(play(scenario, start_what_waits, keeping(10))) == [1, 14]


def test_an_arrival_finds_the_instance_that_is_freed_at_that_instant() -> None:
    scenario = world([(0, 0, 2), (3, 0, 1)])

    assert begun_at(play(scenario, start_what_waits, keeping(10))) == [1, 3]


def test_what_waits_is_served_before_a_keep_alive_of_nothing_ends() -> None:
    one_place = [Node("n", 1024, 0, 100)]
    scenario = world([(0, 0, 2), (1, 0, 1), (4, 0, 1)], nodes=one_place)

    simulation = play(scenario, start_what_waits, keeping(0))

    # The second is served at 3 by the first one's instance; at 4 that one is gone before the third.
    assert begun_at(simulation) == [1, 3, 5]
    assert figures(simulation)[0]["idle_mb_us"] == 0


def test_a_large_function_at_the_head_does_not_hold_up_a_small_one() -> None:
    functions = [function("big", memory_mb=600), function("mid", memory_mb=300),
                 function("large", memory_mb=400)]  # fmt: skip
    scenario = world(
        [(0, 0, 10), (0.1, 1, 5), (0.2, 0, 10), (0.3, 2, 1)],
        functions=functions,
        nodes=[Node("n", 1000, 0, 100)],
    )

    simulation = play(scenario, start_what_waits, keeping(0))

    # 600 + 300 are in use; at 6.1 the 300 are free, so the 400 start; at 11 the 600 serve again.
    assert begun_at(simulation) == [1, 1.1, 11, 7.1]


def test_patience_ends_before_arrivals_and_after_readiness() -> None:
    """An instance that is ready at the very end of patience still serves."""
    scenario = world([(0, 0, 1), (0, 1, 1)], functions=[
        function("just", init_us=2 * US, patience_us=2 * US),
        function("late", init_us=2 * US, patience_us=2 * US),
    ])  # fmt: skip

    def step(p: Platform, events: list[Any]) -> list[Any]:
        p.wake_at(0.000001)
        if p.now() == 0:
            return [Start(p.functions[0], p.nodes[0], p.queue[0])]
        return [Start(each.function, p.nodes[0], each) for each in p.queue]

    simulation = play(scenario, step)

    assert list(simulation.status) == [DONE, TIMED_OUT]
    assert begun_at(simulation) == [2, None]
    assert simulation.instances[1].ready == 2_000_001


def test_a_timeout_ends_an_invocation_and_the_platform_is_not_charged_for_it() -> None:
    scenario = world([(0, 0, 100)], functions=[function(timeout_us=10 * US)], duration=50)

    simulation = play(scenario, start_what_waits, keeping(0))

    assert list(simulation.status) == [FAILED]
    stats, metrics = figures(simulation)
    assert stats["busy_mb_us"] == 10 * GB_S
    assert metrics["delay_cost_seconds"] == 1


def test_what_still_runs_at_the_end_counts_as_it_will_end() -> None:
    patient = function(patience_us=5 * US)
    scenario = world([(0, 0, 50)], functions=[patient], duration=10)

    simulation = play(scenario, start_what_waits)

    assert list(simulation.status) == [DONE]
    assert figures(simulation)[0]["busy_mb_us"] == 14 * GB_S


def test_rejected_and_timed_out_cost_their_patience_and_a_start() -> None:
    scenario = world([(0, 0, 1), (10, 0, 1)])

    def step(p: Platform, events: list[Any]) -> list[Any]:
        return [Reject(each) for each in p.queue if each.number == 0]

    simulation = play(scenario, step)

    assert list(simulation.status) == [REJECTED, TIMED_OUT]
    stats, metrics = figures(simulation)
    assert stats["delay_us"] == 120 * US
    assert stats["missed_mb_us"] == 2 * GB_S
    assert metrics["cost_seconds"] == 60 + 1 / 60


def test_concurrency_shares_an_instance_and_its_idle_time() -> None:
    scenario = world(
        [(0, 0, 4), (0, 0, 2), (2, 0, 1), (2.5, 0, 1)], functions=[function(concurrency=2)]
    )

    def step(p: Platform, events: list[Any]) -> list[Any]:
        if not p.instances and p.queue:
            start = Start(p.functions[0], p.nodes[0], p.queue[0])
            return [start, Run(p.queue[1], start)]
        return []

    simulation = play(scenario, step, keeping(7))

    # Ready at 1: runs to 5 and to 3. The one of 2 runs from 3 to 4, the one of 2.5 from 4 to 5.
    assert begun_at(simulation) == [1, 1, 3, 4]
    stats, _ = figures(simulation)
    assert stats["busy_mb_us"] == 4 * GB_S
    assert stats["idle_mb_us"] == 7 * GB_S
    assert stats["cold"] == 2


def test_a_quota_of_concurrency_holds_back_only_its_tenant() -> None:
    tenants = [Tenant("a", 1, 1, 0), Tenant("b", 1, 0, 0)]
    functions = [function("a1"), function("a2"), function("b1", tenant=1)]
    scenario = world(
        [(0, 0, 1), (10, 1, 1), (20, 0, 5), (21, 1, 5), (21, 0, 5), (21, 2, 1)],
        functions=functions,
        tenants=tenants,
    )

    simulation = play(scenario, start_what_waits_below_quota, keeping(60))

    # From 20 the tenant has one running: the two of 21 follow in order of arrival, at 25 and 30.
    assert begun_at(simulation) == [1, 11, 20, 25, 30, 22]


def start_what_waits_below_quota(p: Platform, events: list[Any]) -> list[Any]:
    return [
        Start(each.function, p.nodes[0], each)
        for each in p.queue
        if each.tenant.quota_concurrency is None
        or each.tenant.running < each.tenant.quota_concurrency
    ]


def test_packages_are_pulled_once_and_in_order_and_cached() -> None:
    packages = [Package("base", 100), Package("numpy", 50), Package("torch", 200)]
    images = [Image("small", (0, 1)), Image("large", (0, 2))]
    functions = [function("s", image=0), function("l", image=1)]
    scenario = world(
        [(0, 0, 1), (0.25, 1, 1), (50, 0, 1)],
        functions=functions,
        packages=packages,
        images=images,
    )

    simulation = play(scenario, start_what_waits, keeping(0))

    # The link gives 100 MB/s: base to 1, numpy to 1.5, torch, queued at 0.25, to 3.5; 1 s init.
    assert begun_at(simulation) == [2.5, 4.5, 51]
    stats, metrics = figures(simulation)
    assert (stats["packages_pulled"], stats["packages_shared"], stats["packages_cached"]) == (
        3,
        1,
        2,
    )
    assert stats["pull_mb_us"] == 1.5 * GB_S + 3.25 * GB_S
    assert metrics["package_hit_share"] == 2 / 6
    assert stats["pulled_mb"] == 350


def test_a_full_disk_drops_what_was_needed_least_recently() -> None:
    packages = [Package("a", 100), Package("b", 100), Package("c", 100)]
    images = [Image("a", (0,)), Image("b", (1,)), Image("c", (2,))]
    functions = [function(each.name, image=number) for number, each in enumerate(images)]
    scenario = world(
        [(0, 0, 1), (10, 1, 1), (20, 0, 1), (30, 2, 1), (40, 0, 1), (50, 1, 1)],
        functions=functions,
        packages=packages,
        images=images,
        nodes=[Node("n", 4096, 200, 100)],
    )

    simulation = play(scenario, start_what_waits, keeping(0))

    # At 30 c replaces b, because a was needed at 20; so a is there at 40 and b is not at 50.
    assert begun_at(simulation) == [2, 12, 21, 32, 41, 52]


def test_a_prefetch_spares_the_pull_but_not_the_init() -> None:
    scenario = world([(10, 0, 1)], packages=[Package("a", 300)], images=[Image("a", (0,))])

    def step(p: Platform, events: list[Any]) -> list[Any]:
        if p.now() == 0:
            return [Prefetch(p.nodes[0], p.functions[0])]
        return start_what_waits(p, events)

    assert begun_at(play(scenario, step)) == [11]


def test_a_prewarmed_instance_serves_at_once_and_its_waiting_is_charged() -> None:
    scenario = world([(10, 0, 1)], duration=20)

    def step(p: Platform, events: list[Any]) -> list[Any]:
        if p.now() == 0:
            p.wake_at(7)
            return []
        return [Start(p.functions[0], p.nodes[0], keep_alive=5)] if not p.instances else []

    simulation = play(scenario, step)

    stats, _ = figures(simulation)
    assert begun_at(simulation) == [10]
    assert stats["cold"] == 0
    assert stats["idle_mb_us"] == (2 + 5) * GB_S


def test_the_rule_of_eviction_makes_room_for_a_start() -> None:
    functions = [function("a"), function("b"), function("c", memory_mb=2048)]
    scenario = world(
        [(0, 0, 1), (5, 1, 1), (10, 2, 1)], functions=functions, nodes=[Node("n", 3072, 0, 100)]
    )

    def step(p: Platform, events: list[Any]) -> list[Any]:
        return [Start(each.function, p.nodes[0], each) for each in p.queue]

    def init(p: Platform) -> None:
        p.evict("lru")
        keeping(math.inf)(p)

    simulation = play(scenario, step, init)

    assert begun_at(simulation) == [1, 6, 11]
    assert [each.gone for each in simulation.instances] == [10 * US, NEVER, NEVER]
    assert figures(simulation)[0]["evicted"] == 1


def test_most_recent_lets_the_others_expire_and_least_recent_keeps_all() -> None:
    """Two instances, one invocation every 6 s, keep-alive 10 s."""
    rows = [(0.0, 0, 1.0), (0.0, 0, 1.0), *[(6.0 * k, 0, 1.0) for k in range(1, 5)]]

    def least_recent(p: Platform) -> None:
        keeping(10)(p)
        p.serve_warm(p.functions[0], "least_recent")

    first = play(world(rows), start_what_waits, keeping(10))
    second = play(world(rows), start_what_waits, least_recent)

    # The most recent one, 1, serves at 6, 12, 18 and 24; 0 expires 10 s after it ended at 2.
    assert first.instances[0].gone == 12 * US
    # In turn: 0 serves at 6; 1, idle since 2, expires at 12, before it could be used.
    assert [each.gone for each in second.instances] == [35 * US, 12 * US]


def test_keep_alive_of_an_instance_counts_from_now_and_goes_before_the_rule() -> None:
    scenario = world([(0, 0, 1)], duration=60)

    def step(p: Platform, events: list[Any]) -> list[Any]:
        if p.now() == 5:
            return [KeepAlive(p.instances[0], 20)]
        p.wake_at(5)
        return start_what_waits(p, events)

    simulation = play(scenario, step, keeping(10))

    assert simulation.instances[0].gone == 25 * US


def test_a_stopped_start_frees_its_memory_and_its_pull_goes_on() -> None:
    scenario = world(
        [(5, 0, 1)],
        packages=[Package("a", 300)],
        images=[Image("a", (0,))],
        nodes=[Node("n", 1024, 0, 100)],
    )

    def step(p: Platform, events: list[Any]) -> list[Any]:
        if p.now() == 0:
            p.wake_at(1)
            return [Start(p.functions[0], p.nodes[0])]
        if p.now() == 1:
            return [Stop(p.instances[0])]
        return start_what_waits(p, events)

    simulation = play(scenario, step)

    assert begun_at(simulation) == [6]
    assert figures(simulation)[0]["pull_mb_us"] == 1 * GB_S
