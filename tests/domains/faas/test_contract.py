"""What a policy is shown is what there is and nothing else; what it asks for is checked."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.domain import find_domain
from simulator.domains.faas.cell import canary
from simulator.domains.faas.contract import local_policy
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Decision, Observation, Setup, Tenant
from simulator.domains.faas.nodes import ON
from simulator.domains.faas.plan import Plan, Reject, Run, Start, Stop
from simulator.domains.faas.policy_api import Platform
from simulator.domains.faas.scenario import decode_scenario, encode_scenario, make_scenario
from simulator.domains.faas.world import US, World
from simulator.errors import InputError, PolicyFailure
from simulator.messages import decode, encode
from tests.domains.faas.random_worlds import random_policy, worlds
from tests.domains.faas.support import Played, function, play, world
from tests.support.examples import at_night

FAAS = find_domain("faas")


class Watched(Played):
    """Compares the policy's view with the engine's state at every call."""

    simulation: Simulation

    def decide(self, observation: Observation, answer: Callable[[Any], Any]) -> Decision:
        decision = super().decide(observation, answer)
        assert decode(encode(observation), Observation) == observation
        assert decode(encode(decision), Decision) == decision
        return decision

    def check(self, p: Platform) -> None:
        engine = self.simulation
        alive = {each.number: each for node in engine.nodes for each in node.instances.values()}
        assert [each.number for each in p.instances] == sorted(alive)
        for seen in p.instances:
            real = alive[seen.number]
            free = engine.setup.functions[real.function].concurrency
            assert seen.in_use == real.in_use
            assert seen.uses == real.uses
            assert seen.room == free - real.in_use - len(real.bound)
            on = "busy" if real.in_use else "idle"
            assert seen.state == (
                on if real.state == ON else ("pulling", "initialising")[real.state]
            )
            if seen.state == "idle":
                assert seen.idle_since == real.since / US
                assert (seen.expires == real.expires / US) or seen.expires == float("inf")
        for node, state in zip(p.nodes, engine.nodes, strict=True):
            assert node.free_mb == state.free_mb
            there = [engine.setup.packages[k].name for k, has in state.on_disk.items() if has]
            assert sorted(node.packages) == sorted(there)
        for tenant in p.tenants:
            assert tenant.running == engine.tenant_in_use[tenant.number]
            assert tenant.memory_mb == engine.tenant_mb[tenant.number]
        waits = [k for k, state in enumerate(engine.status) if state == 1]
        assert [each.number for each in p.queue] == waits


@settings(max_examples=at_night(50))
@given(worlds(), st.integers(0, 1000))
def test_the_policy_sees_exactly_the_state_of_the_engine(scenario: World, seed: int) -> None:
    acts = random_policy(seed)

    def step(p: Platform, events: list[Any]) -> list[Any]:
        watched.check(p)
        actions: list[Any] = acts(p, events)
        return actions

    watched = Watched(step)
    watched.simulation = Simulation(scenario, watched)
    watched.simulation.run()


@settings(max_examples=at_night(50))
@given(worlds(), st.integers(0, 1000))
def test_nothing_hidden_reaches_a_policy(scenario: World, seed: int) -> None:
    """Whatever has not been seen when a decision is made may change: what was sent does not."""
    first = Played(random_policy(seed))
    Simulation(scenario, first).run()
    half = scenario.times[len(scenario.times) // 2]
    rng = random.Random(seed)
    other = World(
        setup=scenario.setup,
        duration_us=scenario.duration_us + 1000,
        times=[at if at <= half else min(at + 3, scenario.duration_us) for at in scenario.times],
        functions=scenario.functions,
        services=[
            each if at + 1 < half else each + rng.randint(half, 100)
            for at, each in zip(scenario.times, scenario.services, strict=True)
        ],
    )
    second = Played(random_policy(seed))
    Simulation(other, second).run()

    def before(played: Played) -> list[bytes]:
        """Return what was sent before the first thing that differs could have been seen."""
        return [encode(each) for each in played.seen if each.step < min(changed, half)]

    changed = min(
        (at for at, a, b in zip(scenario.times, scenario.services, other.services, strict=True)
         if a != b),
        default=half,
    )  # fmt: skip
    assert before(first) == before(second)


def test_the_setup_names_nothing_hidden() -> None:
    fields = set(Setup.__struct_fields__)

    assert fields == {
        "calls", "price_mb_us", "packages", "images", "nodes", "tenants", "functions",
    }  # fmt: skip


RAW = st.tuples(st.integers(-2, 10), *[st.integers(-3, 6) | st.integers(-(1 << 63), 1 << 62)] * 3)


@settings(max_examples=at_night(100))
@given(worlds(most=12), st.lists(st.lists(RAW, max_size=3), max_size=30))
def test_any_decision_is_carried_out_or_refused(
    scenario: World, decisions: list[list[tuple[int, int, int, int]]]
) -> None:
    class Raw:
        def start(self, setup: Setup) -> None:
            self.left = list(decisions)

        def decide(self, observation: Observation, answer: Callable[[Any], Any]) -> Decision:
            acts = self.left.pop() if self.left else []
            wake = observation.step + 1 if self.left else None
            return Decision(observation.step, 1, acts, wake)

    try:
        Simulation(scenario, Raw()).run()
    except PolicyFailure as problem:
        assert problem.failure.kind == "invalid_decision"
        assert problem.failure.step is not None
        assert problem.failure.message.startswith("action ")


def test_a_decision_for_another_time_breaks_the_protocol() -> None:
    class Late(Played):
        def decide(self, observation: Observation, answer: Callable[[Any], Any]) -> Decision:
            return Decision(observation.step + 1, 1)

    with pytest.raises(PolicyFailure, match="decision for the time 1") as caught:
        Simulation(world([(0, 0, 1)]), Late(lambda p, events: [])).run()

    assert caught.value.failure.kind == "protocol_error"


def test_refusals_name_the_action_and_the_reason() -> None:
    functions = [function("f"), function("g"), function("big", memory_mb=4096)]
    scenario = world(
        [(0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 0, 1)],
        functions=functions,
        tenants=[Tenant("a", 1, 1, 4096)],
    )
    cases: list[tuple[str, Callable[[Platform], Any]]] = [
        ("expected a list of actions", lambda p: None),
        ("the actions hold 7, expected Run", lambda p: [7]),
        ("Run has None, expected an Invocation", lambda p: [Run(None, None)]),  # type: ignore[arg-type]
        ("Start has 'n', expected a Node", lambda p: [Start(p.functions[0], "n")]),  # type: ignore[arg-type]
        ("negative", lambda p: [Start(p.functions[0], p.nodes[0], keep_alive=-1)]),
        ("returned twice", lambda p: [Start(p.functions[0], p.nodes[0])] * 2),
        ("does not come before it", lambda p: [Run(p.queue[0], Start(p.functions[0], p.nodes[0]))]),
        ("the instance is full", lambda p: _start(p, 0, [0, 3])),
        ("the invocation is of 'g'", lambda p: _start(p, 0, [1])),
        ("which is its quota_concurrency", lambda p: _start(p, 0, [0]) + _start(p, 1, [1])),
        ("exceed its quota_mb 4096", lambda p: _start(p, 0, []) + _start(p, 2, [])),
        ("was rejected", lambda p: [Reject(p.queue[0]), Reject(p.queue[0])]),
        ("1 invocations are bound to it", lambda p: [*_start(p, 0, [0]), "stop"]),
        ("<lambda>.<locals>.<genexpr>>, expected a list", lambda p: (each for each in p.queue)),
    ]
    wrong = []
    for text, answer in cases:
        try:
            play(scenario, partial(_answered, answer))
        except PolicyFailure as problem:
            failure = problem.failure
            if failure.kind != "invalid_decision" or text not in failure.message:
                wrong.append(f"{text}: {failure}")
        else:
            wrong.append(f"{text}: was accepted")

    assert not wrong


def _start(p: Platform, number: int, invocations: list[int]) -> list[Any]:
    start = Start(p.functions[number], p.nodes[0])
    return [start, *[Run(p.queue[each], start) for each in invocations]]


def _answered(answered: Callable[[Platform], Any], p: Platform, events: list[Any]) -> Any:
    """Return the answer at time 0; "stop" stands for a stop of what was started, a call later."""
    answer = answered(p) if p.now() == 0 else []
    if p.instances and p.now() > 0:
        return [Stop(p.instances[0])]
    if isinstance(answer, list) and answer[-1:] == ["stop"]:
        p.wake_at(0.5)
        return answer[:-1]
    return answer


def test_a_source_uses_the_names_without_import_or_from_the_module() -> None:
    source = """
