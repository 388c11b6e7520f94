"""The scenarios of a suite by what they are for: to learn from, to decide by, to be told once."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.errors import UserError
from flows.search.scenarios import with_policy_calls
from simulator.scenario import Scenario
from simulator.suites import load_suite

TRAIN, VALIDATION, TEST = "train", "validation", "test"
AUDIT_CALLS = "every_tick"
"""How what is promoted is called once more, on some train scenarios."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Train feeds the feedback, validation decides who is promoted, test is touched once."""

    train: tuple[Scenario, ...]
    validation: tuple[Scenario, ...] = ()
    test: tuple[Scenario, ...] = ()

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
        """Return what about these scenarios weakens a search's conclusions, in words."""
        found = []
        if not self.validation:
            found.append(
                "the suite has no validation scenarios: train decides who is promoted, so that a "
                "policy that fits these scenarios alone is not recognised"
            )
        count = len(self.of(self.deciding))
        if count == 1:
            found.append(f"one {self.deciding} scenario gives no interval: any gain there promotes")
        if not self.test:
            found.append("the suite has no test scenarios: nothing measures the best independently")
        return found


def suite_splits(suite: str, policy_calls: str | None = None) -> Splits:
    """Return all scenarios of a suite; refuse one without any to learn from."""
    found = load_suite(suite)
    splits = Splits(
        train=_called(found.split(TRAIN), policy_calls),
        validation=_called(found.split(VALIDATION), policy_calls),
        test=_called(found.split(TEST), policy_calls),
    )
    if not splits.train:
        raise UserError(
            f"suite {suite} has no train scenarios, which a search needs: choose another --suite"
        )
    return splits


def _called(scenarios: Sequence[Scenario], policy_calls: str | None) -> tuple[Scenario, ...]:
    return tuple(with_policy_calls(scenario, policy_calls) for scenario in scenarios)
