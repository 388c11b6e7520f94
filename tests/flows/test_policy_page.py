"""The page about the policy's world against the code that makes that world."""

import re
from typing import Any

import pytest

from flows.prompting.policy_page import LEFT_OUT, OBJECTS, members, policy_page
from simulator import policy_api as api
from simulator.messages import NewOperator, NewPipeline, Observation, Setup
from simulator.mirror import Mirror

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


def instances() -> dict[str, Any]:
    """Return one object of each kind, as a policy meets them."""
    mirror = Mirror(SETUP, "test")
    operator = NewOperator(id="op1", parents=[], estimate_gb=None)
    arrival = NewPipeline(id="p1", priority=1, arrival_tick=0, operators=[operator])
    _, pipelines = mirror.apply(Observation(tick=0, quiet_until=0, arrivals=[arrival]), _no_reading)
    pipeline, pool = pipelines[0], mirror.scheduler.executor.pools[0]
    op = next(iter(pipeline.values))
    request = api.Assignment([op], 1, 1, pipeline.priority, 0, pipeline.pipeline_id)
    return {
        "s": mirror.scheduler,
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
    page = policy_page()

    assert "- `get_ops(states, require_parents_complete=False)`: the operators in one of" in page
    assert "- `now()`: the present time in seconds" in page
    assert "`Assignment(ops=..., cpu=..., ram=..., priority=..., pool_id=..., " in page


def test_the_names_that_need_no_import_exist() -> None:
    names = ("Assignment", "Suspend", "Priority", "OperatorState", "ASSIGNABLE_STATES")

    assert all(hasattr(api, name) and f"`{name}`" in policy_page() for name in names)


def test_what_is_shown_is_enough_to_make_an_assignment_and_no_more() -> None:
    shown = re.search(r"`Assignment\((.+?)\)`", policy_page())
    assert shown is not None
    names = [part.removesuffix("=...") for part in shown[1].split(", ")]

    given: dict[str, Any] = {**dict.fromkeys(names, 1), "ops": [_unassigned()]}
    made = api.Assignment(**given)

    assert names == ["ops", "cpu", "ram", "priority", "pool_id", "pipeline_id"]
    assert made.cpu == made.ram == 1
    assert "`Suspend(container_id, pool_id)`" in policy_page()
