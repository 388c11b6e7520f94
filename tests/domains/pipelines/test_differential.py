"""The engine against the tick-by-tick oracle: the same decisions and the same statistics."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import policy_source
from simulator.domains.pipelines.messages import Decision, MemoryReading, Observation, Setup
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Workload
from simulator.errors import PolicyFailure
from tests.oracle.ticks import Decision as OracleDecision
from tests.oracle.ticks import simulate_by_ticks
from tests.support.random_scenarios import random_scenario

POLICIES = Path(__file__).resolve().parents[2] / "oracle" / "policies"
OWN = sorted(path.stem for path in POLICIES.glob("*.py"))
LIBRARY = ["naive", "priority", "priority-pool", "overbook"]
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

each_count = pytest.mark.parametrize("count", [8, pytest.param(40, marks=pytest.mark.nightly)])
"""How many random scenarios are compared: the first of those of the night."""


class Recorder:
    """Passes everything on to a policy and keeps every decision that is not empty."""

    def __init__(self, source: str) -> None:
        self.inner = local_policy(source)
        self.decisions: list[OracleDecision] = []

    def start(self, setup: Setup) -> None:
        self.inner.start(setup)

    def decide(
        self, observation: Observation, read_memory: Callable[[int], MemoryReading]
    ) -> Decision:
        decision: Decision = self.inner.decide(observation, read_memory)
        if decision.suspensions or decision.assignments:
            asked = [(a.operators, a.cpu, a.ram, a.pool, a.priority) for a in decision.assignments]
            suspended = [(name, pool) for name, pool in decision.suspensions]
            self.decisions.append((decision.tick, suspended, asked))
        return decision


def source_of(name: str) -> str:
    path = POLICIES / f"{name}.py"
    return path.read_text() if path.exists() else policy_source(name)


def difference(workload: Workload, params: Params, source: str) -> str:
    """Return in which respect engine and oracle differ, the empty text where they do not."""
    oracle = simulate_by_ticks(workload, params, source)
    recorder = Recorder(source)
    failure_tick, run = None, None
    try:
        run = simulate(workload, params, recorder)
    except PolicyFailure as problem:
        failure_tick = problem.failure.step
    same = {
        "failure": failure_tick == oracle.failure_tick,
        "decisions": recorder.decisions == oracle.decisions,
        "statistics": run is None or run.stats == oracle.stats,
        "calls": run is None
        or params.policy_calls != "every_tick"
        or run.policy_calls == params.num_ticks,
        "quiet ticks": run is None
        or params.policy_calls != "on_change"
        or run.policy_calls < params.num_ticks,
    }
    return ", ".join(name for name, is_same in same.items() if not is_same)


def differences(name: str, seeds: Iterable[int], **changes: Any) -> dict[int, str]:
    """Return the seeds whose random scenarios tell the two apart."""
    source = source_of(name)
    found = {seed: difference(*random_scenario(seed, **changes), source) for seed in seeds}
    return {seed: text for seed, text in found.items() if text}


@each_count
@pytest.mark.parametrize("name", OWN)
def test_engine_and_oracle_agree_on_random_scenarios(name: str, count: int) -> None:
    assert differences(name, range(count)) == {}


@each_count
@pytest.mark.parametrize("name", LIBRARY)
def test_engine_and_oracle_agree_with_policies_of_the_library(name: str, count: int) -> None:
    assert differences(name, range(1000, 1000 + count), **NEEDS.get(name, {})) == {}


@pytest.mark.parametrize("count", [3, pytest.param(6, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", ["overbook", "memory_reader", "packer"])
def test_engine_and_oracle_agree_where_memory_is_overcommitted(name: str, count: int) -> None:
    assert differences(name, range(3000, 3000 + count), **CROWDED) == {}


@each_count
@pytest.mark.parametrize("name", ["packer", "estimate_user", "naive", "priority", "overbook"])
def test_a_policy_that_only_reacts_decides_the_same_when_called_on_change(
    name: str, count: int
) -> None:
    needs = {**NEEDS.get(name, {}), "policy_calls": "on_change"}

    assert differences(name, range(2000, 2000 + count), **needs) == {}
