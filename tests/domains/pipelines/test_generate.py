"""The generator: the same traces as ever, byte for byte, in both orders of draws."""

import hashlib

import pytest

from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.tracefile import render_trace
from simulator.domains.pipelines.workload import MAX_OPERATORS, Priority
from simulator.errors import ParamsError
from tests.support.golden_data import paper_figures


@pytest.mark.parametrize("draws", ["v1", "v2"])
@pytest.mark.parametrize("name", sorted(paper_figures()))
def test_paper_traces_are_equal_byte_for_byte(name: str, draws: str) -> None:
    figures = paper_figures()[name]
    params = Params.from_mapping({**figures["params"], "trace_draws": draws})

    text = render_trace(generate_workload(params), params.ticks_per_second)

    assert hashlib.sha256(text.encode()).hexdigest() == figures["trace_sha256"][draws]


def test_the_first_batch_arrives_at_tick_0_and_all_within_the_duration() -> None:
    params = Params(duration=60, ticks_per_second=10, waiting_seconds_mean=5)

    ticks = [pipeline.arrival_tick for pipeline in generate_workload(params).pipelines]

    assert ticks[:4] == [0, 0, 0, 0]
    assert ticks == sorted(ticks)
    assert ticks[-1] < params.num_ticks


def test_a_mean_wait_of_nothing_gives_a_batch_on_every_tick() -> None:
    params = Params(duration=1, ticks_per_second=10, waiting_seconds_mean=0, num_pipelines=1)

    workload = generate_workload(params)

    assert [pipeline.arrival_tick for pipeline in workload.pipelines] == list(range(10))


def test_a_query_is_one_operator_of_its_own_kind() -> None:
    params = Params(interactive_prob=0, query_prob=1, batch_prob=0, duration=5, num_pipelines=2)

    workload = generate_workload(params)

    assert {pipeline.priority for pipeline in workload.pipelines} == {Priority.QUERY}
    (operator,) = workload.pipelines[0].operators
    assert operator.segments[0].storage_read_gb == 35
    assert operator.segments[0].cpu_scaling == "linear3"


@pytest.mark.parametrize(
    ("shape", "parents"),
    [
        ("linear", [(), (0,), (1,), (2,)]),
        ("branch_in", [(), (), (), (0, 1, 2)]),
        ("branch_out", [(), (0,), (0,), (0,)]),
    ],
)
def test_a_shape_decides_the_parents(shape: str, parents: list[tuple[int, ...]]) -> None:
    chances = {
        f"dag_{each}_prob": float(each == shape) for each in ("linear", "branch_in", "branch_out")
    }
    params = Params.from_mapping(
        {**chances, "interactive_prob": 1, "query_prob": 0, "batch_prob": 0, "num_operators": 4}
    )

    lengths = {
        len(pipeline.operators): [operator.parents for operator in pipeline.operators]
        for pipeline in generate_workload(params).pipelines
    }

    assert lengths[4] == parents


def test_no_pipelines_is_an_empty_workload_however_long_it_runs() -> None:
    params = Params(num_pipelines=0, duration=1e7, waiting_seconds_mean=0)

    assert generate_workload(params).pipelines == ()


def test_a_generator_that_would_never_end_is_refused() -> None:
    params = Params(duration=1e7, num_pipelines=10_000, num_operators=50)

    with pytest.raises(ParamsError, match=f"more than {MAX_OPERATORS} operators by tick"):
        generate_workload(params)
