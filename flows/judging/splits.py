"""The scenarios of a suite by split: train, validation, and the final test."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flows.errors import ConfigError, UserError
from flows.judging.objectives import Reference, make_reference
from sandbox.outcome import Evaluation, Outcome
from simulator.domains.pipelines.cell import scenario_from_files
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.families import generate_family
from simulator.domains.pipelines.families_table import FAMILIES, SHIFTED, Family
from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.library import load_suite, policy_source, suite_names
from simulator.domains.pipelines.params import Params, load_params, read_mapping
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.scenario_codec import scenario_sha256
from simulator.domains.pipelines.tracefile import parse_trace, render_trace
from simulator.domains.pipelines.workload import Workload
from simulator.errors import InputError
from simulator.suites import traces_folder

TRAIN, VALIDATION, TEST = "train", "validation", "test"
AUDIT_CALLS = "every_tick"
"""The calling mode of the audit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Train feeds the feedback, validation decides who is promoted, test is touched once."""

    train: tuple[Scenario, ...]
    validation: tuple[Scenario, ...] = ()
    test: tuple[Scenario, ...] = ()
    """The suite's own."""
    fresh: "FreshTest | None" = None
    """Draws the final test instead of the suite's own test scenarios."""

    @property
    def every(self) -> tuple[Scenario, ...]:
        return (*self.train, *self.validation, *self.test)

    @property
    def deciding(self) -> str:
        """The split that decides promotion: train where there is no validation."""
        return VALIDATION if self.validation else TRAIN

    def of(self, split: str) -> tuple[Scenario, ...]:
        """Return the scenarios of the split with that name."""
        return {TRAIN: self.train, VALIDATION: self.validation, TEST: self.test}[split]

    def doubts(self) -> list[str]:
        """Return warnings about scenarios that weaken a search's conclusions."""
        found = []
        if not self.validation:
            found.append(
                "the suite has no validation scenarios: train decides promotions, so overfitting "
                "cannot be detected"
            )
        count = len(self.of(self.deciding))
        if count == 1:
            found.append(
                f"one {self.deciding} scenario gives no confidence interval: any gain promotes"
            )
        if not self.test:
            found.append(
                "the suite has no test scenarios: the result is not measured on held-out scenarios"
            )
        if self.fresh is not None:
            found += [f"left out of the fresh test: {each}" for each in self.fresh.left_out]
        return found

    def final_test(self) -> "FinalTest":
        """Return the scenarios of the final test; a fresh one is drawn by this call."""
        if self.fresh is None:
            return FinalTest(scenarios=self.test)
        return FinalTest(scenarios=self.fresh.draw(), seed=self.fresh.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalTest:
    """The test scenarios of a search, and which ones they are."""

    scenarios: tuple[Scenario, ...]
    seed: int | None = None
    """Of a fresh test; None is the suite's own."""

    @property
    def words(self) -> str:
        """Which test scenarios these are, as a verdict names them."""
        if self.seed is None:
            return "the test scenarios of the suite"
        return f"fresh test scenarios (drawn with seed {self.seed})"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshTest:
    """Test scenarios that do not exist until a search draws them, after its last proposal."""

    seed: int = field(repr=False)
    patterns: "tuple[Pattern, ...]"
    """The scenarios that can be redrawn."""
    left_out: tuple[str, ...]
    """The test scenarios of the suite that cannot be redrawn, each with the reason."""

    def draw(self) -> tuple[Scenario, ...]:
        return tuple(_drawn(each, self.seed) for each in self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A scenario whose workload came from a generator, which can draw another of the same kind."""

    scenario: Scenario
    family: Family | None
    """None where the scenario's parameters are the generator's."""


def suite_splits(
    suite: str, policy_calls: str | None = None, fresh_test: int | None = None
) -> Splits:
    """Return all scenarios of a suite; refuse one without any to learn from.

    With the seed ``fresh_test``, the test scenarios are redrawn: see ``FreshTest``.
    """
    found = load_suite(suite)
    test = _called(found.split(TEST), policy_calls)
    splits = Splits(
        train=_called(found.split(TRAIN), policy_calls),
        validation=_called(found.split(VALIDATION), policy_calls),
        test=test,
        fresh=None if fresh_test is None else _fresh_test(suite, test, fresh_test),
    )
    if not splits.train:
        raise UserError(
            f"suite {suite} has no train scenarios, which a search needs: choose another --suite"
        )
    return splits


def _called(scenarios: Sequence[Scenario], policy_calls: str | None) -> tuple[Scenario, ...]:
    return tuple(with_policy_calls(scenario, policy_calls) for scenario in scenarios)


def is_fresh(scenario: str) -> bool:
    """Return whether a name is that of a scenario of a fresh test."""
    return re.search(r"-fresh-\d+$", scenario) is not None


def _fresh_test(suite: str, test: Sequence[Scenario], seed: int) -> FreshTest:
    """Return the fresh test of a suite; refuse a suite without a scenario that can be drawn."""
    path = Path(suite)
    if suite in suite_names():
        path = traces_folder() / "suites" / f"{suite}.toml"
    traces = {each["name"]: each.get("trace") for each in read_mapping(path)["scenarios"]}
    patterns, left_out = [], []
    for scenario in test:
        trace = traces[scenario.name]
        found = _pattern(scenario, None if trace is None else path.parent / trace)
        if found is None:
            left_out.append(f"{scenario.name}, whose trace {trace} no generator of Assay made")
        else:
            patterns.append(found)
    if not patterns:
        why = "; ".join(left_out) or "it has no test scenarios"
        raise ConfigError(
            f"guards.fresh_test: no test scenario of suite {suite} can be redrawn: {why}; leave "
            "--fresh-test out, or choose another --suite"
        )
    return FreshTest(seed=seed, patterns=tuple(patterns), left_out=tuple(left_out))


def _pattern(scenario: Scenario, trace: Path | None) -> Pattern | None:
    """Return how to redraw a scenario, or None unless a generator reproduces its workload."""
    if trace is None:
        return Pattern(scenario=scenario, family=None)
    header = _header(trace)
    if "params" in header and _makes(scenario, generate_workload(scenario.params)):
        return Pattern(scenario=scenario, family=None)
    known = next((each for each in (*FAMILIES, SHIFTED) if each.name == scenario.family), None)
    seed = header.get("seed")
    if known is None or not isinstance(seed, int) or seed < 0:
        return None
    count = len(scenario.workload.pipelines)
    family = replace(known, pipelines=count, params=scenario.params.to_mapping())
    made = _makes(scenario, generate_family(family, seed))
    return Pattern(scenario=scenario, family=family) if made else None


def _makes(scenario: Scenario, workload: Workload) -> bool:
    return _as_replayed(workload, scenario.params.ticks_per_second) == scenario.workload


def _header(trace: Path) -> Mapping[str, Any]:
    """Return the header of a trace, empty without one."""
    try:
        return read_mapping(trace.with_suffix(".toml"))
    except InputError:
        return {}


def _drawn(pattern: Pattern, seed: int) -> Scenario:
    """Return another scenario of a kind.

    What the generator is seeded with is made of the seed and the scenario's name, so that two of
    one family differ, and that no small seed gives a workload that a suite ships.
    """
    scenario, params = pattern.scenario, pattern.scenario.params
    digest = hashlib.sha256(f"fresh test/{seed}/{scenario.name}".encode()).digest()
    own = int.from_bytes(digest[:8])
    if pattern.family is None:
        params = replace(params, random_seed=own)
        workload = generate_workload(params)
    else:
        workload = generate_family(pattern.family, own)
    workload = _as_replayed(workload, params.ticks_per_second)
    return replace(
        scenario,
        name=f"{scenario.name}-fresh-{seed}",
        params=params,
        workload=workload,
        sha256=scenario_sha256(params, workload),
    )


def _as_replayed(workload: Workload, ticks_per_second: int) -> Workload:
    """Return a workload as the replay of its trace file has it."""
    text = render_trace(workload, ticks_per_second)
    return parse_trace(text, ticks_per_second, "a generated trace")


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
    """Return the references of scenarios from naive's evaluations."""
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
    """Return the evaluations of a library policy, simulated in this process."""
    source = policy_source(name)
    found = []
    for scenario in scenarios:
        run = simulate(scenario.workload, scenario.params, local_policy(source))
        found.append(
            Evaluation(
                scenario=scenario.name, outcome=Outcome.OK, stats=run.stats, metrics=run.metrics
            )
        )
    return tuple(found)
