"""Golden figures: every statistic equal to the reference's, to the last digit."""

from typing import Any

import pytest

from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.tracefile import parse_trace, render_trace
from tests.oracle.ticks import simulate_by_ticks
from tests.support.golden_data import golden_scenario, paper_figures, scenario_figures, source_of

# Policies that act on quiet ticks decide otherwise when they are not called on them.
CHANGE_DRIVEN = [name for name in scenario_figures() if not name.startswith("aging_ticks")]
QUICK_BY_TICKS = [
    name
    for name, figures in scenario_figures().items()
    if figures["params"]["duration"] * figures["params"]["ticks_per_second"] <= 12_000
]


@pytest.mark.parametrize("name", sorted(scenario_figures()))
def test_random_scenarios_are_equal_when_called_on_every_tick(name: str) -> None:
    golden = golden_scenario(name, policy_calls="every_tick")
    scenario = golden.scenario

    run = simulate(scenario.workload, scenario.params, local_policy(golden.policy))

    assert run.stats == golden.expected
    assert run.policy_calls == scenario.params.num_ticks


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(CHANGE_DRIVEN))
def test_random_scenarios_are_equal_when_called_on_change(name: str) -> None:
    golden = golden_scenario(name, policy_calls="on_change")
    scenario = golden.scenario

    run = simulate(scenario.workload, scenario.params, local_policy(golden.policy))

    assert run.stats == golden.expected


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(QUICK_BY_TICKS))
def test_the_oracle_gives_the_golden_figures_too(name: str) -> None:
    golden = golden_scenario(name)

    run = simulate_by_ticks(golden.scenario.workload, golden.scenario.params, golden.policy)

    assert run.stats == golden.expected


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        pytest.param(name, policy, marks=() if policy in by_day else pytest.mark.nightly)
        for number, name in enumerate(sorted(paper_figures()))
        for by_day in [("naive", "overbook") if number % 2 else ("naive",)]
        for policy in ("naive", "overbook", "priority")
    ],
)
def test_paper_traces_are_equal(name: str, policy: str) -> None:
    figures = paper_figures()[name]
    overcommit = policy == "overbook"
    params = Params.from_mapping(
        {
            **figures["params"],
            "allow_memory_overcommit": overcommit,
            "policy_calls": "on_change",
        }
    )
    text = render_trace(generate_workload(params), params.ticks_per_second)
    workload = parse_trace(text, params.ticks_per_second)

    run = simulate(workload, params, local_policy(source_of(policy)))

    assert run.stats == _renamed(figures["stats_on_v2_trace"][policy])


def _renamed(stats: dict[str, Any]) -> dict[str, Any]:
    return {"adjusted_latency" if key == "adjusted" else key: value for key, value in stats.items()}
