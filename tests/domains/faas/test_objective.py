"""The cost cannot be gamed, never exceeds the worst cost, and never falls below the bound."""

import random
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.domains.faas.bound import lower_bound_us
from simulator.domains.faas.costs import charged_mb_us, delay_us, worst_cost_us
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Function, Node, Setup, Tenant
from simulator.domains.faas.metrics import compute_stats
from simulator.domains.faas.nodes import NEVER
from simulator.domains.faas.plan import Plan, Reject
from simulator.domains.faas.policy_api import Platform
from simulator.domains.faas.world import US, World
from tests.domains.faas.random_worlds import random_policy, worlds
from tests.domains.faas.support import Played, figures, function, play, world
from tests.support.examples import at_night

AMPLE = [Node("n", 1 << 20, 0, 100)]


def exact_cost_us(simulation: Simulation) -> Fraction:
    """Return the cost without any rounding."""
    scenario = simulation.world
    stats = compute_stats(simulation)
    memory = Fraction(charged_mb_us(stats) * US, scenario.setup.price_mb_us * len(scenario.times))
    return delay_us(scenario, stats["tenants"]) + memory


def serve(p: Platform, events: list[Any]) -> list[Any]:
    plan = Plan(p)
    for invocation in p.queue:
        place = plan.place_for(invocation)
        nodes = [node for node in p.nodes if plan.can_start(invocation.function, node)]
        if not plan.below_quota(invocation.tenant):
            continue
        if place is not None:
            plan.run(invocation, place)
        elif nodes:
            plan.start(invocation.function, nodes[0], invocation)
    return plan.actions


def keeping(seconds: float) -> Any:
    def init(p: Platform) -> None:
        p.evict("lru")
        for each in p.functions:
            p.keep_alive(each, seconds)

    return init


@settings(max_examples=at_night(150))
@given(worlds(), st.integers(0, 1000))
def test_no_policy_beats_the_bound_or_exceeds_the_worst_cost(scenario: World, seed: int) -> None:
    rng = random.Random(seed)
    steps = [(random_policy(seed), None), (serve, keeping(rng.choice([0, 1e-6, 5e-6, 1])))]
    for step, init in steps:
        simulation = Simulation(scenario, Played(step, init))
        simulation.run()

        cost = exact_cost_us(simulation)

        assert lower_bound_us(scenario) <= cost <= worst_cost_us(scenario)


@settings(max_examples=at_night(100))
@given(worlds(most=8), st.integers(0, 10**6))
def test_a_clairvoyant_that_prewarms_does_not_beat_the_bound(scenario: World, seed: int) -> None:
    """It knows all arrivals: it has an instance ready at each, and stops it after its work."""
    setup = msgspec.structs.replace(
        scenario.setup, nodes=tuple(Node(f"n{k}", 10**6, 0, 10**6) for k in range(2)),
        tenants=tuple(Tenant(each.name, each.weight, 0, 0) for each in scenario.setup.tenants),
    )  # fmt: skip
    ample = World(
        setup=setup,
        duration_us=scenario.duration_us,
        times=scenario.times,
        functions=scenario.functions,
        services=scenario.services,
    )
    rng = random.Random(seed)
    ahead = [max(0, at - rng.choice([4, 8, 20])) for at in ample.times]

    def step(p: Platform, events: list[Any]) -> list[Any]:
        plan = Plan(p)
        now = round(p.now() * US)
        later = [at for at in ahead if at > now]
        if later:
            p.wake_at(min(later) / US)
        for at, number in zip(ahead, ample.functions, strict=True):
            if at == now:
                plan.start(p.functions[number], p.nodes[0], None, rng.choice([4e-6, 1e-5]))
        return plan.actions + serve(p, events)

    simulation = play(ample, step, keeping(0))

    assert exact_cost_us(simulation) >= lower_bound_us(ample)


FATES = st.sampled_from(["serve", "reject", "ignore", "abandon", 0.5, 4.0, 8.5, 30.0, 59.0])
"""What becomes of an invocation; "abandon" starts an instance for it and stops it unused, and a
number is how many seconds it is held back before an instance is started for it."""


