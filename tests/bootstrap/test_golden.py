"""The core of the pipelines, as a simulator behind the broker, gives the golden figures."""

import math

import pytest

from simulator.domains.pipelines.cell import scenario_from_files
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND, whole_ticks
from simulator.sealed.scenarios import Scenario, make_scenario
from tests.support.golden_data import paper_figures
from tests.support.systems import system

LAWS = ("const", "linear3", "linear7", "squared", "exp")
CORE = system("pipelines-core")


def as_data(params: Params) -> Scenario:
    """Return a generated trace as the core has it: whole ticks, and memory at its peak."""
    pipelines, operators = [], []
    workload = scenario_from_files(None, params, name="golden").workload
    for number, pipeline in enumerate(workload.pipelines):
        pipelines.append([pipeline.arrival_tick, int(pipeline.priority)])
        for operator in pipeline.operators:
            (segment,) = operator.segments
            scan = segment.storage_read_gb / SCAN_GB_PER_SECOND
            operators.append(
                [
                    number,
                    whole_ticks(scan, params.tick_seconds),
                    whole_ticks(segment.baseline_cpu_seconds, params.tick_seconds),
                    LAWS.index(str(segment.cpu_scaling)),
                    math.ceil(segment.storage_read_gb),
                ]
            )
    values = {
        "horizon": params.num_ticks + 1,  # what ends within the last tick shows after it
        "pool_cpus": int(params.cpus_per_pool),
        "pool_memory": int(params.ram_gb_per_pool),
    }
    tables = {"pipelines": pipelines, "operators": operators}
    return make_scenario(CORE.spec, values, tables, where="golden")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.nightly if place else ())
        for place, name in enumerate(paper_figures())
    ],
)
def test_the_core_gives_the_golden_figures_of_the_paper_traces(name: str) -> None:
    figures = paper_figures()[name]
    params = Params.from_mapping({**figures["params"], "scheduler_algo": "naive"})
    expected = figures["stats_on_v2_trace"]["naive"]

    ended = CORE.play(
        as_data(params), CORE.source("simulators/good.py"), CORE.source("policies/naive.py")
    )

    stats = {kind: [e for e in ended.log if e[0] == kind] for kind in CORE.spec.events}
    arrivals = {event[2][0]: event[1] for event in stats["arrived"]}
    latencies = [time - 1 - arrivals[args[0]] for _, time, args in stats["finished"]]
    all_of_it = expected["pipelines_all"]
    assert len(stats["arrived"]) == expected["pipelines_created"]
    assert len(stats["completed"]) == expected["containers_completed"]
    assert len(stats["killed"]) == expected["failures"]
    assert len(latencies) == all_of_it["completion_count"]
    mean = sum(latencies) / len(latencies) / params.ticks_per_second
    assert mean == pytest.approx(all_of_it["mean_latency_seconds"], rel=1e-12)
