"""Promises that hold on every run, checked on random workloads with a restless policy."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.domain import Run
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import (
    SCALINGS,
    Operator,
    Pipeline,
    Priority,
    Segment,
    Workload,
)
from tests.support.engine_cases import Watched
from tests.support.examples import at_night

RESTLESS = """
import random

@register_scheduler_init(key="restless")
def init(s):
    s.random = random.Random(s.params["ticks_per_second"])
    s.pipelines = []

@register_scheduler(key="restless")
def step(s, results, pipelines):
    s.pipelines += pipelines
    suspensions, assignments = [], []
    for pool in s.executor.pools:
        for container in pool.active_containers:
            if container.can_suspend_container() and s.random.random() < 0.3:
                suspensions.append(Suspend(container.container_id, pool.pool_id))
        cpu, ram = pool.avail_cpu_pool, pool.avail_ram_pool
        for pipeline in s.pipelines:
            chain = not s.params["multi_operator_containers"]
            ops = pipeline.runtime_status().get_ops(ASSIGNABLE_STATES, chain)
            ops = ops[:1] if chain else ops
            if ops and cpu >= 1 and ram >= 1 and s.random.random() < 0.5:
                size = (s.random.choice([1, cpu]), s.random.choice([1, ram, ram / 2]))
                assignments.append(Assignment(
                    ops, *size, pipeline.priority, pool.pool_id, pipeline.pipeline_id))
                cpu -= size[0]
                ram -= size[1]
    s.wake_in(s.random.random())
    return suspensions, assignments
"""

PARAMS = st.fixed_dictionaries(
    {
        "duration": st.sampled_from([3, 7.5]),
        "ticks_per_second": st.sampled_from([1, 10, 30]),
        "num_pools": st.integers(1, 3),
        "cpus_per_pool": st.sampled_from([1, 4, 6.5]),
        "ram_gb_per_pool": st.sampled_from([5, 64]),
        "multi_operator_containers": st.booleans(),
        "allow_memory_overcommit": st.booleans(),
        "max_job_seconds": st.sampled_from([0, 2]),
        "policy_calls": st.sampled_from(["every_tick", "on_change"]),
    }
)


def _workload(seed: int, params: Params) -> Workload:
    rng = Random(seed)
    ticks = sorted(rng.randrange(params.num_ticks) for _ in range(rng.randrange(12)))
    pipelines = []
    for number, tick in enumerate(ticks):
        operators = tuple(
            Operator(
                id=f"op{place}",
                parents=tuple(rng.sample(range(place), min(place, rng.randrange(3)))),
                segments=tuple(_segment(rng) for _ in range(rng.randrange(3))),
            )
            for place in range(rng.randrange(1, 6))
        )
        priority = rng.choice(list(Priority))
        pipelines.append(
            Pipeline(id=f"p{number}", priority=priority, arrival_tick=tick, operators=operators)
        )
    return Workload(pipelines=tuple(pipelines))


def _segment(rng: Random) -> Segment:
    return Segment(
        baseline_cpu_seconds=rng.choice([0, 0.1, 1.3]),
        cpu_scaling=rng.choice(SCALINGS),
        memory_gb=rng.choice([None, 0.5, 30.0]),
        storage_read_gb=rng.choice([0, 4, 25.5]),
    )


def _run(seed: int, options: dict[str, object]) -> tuple[Params, Run, Watched]:
    params = Params.from_mapping(options)
    policy = Watched(RESTLESS)
    return params, simulate(_workload(seed, params), params, policy), policy


@settings(max_examples=at_night(60), deadline=None)
@given(seed=st.integers(0, 10**6), options=PARAMS)
def test_capacity_is_never_exceeded_and_all_of_it_comes_back(
    seed: int, options: dict[str, object]
) -> None:
    params, _, policy = _run(seed, options)

    free = [row for o in policy.observations for row in o.pools]
    assert all(0 <= cpus <= params.cpus_per_pool + 1e-9 for _, cpus, _ in free)
    if not params.allow_memory_overcommit:
        assert all(-1e-9 <= gb <= params.ram_gb_per_pool + 1e-9 for _, _, gb in free)


@settings(max_examples=at_night(60), deadline=None)
@given(seed=st.integers(0, 10**6), options=PARAMS)
def test_no_operator_starts_before_its_parents_end(seed: int, options: dict[str, object]) -> None:
    _, _, policy = _run(seed, options)

    parents: list[list[int]] = []
    completed: set[int] = set()
    for observation in policy.observations:
        for operator, state in observation.op_states:
            if state == 2:
                assert completed.issuperset(parents[operator])
            if state == 4:
                assert operator not in completed
                completed.add(operator)
        for arrival in observation.arrivals:
            first = len(parents)
            parents += [[first + each for each in new.parents] for new in arrival.operators]


@settings(max_examples=at_night(60), deadline=None)
@given(seed=st.integers(0, 10**6), options=PARAMS)
def test_everything_that_arrived_is_accounted_for(seed: int, options: dict[str, object]) -> None:
    _, outcome, policy = _run(seed, options)

    rows = outcome.stats
    for name in ("arrival_count", "completion_count", "timeout_count"):
        parts = [rows[f"pipelines_{each}"][name] for each in ("query", "interactive", "batch")]
        assert rows["pipelines_all"][name] == sum(parts)
    everything = rows["pipelines_all"]
    assert everything["completion_count"] + everything["timeout_count"] <= rows["pipelines_created"]
    made = Counter(c.number for o in policy.observations for c in o.containers)
    ended = Counter(number for o in policy.observations for number, _ in o.results)
    assert set(made.values()) <= {1} and set(ended.values()) <= {1}
    assert set(ended) <= set(made)
    assert len(made) <= rows["assignments"]
    assert rows["containers_completed"] + rows["failures"] <= rows["assignments"]


@settings(max_examples=at_night(30), deadline=None)
@given(seed=st.integers(0, 10**6), options=PARAMS)
def test_the_same_request_gives_the_same_bytes(seed: int, options: dict[str, object]) -> None:
    _, first, _ = _run(seed, options)
    _, second, _ = _run(seed, options)

    assert repr(first) == repr(second)
