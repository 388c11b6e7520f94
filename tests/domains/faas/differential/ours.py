"""Our side of the cases: the same traces, as scenarios and policies of functions as a service."""

import math
from typing import Any

from simulator.domain import find_domain
from simulator.domains.faas.contract import local_policy
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Node
from simulator.domains.faas.nodes import NEVER
from simulator.domains.faas.plan import Plan, Start, Stop
from simulator.domains.faas.policy_api import Arrived, Function, Platform
from simulator.domains.faas.world import US, World
from tests.domains.faas.differential.cases import (
    EXAMPLE_SECONDS,
    INIT_US,
    Cached,
    Queue,
    Requests,
    cached,
    example,
    same_trace_requests,
)
from tests.domains.faas.support import a_pool_of, function, keeping, platform, play, serve

FAR_US = 10**6 * US
APART_US = 10
"""Between two requests for a cache; start and service take 1 µs each."""


def keep_alive_world(requests: Requests) -> World:
    """Return one function of 1 MB on a platform without limits."""
    functions = [function(memory_mb=1, init_us=INIT_US, timeout_us=FAR_US, patience_us=FAR_US)]
    return platform(functions, requests.times, requests.services)


# SimFaaS.


def newest(keep_alive: float) -> tuple[Any, Any]:
    """Return a policy that serves from the newest idle instance, as SimFaaS does, or starts one."""

    def init(p: Platform) -> None:
        p.serve_warm(p.functions[0], None)
        p.keep_alive(p.functions[0], keep_alive)

    def step(p: Platform, events: list[Any]) -> list[Any]:
        plan = Plan(p)
        for each in p.queue:
            idle = [one for one in p.nodes[0].idle if plan.room(one)]
            if idle:
                plan.run(each, max(idle, key=lambda one: one.number))
            else:
                plan.start(each.function, p.nodes[0], each)
        return plan.actions

    return step, init


def same_trace(keep_alive: float) -> tuple[int, list[tuple[int, int]]]:
    """Return how many started cold, and when each instance was created and gone."""
    simulation = play(keep_alive_world(same_trace_requests()), *newest(keep_alive))
    lives = sorted((each.created, each.gone) for each in simulation.instances)
    return sum(each > 0 for each in waits(simulation) if each is not None), lives


def example_figures(seed: int, keep_alive: float) -> dict[str, float]:
    """Return what SimFaaS calls by the same names, up to the last arrival."""
    requests = example(seed, EXAMPLE_SECONDS)
    simulation = play(keep_alive_world(requests), *newest(keep_alive))
    until = EXAMPLE_SECONDS * US
    alive = sum(min(each.gone, until) - each.created for each in simulation.instances)
    arrivals, began, ran = requests.times, simulation.began, simulation.run_us
    responding = sum(
        min(begin + run, until) - arrival
        for arrival, begin, run in zip(arrivals, began, ran, strict=True)
    )
    cold = sum(begin > arrival for arrival, begin in zip(arrivals, began, strict=True))
    return {
        "cold": cold / len(arrivals),
        "instances": alive / until,
        "running": responding / until,
    }


# Ciw.


def queue_waits(queue: Queue) -> list[int | None]:
    """Return how long each request waited in µs, None for one that left."""
    requests = queue.requests()
    patience_us = round(queue.patience_seconds * US) or FAR_US
    functions = [function(memory_mb=1, init_us=1, timeout_us=FAR_US, patience_us=patience_us)]
    world = platform(functions, requests.times, requests.services)
    return waits(play(world, *a_pool_of(queue.servers, rejects=queue.loses)))


def waits(simulation: Simulation) -> list[int | None]:
    times = simulation.world.times
    return [
        None if began == NEVER else began - at
        for began, at in zip(simulation.began, times, strict=True)
    ]


# libCacheSim.


def cache_hits(name: str, algorithm: str) -> str:
    """Return ``h`` for every warm hit and ``.`` for every cold start.

    An object is a function, its size the memory of an instance, the cache the memory of a node.
    """
    trace = cached(name)
    match algorithm:
        case "LRU":
            policy = local_policy(find_domain("faas").policy_source("lru"))
            simulation = Simulation(cache_world(trace), policy)
            simulation.run()
        case "Size":
            simulation = play(cache_world(trace), serve, keeping(math.inf, evict="largest"))
        case _:
            world = cache_world(trace, extra=max(trace.sizes))
            simulation = play(world, *gdsf(trace.capacity))
    return "".join("h" if each == 0 else "." for each in waits(simulation))


def cache_world(trace: Cached, *, extra: int = 0) -> World:
    """Return a node with the memory of the cache, and some more."""
    functions = [
        function(f"f{number}", memory_mb=size, init_us=1) for number, size in enumerate(trace.sizes)
    ]
    times = [APART_US * (place + 1) for place in range(len(trace.objects))]
    node = Node("n", trace.capacity + extra, 0, 100)
    return platform(functions, times, [1] * len(times), which=trace.objects, node=node)


def gdsf(capacity: int) -> tuple[Any, Any]:
    """Return greedy dual with sizes and frequencies, as libCacheSim has it.

    What is new is taken in before room is made, and may be the first to go; its count begins at 1
    each time. So the node needs room for one more, and the policy looks when a start has run.
    """

    def init(p: Any) -> None:
        p.clock, p.uses, p.priority = 0.0, {}, {}  # a priority each, in the order of last requests
        for each in p.functions:
            p.keep_alive(each, math.inf)

    def step(p: Any, events: list[Any]) -> list[Any]:
        for event in events:
            if isinstance(event, Arrived):
                count_request(p, event.invocation.function)
        if p.queue:
            p.wake_in(3 / US)
            return [Start(each.function, p.nodes[0], each) for each in p.queue]
        return make_room(p)

    def count_request(p: Any, wanted: Function) -> None:
        p.uses[wanted] = p.uses.get(wanted, 0) + 1
        p.priority.pop(wanted, None)
        p.priority[wanted] = p.clock + p.uses[wanted] * 1e6 / wanted.memory_mb

    def make_room(p: Any) -> list[Any]:
        actions, used = [], sum(each.function.memory_mb for each in p.instances)
        while used > capacity:
            victim = min(p.priority, key=p.priority.get)
            p.clock = p.priority.pop(victim)
            del p.uses[victim]
            used -= victim.memory_mb
            actions.append(Stop(victim.instances[0]))
        return actions

    return step, init
