"""Descriptions of workloads: figures that can be worked out by hand."""

from simulator.domains.pipelines.describe import (
    critical_path_seconds,
    describe,
    operator_seconds,
    render_description,
)
from simulator.domains.pipelines.library import load_suite
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload

SCAN = Segment(baseline_cpu_seconds=0, storage_read_gb=40)
SOLVE = Segment(baseline_cpu_seconds=16, cpu_scaling="squared", memory_gb=10)


def _diamond() -> Pipeline:
    return Pipeline(
        id="p1",
        priority=Priority.QUERY,
        arrival_tick=50,
        operators=(
            Operator(id="a", segments=(SCAN,)),
            Operator(id="b", parents=(0,), segments=(SCAN,)),
            Operator(id="c", parents=(0,), segments=(SOLVE,)),
            Operator(id="d", parents=(1, 2), segments=(SCAN,)),
        ),
    )


def test_the_critical_path_is_the_longest_way_with_the_best_number_of_cpus() -> None:
    assert operator_seconds(Operator(id="c", segments=(SOLVE,)), 2) == 4
    assert critical_path_seconds(_diamond()) == 2 + 2 + 2


def test_offered_load_is_work_over_capacity() -> None:
    params = Params(
        duration=10, ticks_per_second=10, num_pools=1, cpus_per_pool=8, ram_gb_per_pool=100
    )
    scenario = Scenario(
        name="d",
        family="f",
        split="train",
        params=params,
        workload=Workload(pipelines=(_diamond(),)),
        sha256="",
    )

    figures = describe(scenario)

    two = figures.offered[1]
    assert (two.cpus, two.cpu_share) == (2, 2 * (3 * 2 + 4) / 80)
    assert two.memory_share == (3 * 2 * 40 + 4 * 10) / 1000
    assert figures.arrivals[30] == 1
    assert figures.by_scaling == {"const": 3, "squared": 1}


def test_every_scenario_can_be_described_on_a_page() -> None:
    for scenario in load_suite("smoke").scenarios:
        page = render_description(describe(scenario))

        assert page.startswith(scenario.name)
        assert len(page.splitlines()) < 25
        assert max(map(len, page.splitlines())) < 110


def test_an_empty_workload_can_be_described() -> None:
    scenario = Scenario(
        name="empty",
        family="f",
        split="test",
        params=Params(),
        workload=Workload(pipelines=()),
        sha256="",
    )

    assert "0 pipelines, 0 operators" in render_description(describe(scenario))
