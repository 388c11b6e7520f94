"""The page about the policy's world against the code that makes that world."""

import re
from typing import Any

import pytest

from simulator.domains.pipelines import policy_api as api
from simulator.domains.pipelines.contract import contract_names
from simulator.domains.pipelines.contract_page import (
    LEFT_OUT,
    OBJECTS,
    PARAMS,
    contract_page,
    members,
)
from simulator.domains.pipelines.engine import make_setup
from simulator.domains.pipelines.messages import NewOperator, NewPipeline, Observation, Setup
from simulator.domains.pipelines.mirror import Mirror
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.states import COMPLETED, FAILED
from tests.support.engine_cases import pipeline, run, work

SETUP = Setup(
    params={"num_pools": 1},
    policy_calls="on_change",
    ticks_per_second=10,
    num_pools=1,
    cpus_per_pool=8,
    ram_gb_per_pool=64,
    max_job_ticks=0,
)
OUT_OF_USE = {
    "s": {"algo_name"},
    "pool": {"suspended_containers"},
    "container": {"pool", "error"},
    "pipeline": {"id"},
    "status": {"pipeline", "max_job_ticks", "finish_tick"},
    "op": set[str](),
    "result": set[str](),
}
"""Attributes that exist for policies written elsewhere and that a new policy has no use for."""

OF_THE_GENERATOR = {
    "waiting_seconds_mean", "num_pipelines", "num_operators", "num_segs", "interactive_prob",
    "query_prob", "batch_prob", "dag_linear_prob", "dag_branch_in_prob", "dag_branch_out_prob",
    "cpu_io_ratio", "random_seed", "trace_draws",
}  # fmt: skip
OF_NO_USE = {
    "rest_scheduler_addr", "rest_poll_interval", "estimator_algo", "noisy_estimator_sigma",
    "policy_calls",
}  # fmt: skip
"""Keys of ``s.params`` that are not on the page; a new one must be put somewhere."""


def instances() -> dict[str, Any]:
    """Return one object of each kind, as a policy meets them."""
    mirror = Mirror(SETUP, "test")
    operator = NewOperator(id="op1", parents=[], estimate_gb=None)
    arrival = NewPipeline(id="p1", priority=1, arrival_tick=0, operators=[operator])
    _, pipelines = mirror.apply(Observation(tick=0, quiet_until=0, arrivals=[arrival]), _no_reading)
    pipeline, pool = pipelines[0], mirror.state.executor.pools[0]
    op = next(iter(pipeline.values))
    request = api.Assignment([op], 1, 1, pipeline.priority, 0, pipeline.pipeline_id)
    return {
        "s": mirror.state,
        "pool": pool,
        "container": api.Container(0, request, pool, mirror.clock),
        "pipeline": pipeline,
        "status": pipeline.runtime_status(),
        "op": op,
        "result": api.ExecutionResult([op], 1, 1, pipeline.priority, 0),
    }


def _unassigned() -> Any:
    operator = NewOperator(id="op1", parents=[], estimate_gb=None)
    arrival = NewPipeline(id="p1", priority=1, arrival_tick=0, operators=[operator])
    observation = Observation(tick=0, quiet_until=0, arrivals=[arrival])
    _, (pipeline,) = Mirror(SETUP, "test").apply(observation, _no_reading)
    return next(iter(pipeline.values))


def _no_reading(_: int) -> Any:
    raise AssertionError("nobody reads memory here")


def named(name: str) -> set[str]:
    """Return the attributes and members that the page names for an object."""
    kind, attributes = OBJECTS[name]
    words = {word for key in attributes for word in re.split(r", ", key)}
    return words | {member for member, _ in members(kind)}


@pytest.mark.parametrize("name", OBJECTS)
def test_everything_on_the_page_exists(name: str) -> None:
    thing = instances()[name]

    assert all(hasattr(type(thing), word) or hasattr(thing, word) for word in named(name))


@pytest.mark.parametrize("name", OBJECTS)
def test_everything_that_is_public_is_on_the_page_or_left_out_on_purpose(name: str) -> None:
    public = {word for word in dir(instances()[name]) if not word.startswith("_")}

    assert public - named(name) - LEFT_OUT == OUT_OF_USE[name]


def test_the_page_shows_signatures_and_what_an_assignment_takes() -> None:
    page = contract_page("on_change")

    assert "- `get_ops(states, require_parents_complete=False)`: the operators in one of" in page
    assert "- `now()`: the current time in seconds" in page
    assert "`Assignment(ops=..., cpu=..., ram=..., priority=..., pool_id=..., " in page


def test_every_name_that_needs_no_import_is_on_the_page() -> None:
    page = contract_page("on_change")

    assert not [name for name in contract_names() if f"`{name}`" not in page]


def test_the_parameters_on_the_page_are_those_that_describe_a_scenario() -> None:
    known = set(make_setup(Params()).params)

    assert known - set(PARAMS) == OF_THE_GENERATOR | OF_NO_USE
    assert all(f"`{name}`" in contract_page("on_change") for name in PARAMS)
    assert not [name for name in OF_THE_GENERATOR if f"`{name}`" in contract_page("on_change")]


def test_a_kill_leaves_what_was_completed_and_comes_as_the_page_says() -> None:
    body = "return [], [put(ops(0), ram=10)] if tick == 0 else []"
    fixed, growing = work(memory=11, read=30.0), work(read=30.0)

    # The second operator starts at tick 1; with 20 GB a second it holds 10 GB after five ticks.
    for second, told in ((fixed, 1 + 1), (growing, 1 + 5 + 1)):
        _, policy = run(body, pipeline("p", work(cpu=0.1), second, work()))

        assert policy.results() == [(told, 1, "OOM")]
        states = [change for each in policy.observations for change in each.op_states]
        assert dict(states) == {0: COMPLETED, 1: FAILED, 2: FAILED}


def test_cpus_and_gb_may_be_fractions() -> None:
    body = "return [], [put(ops(0), cpu=0.5, ram=2.5)] if tick == 0 else []"

    _, policy = run(body, pipeline("p", work(cpu=0.1)))

    assert policy.results() == [(1, 1, None)]


def test_what_is_shown_is_enough_to_make_an_assignment_and_no_more() -> None:
    shown = re.search(r"`Assignment\((.+?)\)`", contract_page("on_change"))
    assert shown is not None
    names = [part.removesuffix("=...") for part in shown[1].split(", ")]

    given: dict[str, Any] = {**dict.fromkeys(names, 1), "ops": [_unassigned()]}
    made = api.Assignment(**given)

    assert names == ["ops", "cpu", "ram", "priority", "pool_id", "pipeline_id"]
    assert made.cpu == made.ram == 1
    assert "`Suspend(container_id, pool_id)`" in contract_page("on_change")
