"""What each policy of the library promises, on a scenario where it shows."""

from collections.abc import Sequence
from typing import Any

import pytest

from simulator.domain import Run, find_domain
from simulator.domains.faas.cell import simulate
from simulator.domains.faas.contract import local_policy
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Function, Image, Node, Package, Tenant
from simulator.domains.faas.nodes import NEVER
from simulator.domains.faas.scenario import make_scenario, with_calls
from simulator.domains.faas.world import US, World
from tests.domains.faas.support import figures, function, world

FAAS = find_domain("faas")
TWO_NODES = [Node("n1", 4096, 0, 100), Node("n2", 4096, 0, 100)]


def played(name: str, scenario: World) -> Simulation:
    """Run a library policy and return the simulation that ended."""
    simulation = Simulation(scenario, local_policy(FAAS.policy_source(name)))
    simulation.run()
    return simulation


def delays(simulation: Simulation) -> list[float | None]:
    """Return the delay of each invocation in seconds, None where it never began."""
    times = simulation.world.times
    return [
        None if began == NEVER else (began - at) / US
        for began, at in zip(simulation.began, times, strict=True)
    ]


def hard_scenario(calls: str = "on_decision") -> World:
    """Return quotas, small disks and more work than memory: every check of a plan matters."""
    packages = [Package("base", 50), Package("numpy", 100), Package("torch", 400)]
    images = [Image("", ()), Image("s", (0,)), Image("m", (0, 1)), Image("l", (0, 1, 2))]
    functions = [
        function(
            f"f{k}",
            tenant=k % 3,
            image=k % 4,
            memory_mb=128 << k % 4,
            init_us=US * (1 + k % 3) // 2,
            concurrency=1 + 2 * (k % 5 == 4),
            patience_us=30 * US,
        )
        for k in range(12)
    ]
    rows = [((k * k * 7919 % 600_000) / 1000, k * k % 12, 0.3 + k % 9) for k in range(700)]
    return world(
        rows,
        functions=functions,
        packages=packages,
        images=images,
        nodes=[Node("n1", 2048, 600, 100), Node("n2", 1536, 0, 50)],
        tenants=[Tenant("a", 1, 0, 0), Tenant("b", 2, 3, 0), Tenant("c", 1, 0, 1536)],
        duration=600,
        calls=calls,
    )


@pytest.mark.parametrize("name", FAAS.policy_names())
def test_each_policy_only_decides_what_is_possible_and_always_the_same(name: str) -> None:
    scenario = make_scenario(hard_scenario(), name="hard", family="", split="train")

    def run(calls: str = "on_decision") -> Run:
        source = FAAS.policy_source(name)
        result: Run = simulate(with_calls(scenario, calls), local_policy(source))
        return result

    first, again, audit = run(), run(), run("every_event")

    assert first == again
    assert first.stats["done"] > 600
    assert audit.policy_calls > first.policy_calls
    assert first.metrics["lower_bound_seconds"] < first.metrics["cost_seconds"]
    assert first.metrics["cost_seconds"] < first.metrics["worst_cost_seconds"]


def test_each_file_says_what_the_policy_does_and_registers_its_own_name() -> None:
    wrong = []
    for name in FAAS.policy_names():
        source = FAAS.policy_source(name)
        if f'key="{name}"' not in source or not source.startswith('"""'):
            wrong.append(name)

    assert not wrong


def test_keep_alive_10min_ends_after_ten_minutes() -> None:
    simulation = played("keep-alive-10min", world([(0, 0, 1), (300, 0, 1)], duration=2000))

    assert delays(simulation) == [1, 0]
    assert simulation.instances[0].gone == (301 + 600) * US


def test_no_keep_alive_has_no_idle_memory() -> None:
    stats, _ = figures(played("no-keep-alive", hard_scenario()))

    assert stats["idle_mb_us"] == 0


def test_always_warm_serves_every_first_invocation_warm() -> None:
    functions = [function(f"f{k}", memory_mb=512) for k in range(8)]
    rows = [(100.0 * (k + 1), k, 1.0) for k in range(8)] + [(2000.0, 0, 1.0)]
    scenario = world(rows, functions=functions, nodes=TWO_NODES, duration=3000)

    simulation = played("always-warm", scenario)

    assert delays(simulation) == [0] * 9
    assert figures(simulation)[0]["expired"] == 0


def test_break_even_ends_when_idling_cost_as_much_as_a_start() -> None:
    """512 MB, a start of 2 s: 2 s of delay are worth 120 GB·s, which are 240 s of idling."""
    scenario = world([(0, 0, 1)], functions=[function(memory_mb=512, init_us=2 * US)], duration=900)

    simulation = played("break-even", scenario)

    assert simulation.instances[0].gone == (3 + 2 * (60 * 2 + 1)) * US


@pytest.mark.parametrize("gap", [1, 30, 61, 62, 63, 100, 500])
def test_break_even_costs_at_most_twice_what_hindsight_costs(gap: int) -> None:
    """For gaps of any length: hindsight idles through the gap or starts anew, whichever is less."""
    rows = [(float(k * (gap + 1)), 0, 1.0) for k in range(20)]
    scenario = world(rows, duration=20 * (gap + 1))

    stats, _ = figures(played("break-even", scenario))

    paid = stats["delay_us"] * 60 + (stats["init_mb_us"] + stats["idle_mb_us"]) // 1024
    start = (60 + 1) * US
    hindsight = start + 19 * min(start, gap * US)
    last_idle = 61 * US
    assert paid <= 2 * hindsight + last_idle


