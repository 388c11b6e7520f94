"""The scenarios of a suite by split: train, validation, and the final test."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.errors import ConfigError, UserError
from flows.judging.objectives import Reference
from flows.trials import Evaluator
from sandbox.outcome import Evaluation, Outcome
from sandbox.trial import Payload
from simulator.domain import Domain, Scenario
from simulator.domain_host import Redrawn
from simulator.driver import LocalPolicy
from simulator.errors import InputError
from simulator.suites import load_suite, suite_path

TRAIN, VALIDATION, TEST = "train", "validation", "test"


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

    def groups(self, key: str | None) -> dict[str, tuple[str, ...]]:
        """Return the names of train and deciding scenarios by group, see ``groups_of``."""
        scenarios = (*self.train, *self.validation)
        return groups_of({each.name: each.settings for each in scenarios}, key)

    def doubts(self, key: str | None = None) -> list[str]:
        """Return warnings about scenarios that weaken a search's conclusions.

        ``key`` is the setting that groups scenarios, see ``DomainSpec.groups``.
        """
        found = []
        decide = {each.name for each in self.of(self.deciding)}
        for label, names in self.groups(key).items():
            if not decide & set(names):
                found.append(
                    f"no {self.deciding} scenario is of {label}, so what is promoted may be worse "
                    "there"
                )
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

    def groups(self, key: str | None) -> dict[str, tuple[str, ...]]:
        """Return the names of the scenarios by group, see ``groups_of``."""
        return groups_of({each.name: each.settings for each in self.scenarios}, key)

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
    redrawn: Redrawn = field(repr=False)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The test scenarios of the suite that cannot be redrawn, each with the reason."""
        return self.redrawn.left_out

    def draw(self) -> tuple[Scenario, ...]:
        drawn = self.redrawn.draw()
        for each in drawn:
            if not is_fresh(each.name):
                raise InputError(
                    f"redraw: the domain names a fresh scenario {each.name}, expected a name that "
                    f"ends in -fresh-{self.seed}"
                )
        return drawn


def suite_splits(
    suite: str, domain: Domain, policy_calls: str | None = None, fresh_test: int | None = None
) -> Splits:
    """Return all scenarios of a suite; refuse one without any to learn from.

    With the seed ``fresh_test``, the test scenarios are redrawn: see ``FreshTest``.
    """
    found = load_suite(suite, domain)
    test = _called(found.split(TEST), domain, policy_calls)
    splits = Splits(
        train=_called(found.split(TRAIN), domain, policy_calls),
        validation=_called(found.split(VALIDATION), domain, policy_calls),
        test=test,
        fresh=None if fresh_test is None else _fresh_test(suite, domain, test, fresh_test),
    )
    if not splits.train:
        raise UserError(
            f"suite {suite} has no train scenarios, which a search needs: choose another --suite"
        )
    return splits


def is_fresh(scenario: str) -> bool:
    """Return whether a name is that of a scenario of a fresh test."""
    return re.search(r"-fresh-\d+$", scenario) is not None


def _fresh_test(suite: str, domain: Domain, test: Sequence[Scenario], seed: int) -> FreshTest:
    """Return the fresh test of a suite; refuse a suite without a scenario that can be drawn."""
    redraw = domain.hosted("redraw")
    if redraw is None:
        raise ConfigError(
            f"guards.fresh_test: domain {domain.name} cannot redraw scenarios: leave "
            "--fresh-test out"
        )
    found = FreshTest(seed=seed, redrawn=redraw(suite_path(suite, domain), test, seed))
    if not found.redrawn.count:
        why = "; ".join(found.left_out) or "it has no test scenarios"
        raise ConfigError(
            f"guards.fresh_test: no test scenario of suite {suite} can be redrawn: {why}; leave "
            "--fresh-test out, or choose another --suite"
        )
    return found


def groups_of(
    settings: Mapping[str, Mapping[str, Any]], key: str | None
) -> dict[str, tuple[str, ...]]:
    """Return the names of scenarios by the value of a setting; nothing where all have the same.

    ``settings`` are by scenario; ``key`` is ``DomainSpec.groups``. A group is named by its value,
    one that is no text with the name of the setting before it.
    """
    found: dict[str, tuple[str, ...]] = {}
    if key is None:
        return found
    for name, own in settings.items():
        if key not in own:
            raise UserError(
                f"scenario {name} has no setting {key}, by which its domain groups scenarios: "
                "correct groups in its domain.toml, or Scenario.settings"
            )
        label = own[key] if isinstance(own[key], str) else f"{key} {own[key]}"
        found[label] = (*found.get(label, ()), name)
    return found if len(found) > 1 else {}