import faas
from faas import Start

@register_platform_init(key="mine")
def init(p):
    p.starts = []

@faas.register_platform(key="mine")
def step(p, events):
    if p.starts:
        assert p.starts[0].instance is p.instances[0]
        return [KeepAlive(p.starts[0], 1), Prefetch(p.nodes[0], p.functions[0])]
    p.starts = [Start(each.function, p.nodes[0], each) for each in p.queue]
    return p.starts
"""

    run = FAAS.cell.simulate(canary(), local_policy(source))

    assert run.stats["done"] == 1


def test_times_that_a_policy_sees_are_the_doubles_nearest_to_their_microseconds() -> None:
    """0.4 + 66.66669 is 67.06669000000001 as a sum of doubles, 67066690 µs is 67.06669 s."""
    seen: list[float] = []

    def step(p: Platform, events: list[Any]) -> list[Any]:
        seen.extend(each.deadline for each in p.queue)
        return []

    play(world([(0.4, 0, 1)], functions=[function(patience_us=66_666_690)]), step)

    assert seen == [67.06669]


def test_a_start_knows_its_instance_even_if_it_is_gone_by_the_next_call() -> None:
    """Ready at 1 s, gone at 1.5 s, and nothing waits: the next call is that of 5 s."""
    starts: list[Start] = []

    def step(p: Platform, events: list[Any]) -> list[Any]:
        if not starts:
            p.wake_at(5)
            starts.append(Start(p.functions[0], p.nodes[0], keep_alive=0.5))
            return [*starts]
        assert starts[0].instance is not None
        assert starts[0].instance.state == "gone"
        return []

    simulation = play(world([(20, 0, 1)]), step)

    assert simulation.expired == 1


def test_a_plan_counts_an_idle_instance_once_and_offers_none_that_it_stops() -> None:
    """At 3 s instance 0 is idle with room for two, 1 starts; the node has 4096 - 2 x 1024 MB."""
    checked: list[float] = []

    def step(p: Platform, events: list[Any]) -> list[Any]:
        plan, node = Plan(p), p.nodes[0]
        if p.now() == 0:
            p.wake_at(3)
            plan.start(p.functions[0], node)
        elif p.now() == 3:
            plan.start(p.functions[0], node)
            p.wake_at(3.5)
        elif p.now() == 3.5:
            checked.append(p.now())
            idle, starting = p.instances
            assert plan.free_mb(node) == 2048 + 1024
            for each in p.queue:
                plan.run(each, idle)
            assert plan.free_mb(node) == 2048
            assert plan.place_for(p.queue[0]) is starting
            plan.stop(starting)
            assert plan.place_for(p.queue[0]) is None
        return plan.actions

    def init(p: Platform) -> None:
        p.serve_warm(p.functions[0], None)
        p.evict("lru")

    scenario = world([(3.25, 0, 1), (3.25, 0, 1)], functions=[function(concurrency=2)])
    play(scenario, step, init)

    assert checked == [3.5]


def test_wrong_arguments_are_errors_of_the_policy_that_name_the_value() -> None:
    cases = {
        "p.evict(['lru'])": "order is ['lru'], expected 'lru', 'largest' or None",
        "p.serve_warm(p.functions[0], {})": "order is {}, expected 'most_recent'",
        "p.wake_in('1')": "'1' is not a number of seconds",
        "p.keep_alive(p.functions[0], -0.5)": "-0.5 seconds are negative",
        "Plan(p).run(None, Start(p.functions[0], p.nodes[0]))": "the Start is not of this",
        "raise ValueError(object())": "ValueError: <object object>",
        "p.wake_in(10 ** 400)": "",
    }
    wrong = []
    for call, text in cases.items():
        source = FAAS.cell.IDLE_POLICY.replace("return []", f"{call}; return []")
        message = ""
        try:
            FAAS.cell.simulate(canary(), local_policy(source))
        except PolicyFailure as problem:
            message = problem.failure.message if problem.failure.line == 8 else "another line"
        if text not in message or bool(text) != bool(message):
            wrong.append(f"{call}: {message}")

    assert not wrong


def test_an_error_in_a_policy_names_its_line() -> None:
    source = FAAS.cell.IDLE_POLICY.replace("return []", "return [1 / 0]")

    with pytest.raises(PolicyFailure, match="ZeroDivisionError") as caught:
        FAAS.cell.simulate(canary(), local_policy(source))

    assert (caught.value.failure.kind, caught.value.failure.line) == ("policy_error", 8)


@settings(max_examples=at_night(30))
@given(worlds())
def test_a_scenario_survives_its_bytes(world_: World) -> None:
    scenario = make_scenario(world_, name="x", family="y", split="test")

    again = decode_scenario(encode_scenario(scenario))

    assert again == scenario
    assert make_scenario(again.world, name="z", family="", split="").sha256 == scenario.sha256


def test_bytes_that_are_no_scenario_are_refused() -> None:
    for data in (b"", b"\x80", encode({"name": "x"}), encode_scenario(canary())[:-1]):
        with pytest.raises(InputError, match="not an encoded scenario"):
            decode_scenario(data)
