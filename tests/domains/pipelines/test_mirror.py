"""What a policy sees, and what it can never see."""

import gc
from typing import Any

import pytest

from simulator.domains.pipelines.engine import make_setup
from simulator.domains.pipelines.messages import NewContainer, NewOperator, NewPipeline, Observation
from simulator.domains.pipelines.mirror import Mirror
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.policy_api import (
    ASSIGNABLE_STATES,
    Assignment,
    OperatorState,
    Pipeline,
    Priority,
)
from simulator.domains.pipelines.workload import Segment
from simulator.errors import PolicyFailure
from tests.support.engine_cases import pipeline, run, work


def _mirror(**params: object) -> Mirror:
    settings = {"ticks_per_second": 10, "num_pools": 2, "cpus_per_pool": 8, **params}
    return Mirror(make_setup(Params.from_mapping(settings)), "test")


def _no_memory(tick: int) -> Any:
    raise AssertionError(f"nobody reads memory here, tick {tick}")


def _see(mirror: Mirror, tick: int, **news: Any) -> tuple[list[Any], list[Pipeline]]:
    return mirror.apply(Observation(tick=tick, quiet_until=tick, **news), _no_memory)


def _arrive(mirror: Mirror, *parents: list[int]) -> Pipeline:
    operators = [
        NewOperator(id=f"op{place}", parents=each, estimate_gb=1.5)
        for place, each in enumerate(parents, start=1)
    ]
    new = NewPipeline(id="p7", priority=2, arrival_tick=3, operators=operators)
    return _see(mirror, 3, arrivals=[new])[1][0]


def test_a_pipeline_iterates_breadth_first_from_its_roots() -> None:
    arrived = _arrive(_mirror(), [], [0], [], [1, 2], [0])

    assert [op.id for op in arrived.values] == [
        "p7/op1", "p7/op3", "p7/op2", "p7/op5", "p7/op4",
    ]  # fmt: skip
    assert [op.id for op in arrived.values.roots] == ["p7/op1", "p7/op3"]
    assert len(arrived.values) == 5
    assert arrived.values.find_node_by_id("p7/op2") is arrived.values.node_lookup["p7/op2"]


def test_an_assignment_takes_its_operators_at_once_even_if_it_is_never_returned() -> None:
    arrived = _arrive(_mirror(), [], [0])
    status = arrived.runtime_status()
    first, second = arrived.values

    Assignment([first], 1, 1, arrived.priority, 0, arrived.pipeline_id)

    assert first.state() is OperatorState.ASSIGNED
    assert status.get_ops(ASSIGNABLE_STATES) == [second]
    assert status.get_ops(ASSIGNABLE_STATES, require_parents_complete=True) == []
    with pytest.raises(AssertionError, match="p7/op1 in pipeline p7 from assigned to assigned"):
        Assignment([second, first], 1, 1, arrived.priority, 0, arrived.pipeline_id)
    assert second.state() is OperatorState.ASSIGNED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ops": []}, "assignments cannot have zero operators"),
        ({"cpu": 0}, "must assign positive CPU allocation, got 0"),
        ({"ram": -1}, "must assign positive RAM allocation, got -1"),
    ],
)
def test_an_assignment_checks_its_sizes(changes: dict[str, Any], message: str) -> None:
    arrived = _arrive(_mirror(), [])
    fields = {"ops": list(arrived.values), "cpu": 1, "ram": 1, **changes}

    with pytest.raises(AssertionError, match=message):
        Assignment(priority=arrived.priority, pool_id=0, pipeline_id="p7", **fields)


def test_results_and_states_come_from_observations() -> None:
    mirror = _mirror()
    arrived = _arrive(mirror, [], [0])
    request = Assignment(list(arrived.values), 2, 4, Priority.QUERY, 1, "p7")
    mirror.returned = [(request, 1)]

    _see(mirror, 4, containers=[NewContainer(number=1, assignment=0)], op_states=[(0, 2)])
    pool = mirror.state.executor.pools[1]
    container = pool.active_containers[0]
    results, _ = _see(mirror, 9, op_states=[(0, 4), (1, 2), (1, 5)], results=[(1, "OOM")])

    assert (container.container_id, container.pool_id, container.operators) == (
        "c1",
        1,
        request.ops,
    )
    assert container.error == "OOM"
    assert container.ticks_elapsed() == 6
    assert pool.active_containers == []
    assert (results[0].ops, results[0].failed(), results[0].container_id) == (
        request.ops,
        True,
        "c1",
    )
    assert arrived.runtime_status().state_counts[OperatorState.FAILED] == 1


def test_time_outs_follow_the_clock() -> None:
    mirror = _mirror(max_job_seconds=2)
    status = _arrive(mirror, []).runtime_status()

    _see(mirror, 22)
    before = status.has_timed_out()
    _see(mirror, 23)

    assert (before, status.has_timed_out()) == (False, True)


@pytest.mark.parametrize("name", ["get_segments", "values", "segments", "storage_read_gb"])
def test_asking_an_operator_for_its_needs_points_to_the_estimate(name: str) -> None:
    operator = next(iter(_arrive(_mirror(), []).values))

    with pytest.raises(AttributeError, match=r"hidden from policies; op\.estimate\.mem_peak_gb"):
        getattr(operator, name)
    assert operator.estimate.mem_peak_gb == 1.5


def test_sets_of_operators_have_the_same_order_in_every_process() -> None:
    arrived = _arrive(_mirror(), [], [], [], [])
    operators = list(arrived.values)

    assert [hash(op) for op in operators] == [0, 1, 2, 3]
    assert list({operators[3], operators[1], operators[0], operators[2]}) == operators
    assert [hash(priority) for priority in Priority] == [1, 2, 3]


def test_policies_may_hang_attributes_on_what_they_see() -> None:
    arrived = _arrive(_mirror(), [])
    operator = next(iter(arrived.values))

    arrived.note, operator.note = "a", "b"  # type: ignore[attr-defined]

    assert operator.pipeline.note == "a"  # type: ignore[attr-defined]


def test_no_field_that_a_policy_can_reach_leads_to_a_true_need() -> None:
    body = """
if tick == 3:
    raise ValueError(s)
return [], [put(ops(0))] if tick == 0 else []
"""
    with pytest.raises(PolicyFailure) as caught:
        run(body, pipeline("p1", work(cpu=1.25, read=3.5), work(cpu=2.75)))
    cause = caught.value.__cause__
    assert cause is not None

    reached = _reach(cause.args[0], limit=5000)

    assert not any(isinstance(each, Segment) for each in reached)
    assert not {1.25, 3.5, 2.75} & {each for each in reached if isinstance(each, float)}


def _reach(start: object, limit: int) -> list[object]:
    """Return what can be reached from an object through its data, code and modules left out."""
    seen: dict[int, object] = {}
    queue = [start]
    while queue and len(seen) < limit:
        value = queue.pop()
        skipped = isinstance(value, type) or callable(value) or type(value).__name__ == "module"
        if id(value) not in seen and not skipped:
            seen[id(value)] = value
            queue += gc.get_referents(value)
    return list(seen.values())
