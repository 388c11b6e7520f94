"""Descriptions of scenarios: figures that can be worked out by hand."""

import json

from simulator.domain import find_domain
from simulator.domains.faas.describe import COLUMNS, describe, describe_scenario, workload_figures
from simulator.domains.faas.messages import Image, Node, Package, Tenant
from simulator.domains.faas.scenario import Scenario, make_scenario
from simulator.suites import load_suite
from tests.domains.faas.support import function, world

SCENARIO = make_scenario(
    world(
        [(0, 0, 1), (10, 1, 4), (30, 0, 3), (90, 0, 500)],
        functions=[
            function("a", memory_mb=512, init_us=2_000_000),
            function("b", tenant=1, image=1, memory_mb=1024, concurrency=2),
        ],
        nodes=[Node("m", 2048, 400, 100), Node("n", 2048, 400, 100), Node("o", 1024, 0, 50)],
        tenants=[Tenant("one", 1, 0, 0), Tenant("two", 1, 0, 0)],
        packages=[Package("python", 200), Package("numpy", 100)],
        images=[Image("", ()), Image("py", (0, 1))],
        duration=120,
    ),
    name="small",
    family="mine",
    split="train",
)


def test_the_figures_of_a_small_scenario_are_those_worked_out_by_hand() -> None:
    found = describe(SCENARIO)

    assert found.nodes == ["2 of 2 GB, pull 100 MB/s, 400 MB of disk", "1 of 1 GB, pull 50 MB/s"]
    assert (len(found.arrivals), sum(found.arrivals), found.arrivals[5]) == (COLUMNS, 4, 1)
    assert found.memory_mb[1] == 768
    assert found.image_mb[-1] == 300
    assert found.gap_seconds[-1] == 60
    assert found.memory_of_all_functions == 1536 / 5120
    one, two = found.tenants
    # The timeout ends the last one after 300 s; two of b share an instance.
    assert one.work_share == 512 * (1 + 3 + 300) / (5120 * 120)
    assert two.work_share == 1024 * 4 / 2 / (5120 * 120)


def test_the_page_says_so_in_80_columns() -> None:
    page = describe_scenario(SCENARIO)

    assert page[0] == "small: 4 invocations in 120 s"
    assert "nodes       2 of 2 GB, pull 100 MB/s, 400 MB of disk" in page
    assert "price       60 GB s of idle memory cost 1 s of delay" in page
    assert page[-2:] == [
        "one                              1            3   25.33%",
        "two                              1            1    0.33%",
    ]


def test_every_scenario_of_a_suite_fits_a_page_and_json() -> None:
    for scenario in load_suite("faas-smoke", find_domain("faas")).scenarios:
        assert isinstance(scenario, Scenario)
        assert max(map(len, describe_scenario(scenario))) <= 80
        assert json.dumps(workload_figures(scenario), allow_nan=False)
