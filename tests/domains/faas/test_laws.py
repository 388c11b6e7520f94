"""Queueing theory knows these figures; tolerances are four standard errors from batch means."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from simulator.domains.faas.cluster import REJECTED
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import Node
from simulator.domains.faas.metrics import compute_stats
from simulator.domains.faas.world import US, World
from tests.domains.faas.support import a_pool_of, function, keeping, platform, play, serve

BATCHES = 20
FAR_US = 10**6 * US


def near(values: Sequence[float], exact: float, precision: float = 0.1) -> bool:
    """Whether a mean is within four standard errors, which must be below ``precision`` of it."""
    batches = [np.mean(each) for each in np.array_split(np.array(values, dtype=float), BATCHES)]
    error = float(np.std(batches, ddof=1)) / math.sqrt(BATCHES)
    assert error < precision * exact, f"the sample says too little: {error} of {exact}"
    return abs(float(np.mean(values)) - exact) < 4 * error


def queue_world(
    seed: int,
    count: int,
    rate: float,
    service: Any,
    *,
    concurrency: int = 1,
    functions: Sequence[int] | None = None,
    places: int = 1_000_000,
) -> World:
    """Return Poisson arrivals; functions take 1 MB and start in 1 µs."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(1 / rate, count))
    number = 1 if functions is None else max(functions) + 1
    made = [
        function(f"f{k}", memory_mb=1, init_us=1, concurrency=concurrency, patience_us=FAR_US)
        for k in range(number)
    ]
    return platform(
        made,
        [int(each * US) for each in times],
        [max(1, int(service(rng) * US)) for _ in range(count)],
        which=functions,
        node=Node("n", places, 0, 100),
    )


def waits(simulation: Simulation) -> list[float]:
    times = simulation.world.times
    return [(began - at) / US for began, at in zip(simulation.began, times, strict=True)]


def exponential(mean: float) -> Any:
    return lambda rng: rng.exponential(mean)


def erlang_b(load: float, servers: int) -> float:
    blocked = 1.0
    for each in range(1, servers + 1):
        blocked = load * blocked / (each + load * blocked)
    return blocked


def erlang_c(load: float, servers: int) -> float:
    blocked = erlang_b(load, servers)
    return blocked / (1 - load / servers * (1 - blocked))


@pytest.mark.parametrize(
    "law", ["exponential", "two-point", pytest.param("fixed", marks=pytest.mark.nightly)]
)
def test_the_number_busy_without_limits_is_poisson_whatever_the_service(law: str) -> None:
    """M/G/infinity: at moments that are many services apart."""
    services: dict[str, Any] = {
        "exponential": exponential(2.0),
        "fixed": lambda rng: 2.0,
        "two-point": lambda rng: 0.5 if rng.random() < 0.5 else 3.5,
    }
    simulation = play(queue_world(1, 8000, 2.0, services[law]), serve, keeping(0))

    began = np.array(simulation.began)
    ended = began + np.array(simulation.run_us)
    moments = np.arange(20, simulation.world.duration_us / US - 20, 16) * US
    busy = np.array([np.sum((began <= each) & (each < ended)) for each in moments])
    assert len(busy) > 200
    assert abs(busy.mean() - 4) < 4 * math.sqrt(4 / len(busy))
    assert abs(busy.var() - 4) < 4 * math.sqrt((4 + 2 * 16) / len(busy))


def test_losses_of_a_pool_follow_erlang_b() -> None:
    step, init = a_pool_of(5, rejects=True)

    simulation = play(queue_world(2, 15_000, 4.0, exponential(1.0)), step, init)

    assert near([each == REJECTED for each in simulation.status], erlang_b(4.0, 5))


def test_waits_in_a_pool_follow_erlang_c() -> None:
    step, init = a_pool_of(3)

    simulation = play(queue_world(3, 30_000, 2.1, exponential(1.0)), step, init)

    waited = waits(simulation)
    assert near([each > 0 for each in waited], erlang_c(2.1, 3))
    assert near(waited, erlang_c(2.1, 3) / (3 - 2.1))


def test_waits_for_one_instance_follow_the_queue_m_m_1() -> None:
    step, init = a_pool_of(1)

    simulation = play(queue_world(4, 30_000, 0.6, exponential(1.0)), step, init)

    assert near(waits(simulation), 0.6 / (1 - 0.6))


def test_one_instance_for_many_waits_like_many_instances_for_one() -> None:
    many, one = a_pool_of(4), a_pool_of(1)

    first = play(queue_world(5, 3000, 3.5, exponential(1.0)), *many)
    second = play(queue_world(5, 3000, 3.5, exponential(1.0), concurrency=4), *one)

    assert first.began == second.began


def test_cold_starts_and_idle_memory_follow_the_keep_alive() -> None:
    """Tiny services: cold with probability exp(-rate x keep-alive), idle min(gap, keep-alive)."""
    rate, keep = 0.05, 20.0

    simulation = play(queue_world(6, 15_000, rate, lambda rng: 0.0), serve, keeping(keep))

    cold = [each > 0 for each in waits(simulation)]
    assert near(cold, math.exp(-rate * keep))
    idle = compute_stats(simulation)["idle_mb_us"] / US / len(cold)
    mean = (1 - math.exp(-rate * keep)) / rate
    of_squares = 2 / rate**2 * (1 - math.exp(-rate * keep) * (1 + rate * keep))
    assert abs(idle - mean) < 4 * math.sqrt((of_squares - mean**2) / len(cold))


def test_hits_of_lru_follow_che() -> None:
    """Equal sizes, room for 20 of 60 functions, popularity by Zipf."""
    weights = np.array([1 / place for place in range(1, 61)])
    shares = weights / weights.sum()
    functions = np.random.default_rng(8).choice(60, 25_000, p=shares)
    scenario = queue_world(
        7, 25_000, 1.0, lambda rng: 0.0, functions=[int(each) for each in functions], places=20
    )

    simulation = play(scenario, serve, keeping(math.inf))

    low, high = 0.0, 1e7
    for _ in range(200):
        middle = (low + high) / 2
        if np.sum(1 - np.exp(-shares * middle)) < 20:
            low = middle
        else:
            high = middle
    hits = float(np.sum(shares * (1 - np.exp(-shares * low))))
    assert near([each == 0 for each in waits(simulation)[2000:]], hits)