ALL_SPLITS = "all"


def suite_scenarios(
    suite: str, domain: Domain, split: str = "train", policy_calls: str | None = None
) -> tuple[Scenario, ...]:
    """Return the scenarios of one split, or of ``all``; refuse a split without any."""
    found = load_suite(suite, domain)
    scenarios = found.scenarios if split == ALL_SPLITS else found.split(split)
    if not scenarios:
        raise UserError(f"suite {suite} has no {split} scenarios: choose another --split")
    return _called(scenarios, domain, policy_calls)


def file_scenario(
    trace: Path | None, params: Path | None, domain: Domain, policy_calls: str | None = None
) -> tuple[Scenario, str]:
    """Return the scenario of files, and which defaults it has; not every domain has both files."""
    open_files = domain.hosted("open_files")
    if open_files is not None:
        scenario, defaults = open_files(trace, params)
    elif trace is None or params is not None:
        raise UserError(f"domain {domain.name} has no files of parameters: leave --params out")
    else:
        scenario, defaults = domain.cell.open_scenario(trace), ""
    return _called([scenario], domain, policy_calls)[0], defaults


def _called(
    scenarios: Sequence[Scenario], domain: Domain, policy_calls: str | None
) -> tuple[Scenario, ...]:
    """Return scenarios with another calling mode, where one is named."""
    if policy_calls is None:
        return tuple(scenarios)
    modes = domain.spec.calls.modes
    if policy_calls not in modes:
        raise UserError(
            f"unknown calling mode {policy_calls!r} of domain {domain.name}, expected "
            f"{' or '.join(modes)}"
        )
    return tuple(domain.cell.with_calls(each, policy_calls) for each in scenarios)


def audited(scenarios: Sequence[Scenario], domain: Domain) -> list[Scenario]:
    """Return scenarios in the calling mode of the audit, without those that have it already."""
    mode = domain.spec.calls.audit
    return [domain.cell.with_calls(each, mode) for each in scenarios if each.calls != mode]


def reference_evaluations(
    scenarios: Sequence[Scenario], domain: Domain, sandbox: Evaluator | None = None
) -> tuple[Evaluation, ...]:
    """Return how the reference policy does: see ``library_evaluations``."""
    return library_evaluations(domain.spec.reference, scenarios, domain, sandbox)


def find_references(
    scenarios: Sequence[Scenario], domain: Domain, sandbox: Evaluator | None = None
) -> dict[str, Reference]:
    """Return the references of scenarios: see ``library_evaluations``."""
    return references_of(reference_evaluations(scenarios, domain, sandbox), scenarios)


def references_of(
    evaluations: Sequence[Evaluation], scenarios: Sequence[Scenario]
) -> dict[str, Reference]:
    """Return the references of scenarios from evaluations of the reference policy."""
    found = {each.scenario: each for each in evaluations}
    return {
        each.name: Reference(
            metrics=found[each.name].metrics or {},
            stats=found[each.name].stats or {},
            known=each.figures,
        )
        for each in scenarios
    }


def library_evaluations(
    name: str, scenarios: Sequence[Scenario], domain: Domain, sandbox: Evaluator | None = None
) -> tuple[Evaluation, ...]:
    """Return the evaluations of a library policy, simulated in this process: both are trusted.

    The simulator of a sealed domain is not, so that one is tried in ``sandbox``.
    """
    source = domain.policy_source(name)
    if domain.trust == "sealed" and sandbox is not None:
        encode = domain.cell.encode_scenario
        payloads = [Payload(name=each.name, data=encode(each)) for each in scenarios]
        trial = sandbox.try_policy(source, payloads)
        for each in trial.evaluations:
            if each.outcome is not Outcome.OK:
                why = each.problem.message if each.problem is not None else ""
                raise UserError(
                    f"the policy {name} failed in {each.scenario}, so nothing can be scored "
                    f"against it: {each.outcome}: {why}"
                )
        return trial.evaluations
    found = []
    for scenario in scenarios:
        run = domain.cell.simulate(scenario, LocalPolicy(domain.contract, source))
        found.append(
            Evaluation(
                scenario=scenario.name, outcome=Outcome.OK, stats=run.stats, metrics=run.metrics
            )
        )
    return tuple(found)
