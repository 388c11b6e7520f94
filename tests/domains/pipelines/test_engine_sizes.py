"""Whatever sizes a policy asks for, the simulation ends in a result or in the policy's failure."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.domain import Run
from simulator.domains.pipelines.contract import CONTRACT
from simulator.domains.pipelines.decisions import LEAST_CPUS, MOST
from simulator.domains.pipelines.engine import ReadMemory, simulate
from simulator.domains.pipelines.messages import (
    Decision,
    MemoryReading,
    NewAssignment,
    Observation,
    Setup,
)
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload
from simulator.driver import PolicyDriver
from simulator.errors import Failure, PolicyFailure
from simulator.messages import decode, encode
from tests.support.engine_cases import pipeline, run, work
from tests.support.examples import at_night

ADMITTED = ("invalid_decision", "policy_error")
INT64 = 2**63
numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(1, MOST),
    st.sampled_from([2**53, 2**63 - 1, 2**63, 2**64, MOST, MOST + 1]),
    st.floats(),
    st.floats(5e-324, 1e-300),
    st.sampled_from([0.01, 0.5, 1, 4, True]),
)
carried = st.one_of(st.integers(-INT64, INT64 - 1), st.floats(), st.floats(0.01, 8))
whole = st.one_of(st.integers(-INT64, INT64 - 1), st.integers(0, 3))

SOURCE = """
nan, inf = float("nan"), float("inf")
SIZES = {sizes}

@register_scheduler_init(key="sizes")
def init(s):
    s.waiting, s.calls = [], 0

@register_scheduler(key="sizes")
def step(s, results, pipelines):
    s.waiting.extend(pipelines)
    out = []
    for p in s.waiting:
        for op in p.runtime_status().get_assignable_ops():
            cpu, ram, pool = SIZES[s.calls % len(SIZES)]
            s.calls += 1
            out.append(Assignment([op], cpu, ram, p.priority, pool, p.pipeline_id))
    suspends = [Suspend(c.container_id, c.pool_id) for pool in s.executor.pools
                for c in pool.active_containers if c.can_suspend_container()]
    s.wake_in(0.1)
    s.executor.pools[0].consumed_ram_gb
    return suspends, out
"""


class Encoded:
    """A policy behind the codec, as in a cell: only bytes pass between it and the engine."""

    def __init__(self, source: str) -> None:
        self._driver = PolicyDriver(CONTRACT, source)

    def start(self, setup: Setup) -> None:
        self._driver.load()
        self._driver.start(decode(encode(setup), Setup))

    def decide(self, observation: Observation, read_memory: ReadMemory) -> Decision:
        def read(tick: int) -> MemoryReading:
            return decode(encode(read_memory(tick)), MemoryReading)

        decided = self._driver.decide(decode(encode(observation), Observation), read)
        return decode(encode(decided), Decision)


class Sends:
    """A policy's side that sends one decision through the codec, and then nothing."""

    def __init__(self, assignments: list[NewAssignment]) -> None:
        self._assignments = assignments

    def start(self, setup: Setup) -> None:
        pass

    def decide(self, observation: Observation, read_memory: ReadMemory) -> Decision:
        encode(observation)
        sent, self._assignments = self._assignments, []
        decided = Decision(tick=observation.quiet_until, calls=1, assignments=sent)
        return decode(encode(decided), Decision)


def workload() -> Workload:
    """Return pipelines of every scaling, with memory that stays and memory that grows."""
    scalings = ("const", "log", "sqrt", "squared", "exp", "linear3")
    return Workload(
        pipelines=tuple(
            Pipeline(
                id=f"p{number}",
                priority=Priority(1 + number % 3),
                arrival_tick=number // 3,
                operators=(
                    Operator(
                        id="a",
                        segments=(
                            Segment(
                                baseline_cpu_seconds=0.3,
                                cpu_scaling=scaling,
                                memory_gb=2.0 if number % 2 else None,
                                storage_read_gb=3.0,
                            ),
                        ),
                    ),
                    Operator(id="b", parents=(0,), segments=(Segment(baseline_cpu_seconds=0.2),)),
                ),
            )
            for number, scaling in enumerate(scalings)
        )
    )


def ended(policy: Encoded | Sends, overcommit: bool) -> Run | Failure:
    params = Params(
        duration=5,
        ticks_per_second=10,
        num_pools=2,
        cpus_per_pool=8,
        ram_gb_per_pool=32,
        policy_calls="on_change",
        allow_memory_overcommit=overcommit,
    )
    try:
        return simulate(workload(), params, policy)
    except PolicyFailure as error:
        return error.failure


@settings(max_examples=at_night(150), deadline=None)
@given(
    sizes=st.lists(st.tuples(numbers, numbers, st.one_of(st.sampled_from([0, 1]), numbers)),
                   min_size=1, max_size=6),
    overcommit=st.booleans(),
)  # fmt: skip
def test_every_size_that_a_policy_can_write_ends_in_a_result_or_its_failure(
    sizes: list[tuple[float, float, float]], overcommit: bool
) -> None:
    result = ended(Encoded(SOURCE.format(sizes=sizes)), overcommit)

    if isinstance(result, Failure):
        assert result.kind in ADMITTED, result
    else:
        encode(result)


@settings(max_examples=at_night(150), deadline=None)
@given(
    sent=st.lists(st.builds(NewAssignment, operators=st.lists(whole, max_size=2), cpu=carried,
                            ram=carried, pool=whole, priority=whole), max_size=4),
    overcommit=st.booleans(),
)  # fmt: skip
def test_every_decision_that_a_message_can_carry_ends_in_a_result_or_a_failure(
    sent: list[NewAssignment], overcommit: bool
) -> None:
    result = ended(Sends(sent), overcommit)

    if isinstance(result, Failure):
        assert result.kind == "invalid_decision", result
    else:
        encode(result)


@pytest.mark.parametrize("ram", [MOST, float(MOST), MOST // 3, 0.4 * MOST])
def test_many_sizes_in_range_cannot_add_up_to_more_than_the_most(ram: float) -> None:
    result = ended(Encoded(SOURCE.format(sizes=[(0.5, ram, 0)])), overcommit=True)

    assert isinstance(result, Failure)
    assert result.kind == "invalid_decision"
    assert "would hold more than 1e+12 GB together" in result.message


@pytest.mark.parametrize("cpu", [1e-300, 5e-324, 0.0099, math.nextafter(LEAST_CPUS, 0)])
def test_a_container_has_at_least_a_hundredth_of_a_cpu(cpu: float) -> None:
    result = ended(Encoded(SOURCE.format(sizes=[(cpu, 1, 0)])), overcommit=False)

    assert isinstance(result, Failure)
    assert result.kind == "invalid_decision"
    assert f"cpu={cpu!r}, expected a number from 0.01 to 1e+12" in result.message


def test_a_pool_smaller_than_that_can_be_given_away_as_a_whole() -> None:
    outcome, _ = run(
        "return [], [put(ops(0), cpu=1e-6)] if tick == 0 else []",
        pipeline("p1", work(cpu=0.5)),
        cpus_per_pool=1e-6,
    )

    assert outcome.stats["assignments"] == 1
