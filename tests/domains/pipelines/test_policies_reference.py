"""The four built-in schedulers of the reference do what their descriptions say."""

import pytest

from simulator.domain import Run
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import policy_names, policy_source
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Pipeline, Priority, Workload
from simulator.errors import InputError, PolicyFailure
from tests.support.engine_cases import Watched, pipeline, work

BATCH = Priority.BATCH_PIPELINE


def _run(name: str, *pipelines: Pipeline, **params: object) -> tuple[Run, Watched]:
    settings = {
        "duration": 30,
        "ticks_per_second": 10,
        "num_pools": 1,
        "cpus_per_pool": 20,
        "ram_gb_per_pool": 100,
        **params,
    }
    policy = Watched(policy_source(name))
    workload = Workload(pipelines=pipelines)
    return simulate(workload, Params.from_mapping(settings), policy), policy


def _assigned(policy: Watched) -> list[tuple[int, list[int], float, float, int]]:
    return [
        (decision.tick, each.operators, each.cpu, each.ram, each.pool)
        for decision in policy.decisions
        for each in decision.assignments
    ]


@pytest.mark.parametrize("name", ["naive", "priority", "priority-pool", "overbook"])
def test_the_schedulers_of_the_reference_are_found_by_either_spelling(name: str) -> None:
    assert name in policy_names()
    assert policy_source(name) == policy_source(name.replace("-", "_"))


def test_an_unknown_policy_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(InputError, match=r"unknown policy 'best', expected one of .*naive"):
        policy_source("best")


def test_naive_gives_everything_to_one_pipeline_after_the_other() -> None:
    half = work(cpu=0.5)

    _, policy = _run("naive", pipeline("p1", half, half), pipeline("p2", half))

    assert _assigned(policy) == [(0, [0, 1], 20, 100, 0), (10, [2], 20, 100, 0)]


def test_naive_goes_round_robin_where_containers_hold_one_operator() -> None:
    half = work(cpu=0.5)

    _, policy = _run(
        "naive", pipeline("p1", half, half), pipeline("p2", half), multi_operator_containers=False
    )

    assert [row[1] for row in _assigned(policy)] == [[0], [2], [1]]


def test_naive_never_tries_again() -> None:
    outcome, policy = _run("naive", pipeline("p1", work(memory=101.0, cpu=1)))

    assert len(_assigned(policy)) == 1
    assert outcome.stats["failures"] == 1


def test_priority_serves_queries_first_and_gives_a_tenth_of_the_pool() -> None:
    one = work(cpu=1)

    _, policy = _run("priority", pipeline("p1", one, priority=BATCH), pipeline("p2", one))

    assert _assigned(policy) == [(0, [1], 2, 10, 0), (0, [0], 2, 10, 0)]


def test_priority_tries_once_more_with_twice_the_size_up_to_half_a_pool() -> None:
    outcome, policy = _run("priority", pipeline("p1", work(read=80)))

    assert [row[2:4] for row in _assigned(policy)] == [(2, 10), (4, 20), (8, 40)]
    assert outcome.stats["failure_error_counts"] == {"OOM": 3}


def test_priority_suspends_less_urgent_work_for_waiting_queries() -> None:
    batch = [pipeline(f"b{n}", work(cpu=2), work(cpu=2), priority=BATCH) for n in range(10)]
    query = pipeline("q", work(cpu=1), at=5)

    outcome, policy = _run("priority", *batch, query)

    asked = [(d.tick, s) for d in policy.decisions for s in d.suspensions]
    assert asked == [(20, ("c1", 0))]
    # 10 GB take 5 ticks to write; the query runs on what they held, then the batch work resumes.
    assert _assigned(policy)[10:] == [(25, [20], 2, 10, 0), (35, [1], 2, 10, 0)]
    assert outcome.stats["pipelines_all"]["completion_count"] == 11


def test_priority_pool_keeps_batch_work_in_the_second_pool() -> None:
    one = work(cpu=1)

    _, policy = _run(
        "priority-pool",
        pipeline("p1", one, one, priority=BATCH),
        pipeline("p2", one),
        pipeline("p3", one, priority=Priority.INTERACTIVE),
        num_pools=2,
    )

    assert _assigned(policy) == [
        (0, [2], 2, 10, 0),
        (0, [3], 2, 10, 0),
        (0, [0, 1], 2, 10, 1),
    ]


def test_priority_pool_needs_two_pools() -> None:
    with pytest.raises(PolicyFailure, match="needs exactly 2 pools"):
        _run("priority-pool", num_pools=3)


def test_overbook_gives_each_operator_one_cpu_and_all_the_memory() -> None:
    one = work(cpu=1)

    outcome, policy = _run(
        "overbook",
        pipeline("p1", one, one, chain=False),
        multi_operator_containers=False,
        allow_memory_overcommit=True,
    )

    assert _assigned(policy) == [(0, [0], 1, 100, 0), (0, [1], 1, 100, 0)]
    assert outcome.stats["mean_memory_allocated_percent"] > 0


def test_overbook_gives_a_pipeline_up_after_three_failures() -> None:
    outcome, _ = _run(
        "overbook",
        pipeline("p1", work(cpu=1, memory=101.0)),
        multi_operator_containers=False,
        allow_memory_overcommit=True,
    )

    assert outcome.stats["assignments"] == 3
