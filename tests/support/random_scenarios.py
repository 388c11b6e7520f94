"""Random scenarios for comparing two simulators: small, and odd in every way that is allowed."""

from random import Random
from typing import Any

from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import (
    SCALINGS,
    CpuScaling,
    Operator,
    Pipeline,
    Priority,
    Segment,
    Workload,
)


def random_scenario(seed: int, **changes: Any) -> tuple[Workload, Params]:
    """Return a workload and its parameters; ``changes`` are parameters to set."""
    rng = Random(seed)
    params = Params.from_mapping({**_params(rng), **changes})
    return _workload(rng, params), params


def _params(rng: Random) -> dict[str, Any]:
    return {
        "duration": rng.choice([15, 30.5, 60]),
        "ticks_per_second": rng.choice([5, 10, 10, 32, 100]),
        "num_pools": rng.choice([1, 1, 2, 3]),
        "cpus_per_pool": rng.choice([4, 8, 12.5]),
        "ram_gb_per_pool": rng.choice([64, 128, 200.5]),
        "multi_operator_containers": rng.random() < 0.6,
        "allow_memory_overcommit": rng.random() < 0.4,
        "max_job_seconds": rng.choice([0, 0, 0, 3.3, 12]),
        "estimator_algo": rng.choice(["", "noisy"]),
        "noisy_estimator_sigma": rng.choice([0.0, 0.4]),
        "random_seed": rng.randrange(1000),
    }


def _workload(rng: Random, params: Params) -> Workload:
    last = int(params.num_ticks * 0.8)
    ticks = sorted(rng.randrange(last + 1) for _ in range(rng.randrange(3, 25)))
    if rng.random() < 0.5:
        ticks = [ticks[number // 3] for number in range(len(ticks))]
    return Workload(
        pipelines=tuple(
            Pipeline(
                id=f"p{number}",
                priority=rng.choice(list(Priority)),
                arrival_tick=tick,
                operators=_operators(rng),
            )
            for number, tick in enumerate(ticks, start=1)
        )
    )


def _operators(rng: Random) -> tuple[Operator, ...]:
    count = rng.choice([1, 1, 2, 3, 4, 6])
    return tuple(
        Operator(
            id=f"op{place + 1}",
            parents=tuple(sorted(rng.sample(range(place), min(place, rng.randrange(3))))),
            segments=tuple(_segment(rng) for _ in range(rng.choice([1, 1, 1, 2, 3]))),
        )
        for place in range(count)
    )


def _segment(rng: Random) -> Segment:
    laws: list[CpuScaling] = [*SCALINGS, "const", "linear3", _halved]
    return Segment(
        baseline_cpu_seconds=rng.choice([0.0, 0.05, 0.3, 1.75, rng.uniform(0, 3)]),
        cpu_scaling=rng.choice(laws),
        memory_gb=rng.choice([None, None, 0.0, 12.5, rng.uniform(1, 60)]),
        storage_read_gb=rng.choice([0, 2, 20, 45, round(rng.uniform(0, 40), 2)]),
    )


def _halved(cpus: float, baseline_seconds: float) -> float:
    return baseline_seconds / 2