@settings(max_examples=at_night(100))
@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.integers(0, 2), st.integers(1, 30), FATES),
        min_size=1,
        max_size=12,
    )
)
def test_where_memory_suffices_neither_dropping_nor_delaying_nor_starving_pays(
    rows: list[tuple[int, int, int, str | float]],
) -> None:
    """Against an instance of its own for each, at once: any mix of what could cheat costs no less.

    Tenant b has the dear functions, so starving it alone is among the mixes.
    """
    rows.sort(key=lambda row: row[0])
    fates = [row[3] for row in rows]
    functions = [
        function("cheap", memory_mb=128, init_us=US // 10),
        function("dear", tenant=1, memory_mb=8192, init_us=9 * US, patience_us=9 * US),
        function("slow", tenant=1, memory_mb=2048, init_us=20 * US, patience_us=60 * US),
    ]
    scenario = world(
        [(float(at), number, float(service)) for at, number, service, _ in rows],
        functions=functions,
        tenants=[Tenant("a", 3, 0, 0), Tenant("b", 1, 0, 0)],
        nodes=AMPLE,
    )

    def cheating(p: Platform, events: list[Any]) -> list[Any]:
        plan = Plan(p)
        for each in p.queue:
            fate = fates[each.number]
            begin = each.arrived + (fate if isinstance(fate, float) else 0)
            if p.now() < begin:
                p.wake_at(begin)
            elif fate == "reject":
                plan.actions.append(Reject(each))
            elif fate == "abandon":
                plan.start(each.function, p.nodes[0])
                fates[each.number] = "ignore"
            elif fate != "ignore":
                plan.start(each.function, p.nodes[0], each)
        return plan.actions

    def never(p: Platform) -> None:
        for each in p.functions:
            p.serve_warm(each, None)
            p.keep_alive(each, 0)

    honest = play(scenario, lambda p, events: an_instance_for_each(p), never)
    cheat = play(scenario, cheating, never)

    assert exact_cost_us(honest) <= exact_cost_us(cheat)


@settings(max_examples=at_night(100))
@given(worlds(), st.integers(0, 1000))
def test_what_never_began_costs_at_least_a_cold_start_of_its_own(
    scenario: World, seed: int
) -> None:
    """In any run of any policy, with any quotas, packages and shortage of memory."""
    simulation = Simulation(scenario, Played(random_policy(seed)))
    simulation.run()

    stats = compute_stats(simulation)
    setup = scenario.setup
    for tenant, facts in enumerate(setup.tenants):
        cold = sum(
            min(
                longest_cold_start_us(setup.functions[function], setup)
                if began == NEVER
                else began - at,
                setup.functions[function].patience_us,
            )
            for at, function, began in zip(
                scenario.times, scenario.functions, simulation.began, strict=True
            )
            if setup.functions[function].tenant == tenant
        )
        assert cold <= stats["tenants"][facts.name]["delay_us"]
    missed = sum(
        setup.functions[function].memory_mb
        * longest_cold_start_us(setup.functions[function], setup)
        for function, began in zip(scenario.functions, simulation.began, strict=True)
        if began == NEVER
    )
    assert stats["missed_mb_us"] == missed


def longest_cold_start_us(facts: Function, setup: Setup) -> int:
    """Return how long a start may take on an empty disk and a free link, on any node that fits."""
    packages = [setup.packages[each].size_mb for each in setup.images[facts.image].packages]
    return max(
        sum(-(-size * US // node.pull_mb_per_second) for size in packages) + facts.init_us
        for node in setup.nodes
        if node.memory_mb >= facts.memory_mb
        and (node.disk_mb == 0 or node.disk_mb >= sum(packages))
    )


def an_instance_for_each(p: Platform) -> list[Any]:
    plan = Plan(p)
    for each in p.queue:
        plan.start(each.function, p.nodes[0], each)
    return plan.actions


def test_every_way_not_to_serve_costs_the_same() -> None:
    scenario = world([(0, 0, 1), (1, 0, 1)], functions=[function(patience_us=5 * US)])

    def start_too_late(p: Platform, events: list[Any]) -> list[Any]:
        p.wake_at(4.5)
        return [] if p.now() < 4.5 else an_instance_for_each(p)

    rejected = play(scenario, lambda p, events: [Reject(each) for each in p.queue])
    ignored = play(scenario, lambda p, events: [])
    late = play(scenario, start_too_late, keeping(0))

    assert exact_cost_us(rejected) == exact_cost_us(ignored)
    # The first is out of patience at 5; the second is served at 5.5, with 4.5 s of delay.
    assert list(late.status).count(6) == 1
    assert exact_cost_us(late) > exact_cost_us(play(scenario, serve, keeping(0)))


def test_starving_a_small_tenant_costs_as_much_as_starving_a_large_one() -> None:
    """Tenant b has one invocation in a hundred."""
    rows = [(float(k), 0, 0.5) for k in range(99)] + [(50.5, 1, 0.5)]
    functions = [function("a"), function("b", tenant=1)]
    tenants = [Tenant("a", 1, 0, 0), Tenant("b", 1, 0, 0)]
    scenario = world(rows, functions=functions, tenants=tenants, nodes=AMPLE)

    def without(name: str) -> Simulation:
        def step(p: Platform, events: list[Any]) -> list[Any]:
            refused = [Reject(each) for each in p.queue if each.tenant.name == name]
            return refused or serve(p, events)

        return play(scenario, step, keeping(60))

    served = figures(without("nobody"))[1]
    starved = figures(without("b"))[1]
    assert served["delay_cost_seconds"] < 1
    assert starved["delay_cost_seconds"] > 30
    assert starved["max_tenant_slowdown"] > 100
    assert starved["jain_fairness"] < 0.6 < served["jain_fairness"]


def test_prewarming_everything_is_charged_to_the_end() -> None:
    scenario = world([(10, 0, 1)], nodes=AMPLE, duration=20)

    def prewarm(p: Platform, events: list[Any]) -> list[Any]:
        plan = Plan(p)
        if p.now() == 0:
            for _ in range(50):
                plan.start(p.functions[0], p.nodes[0], None, float("inf"))
        return plan.actions

    simulation = play(scenario, prewarm)

    stats, metrics = figures(simulation)
    # 50 GB from second 1 to the end at 80, less the second in which one of them works.
    assert stats["idle_mb_us"] == (50 * 79 - 1) * 1024 * US
    assert metrics["delay_cost_seconds"] == 0
    assert metrics["cost_seconds"] > figures(play(scenario, serve, keeping(0)))[1]["cost_seconds"]
