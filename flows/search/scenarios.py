"""Which scenarios a command works on: a split of a suite, or one trace with its parameters."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flows.errors import UserError
from flows.judging.objectives import Reference, make_reference
from sandbox.outcome import Evaluation, Outcome
from simulator.engine import simulate
from simulator.library import policy_source
from simulator.local_policy import LocalPolicy
from simulator.params import Params, load_params
from simulator.scenario import Scenario
from simulator.scenario_codec import scenario_sha256
from simulator.suites import load_suite, scenario_from_files

ALL_SPLITS = "all"


def suite_scenarios(
    suite: str, split: str = "train", policy_calls: str | None = None
) -> tuple[Scenario, ...]:
    """Return the scenarios of one split, or of ``all``; refuse a split without any."""
    found = load_suite(suite)
    scenarios = found.scenarios if split == ALL_SPLITS else found.split(split)
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
    return references_of(library_evaluations("naive", scenarios), scenarios)


def references_of(
    evaluations: Sequence[Evaluation], scenarios: Sequence[Scenario]
) -> dict[str, Reference]:
    """Return what scenarios are measured against: these figures, and the worst charge."""
    found = {each.scenario: each for each in evaluations}
    return {
        each.name: make_reference(
            found[each.name].metrics or {},
            found[each.name].stats or {},
            float(each.params.duration),
        )
        for each in scenarios
    }


def library_evaluations(name: str, scenarios: Sequence[Scenario]) -> tuple[Evaluation, ...]:
    """Return what a library policy does, simulated in this process: its code is trusted."""
    source = policy_source(name)
    found = []
    for scenario in scenarios:
        run = simulate(scenario.workload, scenario.params, LocalPolicy(source))
        found.append(
            Evaluation(
                scenario=scenario.name, outcome=Outcome.OK, stats=run.stats, metrics=run.metrics
            )
        )
    return tuple(found)
