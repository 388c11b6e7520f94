"""Decisions that cannot be carried out end the scenario, and say why."""

import pytest

from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.messages import Decision, NewAssignment, Observation, Setup
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Workload
from simulator.errors import Failure, PolicyFailure
from tests.support.engine_cases import pipeline, run, work


def _failure(body: str, **params: object) -> Failure:
    with pytest.raises(PolicyFailure) as caught:
        run(body, pipeline("p1", work(cpu=0.5), work(cpu=0.5)), **params)
    return caught.value.failure


REFUSED = {
    "return [], [put(ops(0), cpu=9)]": "overallocated CPU: the assignments to pool 0 ask for 9",
    "return [], [put(ops(0), ram=101)]": "overallocated RAM: the assignments to pool 0 ask for 101",
    "return [], [put(ops(0), pool=1)]": "assignment names pool 1, expected 0 to 0",
    "return [], [put(ops(0), pool=-1)]": "assignment names pool -1, expected 0 to 0",
    "return [], [put(ops(0)[1:])]": "operator p1/op2 cannot start in container c1 as its parent",
    "return [Suspend('c9', 0)], []": "suspension names 'c9', no active container of pool 0",
    "return [Suspend('c9', 3)], []": "suspension names pool 3, expected 0 to 0",
    "return [], [put(ops(0), cpu=float('inf'))]": "cpu=inf, expected a number from 0.01 to 1e+12",
    "a = put(ops(0))\nreturn [], [a, a]": "cannot assign operator p1/op1: it is assigned",
}


@pytest.mark.parametrize("body", REFUSED)
def test_a_decision_that_cannot_be_carried_out_is_refused(body: str) -> None:
    failure = _failure(body)

    assert failure.kind == "invalid_decision"
    assert REFUSED[body] in failure.message
    assert failure.step == 0


def test_several_operators_are_refused_where_containers_hold_one() -> None:
    failure = _failure("return [], [put(ops(0))]", multi_operator_containers=False)

    assert failure.kind == "invalid_decision"
    assert "has 2 operators, must have exactly 1" in failure.message


def test_a_running_container_cannot_be_suspended_between_boundaries() -> None:
    failure = _failure(
        "return ([Suspend('c1', 0)], []) if tick == 2 else ([], [put(ops(0))] if tick == 0 else [])"
    )

    assert "container c1 of pool 0 cannot be suspended right now" in failure.message
    assert failure.step == 2


def test_one_container_cannot_be_suspended_twice_in_one_call() -> None:
    body = """
if tick == 5:
    return [Suspend("c1", 0)] * 2, []
return [], [put(ops(0))] if tick == 0 else []
"""
    assert "to be suspended twice" in _failure(body).message


class _Fixed:
    """A policy's side that sends one given decision, however wrong."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def start(self, setup: Setup) -> None:
        pass

    def decide(self, observation: Observation, read_memory: object) -> Decision:
        return self.decision


def _send(decision: Decision) -> Failure:
    workload = Workload(pipelines=(pipeline("p1", work(cpu=0.5)),))
    with pytest.raises(PolicyFailure) as caught:
        simulate(workload, Params(duration=1, num_pools=1), _Fixed(decision))
    return caught.value.failure


@pytest.mark.parametrize("operators", [[], [1], [-1], [10**18], [0, 0]])
def test_operator_numbers_are_checked_against_what_arrived(operators: list[int]) -> None:
    wrong = NewAssignment(operators=operators, cpu=1, ram=1, pool=0, priority=1)

    assert _send(Decision(tick=0, calls=1, assignments=[wrong])).kind == "invalid_decision"


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf"), 10**18, -0.0])
def test_sizes_are_checked(size: float) -> None:
    for cpu, ram in ((size, 1), (1, size)):
        wrong = NewAssignment(operators=[0], cpu=cpu, ram=ram, pool=0, priority=1)

        assert _send(Decision(tick=0, calls=1, assignments=[wrong])).kind == "invalid_decision"


@pytest.mark.parametrize("priority", [0, 4, -1])
def test_priorities_are_checked(priority: int) -> None:
    wrong = NewAssignment(operators=[0], cpu=1, ram=1, pool=0, priority=priority)

    assert _send(Decision(tick=0, calls=1, assignments=[wrong])).kind == "invalid_decision"


@pytest.mark.parametrize("tick", [-1, 10**9])
def test_a_decision_for_another_tick_breaks_the_protocol(tick: int) -> None:
    assert _send(Decision(tick=tick, calls=1)).kind == "protocol_error"
