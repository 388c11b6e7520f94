"""Small scenarios and policies for the tests of functions as a service."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator.domains.faas.cell import open_scenario
from simulator.domains.faas.contract import Mirror
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import (
    Decision,
    Function,
    Image,
    Node,
    Observation,
    Package,
    Setup,
    Tenant,
)
from simulator.domains.faas.metrics import compute_metrics, compute_stats
from simulator.domains.faas.plan import Plan, Reject
from simulator.domains.faas.policy_api import Platform
from simulator.domains.faas.world import US, World, check_world

PLATFORM = """
duration_seconds = 600
nodes = [{ name = "n", memory_mb = 1024 }]
tenants = [{ name = "t" }]
functions = [{ name = "f", tenant = "t", memory_mb = 128 }]
"""
"""Of a scenario file, to which traffic may be added."""

PRICE = 60 * 1024 * US
"""One GB idle for 60 s costs as much as one second of delay."""


def function(
    name: str = "f",
    *,
    tenant: int = 0,
    image: int = 0,
    memory_mb: int = 1024,
    init_us: int = US,
    concurrency: int = 1,
    timeout_us: int = 300 * US,
    patience_us: int = 60 * US,
) -> Function:
    return Function(name, tenant, image, memory_mb, init_us, concurrency, timeout_us, patience_us)


def world(
    invocations: Sequence[tuple[float, int, float]],
    *,
    functions: Sequence[Function] = (function(),),
    nodes: Sequence[Node] = (Node("n", 4096, 0, 100),),
    tenants: Sequence[Tenant] = (Tenant("a", 1, 0, 0),),
    packages: Sequence[Package] = (),
    images: Sequence[Image] = (Image("", ()),),
    duration: float = 100,
    calls: str = "on_decision",
    price: int = PRICE,
) -> World:
    """Return a scenario; an invocation is (second, function, seconds of service)."""
    setup = Setup(
        calls, price, tuple(packages), tuple(images), tuple(nodes), tuple(tenants),
        tuple(functions),
    )  # fmt: skip
    rows = sorted(invocations, key=lambda each: each[0])
    made = World(
        setup=setup,
        duration_us=round(duration * US),
        times=[round(row[0] * US) for row in rows],
        functions=[row[1] for row in rows],
        services=[round(row[2] * US) for row in rows],
    )
    check_world(made, "test")
    return made


def platform(
    functions: Sequence[Function],
    times: list[int],
    services: list[int],
    *,
    which: Sequence[int] | None = None,
    node: Node = Node("n", 1_000_000, 0, 100),  # noqa: B008
) -> World:
    """Return a scenario of one node and one tenant; times and services are in µs.

    ``which`` has the function of each invocation; without it all are of the first.
    """
    setup = Setup("on_decision", PRICE, (), (Image("", ()),), (node,), (Tenant("a", 1, 0, 0),),
                  tuple(functions))  # fmt: skip
    return World(
        setup=setup,
        duration_us=times[-1] + 1,
        times=times,
        functions=[0] * len(times) if which is None else which,
        services=services,
    )


class Played:
    """A policy of two Python functions in the same process, which keeps what it was shown."""

    def __init__(
        self,
        step: Callable[[Platform, list[Any]], list[Any]],
        init: Callable[[Platform], None] | None = None,
    ) -> None:
        self.step = step
        self.init = init
        self.seen: list[Observation] = []
        self.mirror: Mirror | None = None

    def start(self, setup: Setup) -> None:
        self.mirror = Mirror(setup)
        if self.init is not None:
            self.init(self.mirror.state)

    def decide(self, observation: Observation, answer: Callable[[Any], Any]) -> Decision:
        assert self.mirror is not None
        self.seen.append(observation)
        return self.mirror.decide(self.step, observation, answer)


def play(
    scenario: World,
    step: Callable[[Platform, list[Any]], list[Any]],
    init: Callable[[Platform], None] | None = None,
) -> Simulation:
    """Run a policy on a scenario and return the simulation that ended."""
    simulation = Simulation(scenario, Played(step, init))
    simulation.run()
    return simulation


def figures(simulation: Simulation) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the exact statistics and the metrics of a simulation that ended."""
    stats = compute_stats(simulation)
    return stats, compute_metrics(simulation, stats)


def write_suite(folder: Path, **texts: str) -> Path:
    """Write a suite whose scenarios are its train split and, again, its test split."""
    (folder / "invocations.csv").write_text("time_seconds,function,service_seconds\n1,f,1\n")
    lines = ['name = "mine"', 'description = "mine"', 'domain = "faas"']
    for name, text in texts.items():
        path = folder / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        sha256 = open_scenario(path).sha256
        for split in ("train", "test"):
            lines += [
                "[[scenarios]]",
                f'name = "{name}-{split}"',
                f'family = "mine"\nsplit = "{split}"',
                f'scenario = "{path.name}"\nsha256 = "{sha256}"',
            ]
    suite = folder / "mine-suite.toml"
    suite.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return suite


def serve(p: Platform, events: list[Any]) -> list[Any]:
    """Bind what waits to an instance that starts, else start one on the first node with room."""
    plan = Plan(p)
    for each in p.queue:
        nodes = [node for node in p.nodes if plan.can_start(each.function, node)]
        place = plan.place_for(each)
        if not plan.below_quota(each.tenant):
            continue
        if place is not None:
            plan.run(each, place)
        elif nodes:
            plan.start(each.function, nodes[0], each)
    return plan.actions


def keeping(seconds: float, evict: str | None = "lru") -> Callable[[Platform], None]:
    """Return an init that keeps idle instances for so long."""

    def init(p: Platform) -> None:
        p.evict(evict)
        for each in p.functions:
            p.keep_alive(each, seconds)

    return init


def a_pool_of(instances: int, *, rejects: bool = False) -> tuple[Any, Callable[[Platform], None]]:
    """Return a policy that starts some instances at the beginning and none later."""

    def init(p: Platform) -> None:
        p.keep_alive(p.functions[0], math.inf)

    def step(p: Platform, events: list[Any]) -> list[Any]:
        plan = Plan(p)
        if p.now() == 0:
            for _ in range(instances):
                plan.start(p.functions[0], p.nodes[0])
        return [*plan.actions, *([Reject(each) for each in p.queue] if rejects else [])]

    return step, init
