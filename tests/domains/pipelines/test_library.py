"""The library of policies as a whole: found by name, readable, and sound on any workload."""

import ast
from typing import Any

import pytest

from sandbox.screen import screen
from simulator.domain import Run
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import policy_names, policy_source
from simulator.errors import InputError
from tests.oracle.ticks import simulate_by_ticks
from tests.support.random_scenarios import random_scenario

OWN = ["ageing", "backfill", "drf", "fifo-one", "right-size", "shortest-first"]
PORTED = ["naive", "overbook", "priority", "priority-pool"]
NEEDS: dict[str, dict[str, Any]] = {
    "overbook": {"multi_operator_containers": False, "allow_memory_overcommit": True},
    "priority-pool": {"multi_operator_containers": True, "num_pools": 2},
}
"""What a policy says it cannot do without."""


some_seeds = pytest.mark.parametrize(
    "seeds",
    [range(3000, 3010), pytest.param(range(3010, 3035), marks=pytest.mark.nightly)],
    ids=["some", "more"],
)


def run(name: str, seed: int, **changes: Any) -> Run:
    workload, params = random_scenario(seed, **NEEDS.get(name, {}), **changes)
    return simulate(workload, params, local_policy(policy_source(name)))


def test_the_library_has_ten_policies() -> None:
    assert sorted(policy_names()) == sorted(OWN + PORTED)


def test_an_underscore_is_as_good_as_a_hyphen() -> None:
    assert policy_source("shortest_first") == policy_source("shortest-first")


def test_an_unknown_policy_is_answered_with_all_names() -> None:
    with pytest.raises(InputError) as caught:
        policy_source("longest-first")

    assert all(name in str(caught.value) for name in policy_names())


@pytest.mark.parametrize("name", OWN + PORTED)
def test_policies_say_what_they_do_and_register_under_their_name(name: str) -> None:
    source = policy_source(name)
    module = ast.parse(source)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    keys = [
        keyword.value.value
        for function in functions
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        for keyword in decorator.keywords
        if isinstance(keyword.value, ast.Constant)
    ]

    assert len(ast.get_docstring(module) or "") > 100
    assert keys == [name, name]


@pytest.mark.parametrize("name", OWN)
def test_policies_of_our_own_cite_their_source(name: str) -> None:
    docstring = ast.get_docstring(ast.parse(policy_source(name))) or ""

    assert "Source: " in docstring or "Sources: " in docstring


def test_the_screen_has_nothing_against_the_library() -> None:
    assert {
        name: screen(policy_source(name)) for name in OWN + PORTED if screen(policy_source(name))
    } == {}


@some_seeds
@pytest.mark.parametrize("name", OWN + PORTED)
def test_no_policy_of_the_library_fails_and_both_ways_of_calling_it_agree(
    name: str, seeds: range
) -> None:
    for seed in seeds:
        on_change = run(name, seed, policy_calls="on_change")
        every_tick = run(name, seed, policy_calls="every_tick")

        assert on_change.decision_sha256 == every_tick.decision_sha256, seed
        assert on_change.stats == every_tick.stats, seed
        assert on_change.policy_calls < every_tick.policy_calls, seed


@some_seeds
@pytest.mark.parametrize("name", OWN)
def test_with_time_enough_everything_that_fits_is_finished(name: str, seeds: range) -> None:
    patient: dict[str, Any] = {"duration": 2000, "max_job_seconds": 0, "policy_calls": "on_change"}
    for seed in seeds:
        finished = run(name, seed, **patient).stats["pipelines_all"]

        assert finished["completion_count"] == finished["arrival_count"], seed


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(
    "odd",
    [
        {"cpus_per_pool": 0.5, "ram_gb_per_pool": 0.7},
        {"cpus_per_pool": 1, "ram_gb_per_pool": 64.3},
        {"cpus_per_pool": 3.7, "num_pools": 7},
        {"estimator_algo": "noisy", "noisy_estimator_sigma": 50},
    ],
)
def test_odd_clusters_and_wild_estimates_are_no_reason_to_fail(
    name: str, odd: dict[str, Any]
) -> None:
    for seed in range(5):
        assert run(name, 5000 + seed, **odd).stats["pipelines_created"] > 0


@pytest.mark.parametrize("name", [name for name in OWN if name != "right-size"])
def test_the_oracle_agrees_on_what_the_policies_achieve(name: str) -> None:
    """``right-size`` reads ``children``, which the oracle's operators do not have."""
    source = policy_source(name)
    for seed in range(6000, 6008):
        workload, params = random_scenario(seed, policy_calls="on_change")

        ours = simulate(workload, params, local_policy(source)).stats
        assert ours == simulate_by_ticks(workload, params, source).stats, seed
