"""Which scenarios a command works on: a split of a suite, or one trace with its parameters."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flows.errors import UserError
from flows.scoring import Reference
from simulator.engine import simulate
from simulator.library import policy_source
from simulator.local_policy import LocalPolicy
from simulator.params import Params, load_params
from simulator.scenario import Scenario
from simulator.scenario_codec import scenario_sha256
from simulator.suites import load_suite, scenario_from_files


def suite_scenarios(
    suite: str, split: str = "train", policy_calls: str | None = None
) -> tuple[Scenario, ...]:
    """Return the scenarios of one split; refuse a split without any."""
    scenarios = load_suite(suite).split(split)
    if not scenarios:
        raise UserError(f"suite {suite} has no {split} scenarios: choose another --split")
    return tuple(with_policy_calls(scenario, policy_calls) for scenario in scenarios)


def trace_scenario(
    trace: Path | None, params: Path | None, policy_calls: str | None = None
) -> Scenario:
    """Return the scenario of a trace file and a parameter file; either may be left out."""
    chosen = load_params(params) if params is not None else Params()
    return with_policy_calls(scenario_from_files(trace, chosen), policy_calls)


def with_policy_calls(scenario: Scenario, policy_calls: str | None) -> Scenario:
    """Return the scenario with another calling mode and the hash that goes with it."""
    if policy_calls is None or scenario.params.policy_calls == policy_calls:
        return scenario
    params = replace(scenario.params, policy_calls=policy_calls)
    return replace(scenario, params=params, sha256=scenario_sha256(params, scenario.workload))


def naive_references(scenarios: Sequence[Scenario]) -> dict[str, Reference]:
    """Return naive's figures, simulated in this process: the library's code is trusted."""
    source = policy_source("naive")
    references = {}
    for scenario in scenarios:
        run = simulate(scenario.workload, scenario.params, LocalPolicy(source))
        references[scenario.name] = Reference(
            weighted_latency_seconds=run.metrics["weighted_latency_seconds"] or 0.0,
            duration_seconds=float(scenario.params.duration),
        )
    return references