def memory_for_two(order: Sequence[int], functions: Sequence[Function]) -> World:
    """Return invocations 10 s apart on a node with room for two instances of 1 GB."""
    rows = [(10.0 * k, number, 1.0) for k, number in enumerate(order)]
    node = [Node("n", 2048, 0, 100)]
    return world(rows, functions=functions, nodes=node, duration=10.0 * len(order))


def test_lru_evicts_what_has_been_idle_longest() -> None:
    functions = [function(each) for each in "abc"]

    simulation = played("lru", memory_for_two([0, 1, 0, 2, 0, 1], functions))

    assert delays(simulation) == [1, 1, 0, 1, 0, 1]


def test_greedy_dual_keeps_what_is_used_often_and_starts_slowly() -> None:
    """One scan of quick starters does not push out the slow one, as it does with lru."""
    functions = [function("slow", init_us=8 * US), *[function(each) for each in "abc"]]
    scenario = memory_for_two([0, 1, 2, 3, 0], functions)

    assert delays(played("greedy-dual", scenario))[-1] == 0
    assert delays(played("lru", scenario))[-1] == 8


def test_hash_affinity_returns_to_the_home_and_steps_on_under_load() -> None:
    functions = [function("f", memory_mb=256)]
    spread = [(2000.0 * k, 0, 1.0) for k in range(4)]
    burst = [(9000.0, 0, 100.0)] * 8
    scenario = world(spread + burst, functions=functions, nodes=TWO_NODES, duration=10_000)

    simulation = played("hash-affinity", scenario)

    homes = [each.node for each in simulation.instances]
    assert len(set(homes[:4])) == 1
    assert set(homes[4:]) == {0, 1}


def test_least_loaded_spreads_what_the_reference_packs() -> None:
    scenario = world([(0, 0, 50)] * 4, nodes=TWO_NODES, functions=[function(memory_mb=512)])

    spread = [each.node for each in played("least-loaded", scenario).instances]
    packed = [each.node for each in played("keep-alive-10min", scenario).instances]

    assert spread == [0, 1, 0, 1]
    assert packed == [0, 0, 0, 0]


def test_package_aware_goes_where_the_packages_are() -> None:
    packages, images = [Package("x", 500), Package("y", 500)], [Image("x", (0,)), Image("y", (1,))]
    functions = [function("fx", image=0, memory_mb=3072), function("fy", image=1, memory_mb=3072)]
    # fx pulls on the first node; fy, at the same time, on the second; an hour later fy comes back.
    rows = [(0, 0, 10), (1, 1, 10), (3600, 1, 1), (7200, 0, 1)]
    scenario = world(rows, functions=functions, packages=packages, images=images,
                     nodes=TWO_NODES, duration=9000)  # fmt: skip

    aware = played("package-aware", scenario)

    assert delays(aware) == [6, 6, 1, 1]
    assert delays(played("keep-alive-10min", scenario)) == [6, 6, 6, 1]


def test_fair_share_protects_a_quiet_tenant_from_a_noisy_one() -> None:
    """The noisy one has asked for far more than there is before the quiet one comes."""
    functions = [function("noisy", patience_us=500 * US), function("quiet", tenant=1)]
    noisy = [(0.1 * k, 0, 20.0) for k in range(60)]
    quiet = [(30.0 + 10 * k, 1, 1.0) for k in range(6)]
    scenario = world(
        noisy + quiet,
        functions=functions,
        tenants=[Tenant("noisy", 1, 0, 0), Tenant("quiet", 1, 0, 0)],
        duration=200,
    )

    fair, plain = (
        figures(played(name, scenario))[1] for name in ("fair-share", "keep-alive-10min")
    )

    assert fair["tenants"]["quiet"]["mean"] < plain["tenants"]["quiet"]["mean"] / 2
    assert fair["cost_seconds"] < plain["cost_seconds"]


def test_hybrid_histogram_learns_when_a_function_comes_back() -> None:
    """Every twenty minutes: ten minutes are too short, an hour would idle, a histogram is ready."""
    rows = [(1200.0 * k + 5, 0, 1.0) for k in range(40)]
    scenario = world(rows, duration=1200 * 40)

    hybrid = played("hybrid-histogram", scenario)
    plain = played("keep-alive-10min", scenario)

    assert delays(plain) == [1] * 40
    assert delays(hybrid)[20:] == [0] * 20
    mine, other = figures(hybrid)[1], figures(plain)[1]
    assert mine["cost_seconds"] < other["cost_seconds"]


def answers(name: str, scenario: World) -> Any:
    return played(name, scenario).digest.hexdigest()


def test_policies_that_differ_in_name_differ_in_what_they_decide() -> None:
    scenario = hard_scenario()

    assert len({answers(name, scenario) for name in FAAS.policy_names()}) == len(
        FAAS.policy_names()
    )
