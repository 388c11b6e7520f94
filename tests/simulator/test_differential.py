"""The engine against the tick-by-tick oracle: the same decisions and the same statistics."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.engine import simulate
from simulator.errors import PolicyFailure
from simulator.library import policy_source
from simulator.local_policy import LocalPolicy
from simulator.messages import Decision, MemoryReading, Observation, Setup
from simulator.params import Params
from simulator.workload import Workload
from tests.oracle.ticks import Decision as OracleDecision
from tests.oracle.ticks import simulate_by_ticks
from tests.support.random_scenarios import random_scenario

POLICIES = Path(__file__).resolve().parent.parent / "oracle" / "policies"
OWN = sorted(path.stem for path in POLICIES.glob("*.py"))
LIBRARY = ["naive", "priority", "priority-pool", "overbook"]
SEEDS = range(40)
NEEDS: dict[str, dict[str, Any]] = {
    "priority-pool": {"num_pools": 2, "multi_operator_containers": True},
    "overbook": {"multi_operator_containers": False, "allow_memory_overcommit": True},
}
"""What the policies of the library ask of a scenario."""
CROWDED: dict[str, Any] = {
    "duration": 15,
    "ticks_per_second": 300,
    "cpus_per_pool": 16,
    "ram_gb_per_pool": 90,
    "allow_memory_overcommit": True,
    "multi_operator_containers": False,
}
"""Many growing containers on a fine clock, so that a pool overflows between events."""


class Recorder:
    """Passes everything on to a policy and keeps every decision that is not empty."""

    def __init__(self, source: str) -> None:
        self.inner = LocalPolicy(source)
        self.decisions: list[OracleDecision] = []

    def start(self, setup: Setup) -> None:
        self.inner.start(setup)

    def decide(
        self, observation: Observation, read_memory: Callable[[int], MemoryReading]
    ) -> Decision:
        decision = self.inner.decide(observation, read_memory)
        if decision.suspensions or decision.assignments:
            asked = [(a.operators, a.cpu, a.ram, a.pool, a.priority) for a in decision.assignments]
            suspended = [(name, pool) for name, pool in decision.suspensions]
            self.decisions.append((decision.tick, suspended, asked))
        return decision


def source_of(name: str) -> str:
    path = POLICIES / f"{name}.py"
    return path.read_text() if path.exists() else policy_source(name)


def assert_same(workload: Workload, params: Params, source: str) -> None:
    oracle = simulate_by_ticks(workload, params, source)
    recorder = Recorder(source)
    failure_tick = None
    try:
        run = simulate(workload, params, recorder)
    except PolicyFailure as problem:
        failure_tick = problem.failure.tick
    else:
        assert recorder.decisions == oracle.decisions
        assert run.stats == oracle.stats
        assert run.policy_calls == params.num_ticks
    assert failure_tick == oracle.failure_tick
    assert recorder.decisions == oracle.decisions


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", OWN)
def test_engine_and_oracle_agree_on_random_scenarios(name: str, seed: int) -> None:
    workload, params = random_scenario(seed)

    assert_same(workload, params, source_of(name))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", LIBRARY)
def test_engine_and_oracle_agree_with_policies_of_the_library(name: str, seed: int) -> None:
    workload, params = random_scenario(1000 + seed, **NEEDS.get(name, {}))

    assert_same(workload, params, source_of(name))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["overbook", "memory_reader", "packer"])
def test_engine_and_oracle_agree_where_memory_is_overcommitted(name: str, seed: int) -> None:
    workload, params = random_scenario(3000 + seed, **CROWDED)

    assert_same(workload, params, source_of(name))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ["packer", "estimate_user", "naive", "priority", "overbook"])
def test_a_policy_that_only_reacts_decides_the_same_when_called_on_change(
    name: str, seed: int
) -> None:
    needs = NEEDS.get(name, {})
    workload, params = random_scenario(2000 + seed, policy_calls="on_change", **needs)
    oracle = simulate_by_ticks(workload, params, source_of(name))
    recorder = Recorder(source_of(name))

    run = simulate(workload, params, recorder)

    assert recorder.decisions == oracle.decisions
    assert run.stats == oracle.stats
    assert run.policy_calls < params.num_ticks
