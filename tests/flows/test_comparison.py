"""A comparison is paired, keeps every failure, and says only what its intervals carry."""

from collections.abc import Sequence
from typing import Any

import pytest

from flows.judging.comparison import Comparison, Measure, compare, compare_trials
from flows.judging.guards import certain_loss
from flows.policies import Contender, PolicyText
from sandbox.outcome import Evaluation, Outcome, Problem, Trial
from tests.support.search_fakes import (
    DOMAIN,
    FakeSandbox,
    evaluation,
    failure,
    reference,
    scenario,
    trial,
)

NAMES = ("s1", "s2", "s3", "s4")
REFERENCES = {name: reference(50.0) for name in NAMES}


def contender(label: str, baseline: bool = False, source: str | None = "") -> Contender:
    """Return a policy whose source is its label unless told otherwise."""
    text = label if source == "" else source
    problem = "byte 1 is not UTF-8 text" if text is None else None
    policy = PolicyText(title=label, data=label.encode(), source=text, problem=problem)
    return Contender(label=label, text=policy, baseline=baseline)


def tried(label: str, *latencies: float | None, baseline: bool = False) -> tuple[Contender, Trial]:
    """Return a policy with a latency for each scenario; None is a failure."""
    found: list[Evaluation] = [
        failure(name) if seconds is None else evaluation(name, seconds)
        for name, seconds in zip(NAMES, latencies, strict=True)
    ]
    return contender(label, baseline), trial(label, found)


def compared(*trials: tuple[Contender, Trial], **measure: Any) -> Comparison:
    return compare_trials(trials, REFERENCES, DOMAIN.spec, Measure(**measure))


def labels(comparison: Comparison) -> list[str]:
    return [row.label for row in comparison.rows]


def test_the_best_comes_first_and_intervals_are_of_the_gain_over_the_first_named() -> None:
    found = compared(tried("a", 50, 50, 50, 50), tried("b", 25, 20, 25, 20))

    best, first = found.rows
    assert labels(found) == ["b", "a"]
    assert found.first == "a"
    assert first.against_first is None
    assert best.against_first is not None
    assert best.against_first.percent[1] == pytest.approx(100 * (5**0.5 - 1))
    assert best.against_first.percent[0] >= 100


def test_what_differs_between_scenarios_and_not_between_policies_cancels_out() -> None:
    found = compared(tried("a", 90, 10, 40, 70), tried("b", 81, 9, 36, 63))

    gain = found.rows[0].against_first
    assert gain is not None
    assert gain.percent == pytest.approx([100 / 9] * 3)
    assert found.verdict.startswith("b is significantly better than a, the next: 11.1 % better")


def test_a_gain_on_one_scenario_alone_is_not_called_the_best() -> None:
    found = compared(tried("a", 50, 50, 50, 50), tried("lucky", 5, 51, 51, 51))

    assert labels(found) == ["lucky", "a"]
    assert found.verdict.startswith("lucky leads without a significant difference from")


def test_a_failed_scenario_keeps_its_charge_and_the_policy_is_named_with_its_reason() -> None:
    found = compared(tried("good", 40, 40, 40, 40), tried("half", 10, None, 10, 10))

    half = found.rows[1]
    assert (half.label, half.outcome) == ("half", Outcome.POLICY_ERROR)
    assert half.scores == {"s1": 5.0, "s2": 0.5, "s3": 5.0, "s4": 5.0}
    assert half.score == pytest.approx((5.0**3 * 0.5) ** 0.25)
    assert half.problem == "ValueError: no"
    assert half.problem_line == 1


def test_what_failed_comes_after_what_did_not_however_high_its_score() -> None:
    found = compared(tried("half", 1, None, 1, 1), tried("slow", 60, 60, 60, 60))

    assert labels(found) == ["slow", "half"]


def test_an_implausible_score_never_ranks() -> None:
    too_good = [evaluation(name, 5.0, bound=6.0) for name in NAMES]
    found = compared(tried("a", 50, 50, 50, 50), (contender("magic"), trial("magic", too_good)))

    magic = found.rows[1]
    assert (magic.label, magic.score, magic.against_first) == ("magic", None, None)
    assert magic.problem is not None
    assert magic.problem.startswith("implausible")
    assert found.verdict == "a is the only policy with a valid score"


def test_the_best_of_the_librarys_policies_is_a_second_bar() -> None:
    found = compared(
        tried("mine", 20, 20, 20, 20),
        tried("naive", 50, 50, 50, 50, baseline=True),
        tried("priority", 40, 40, 40, 40, baseline=True),
    )

    mine, priority, naive = found.rows
    assert found.best_baseline == "priority"
    assert mine.against_baseline is not None
    assert mine.against_baseline.percent[1] == pytest.approx(100.0)
    assert priority.against_baseline is None
    assert naive.against_baseline is not None


def test_nothing_is_concluded_from_one_scenario() -> None:
    one = {"s1": REFERENCES["s1"]}
    trials = [
        (contender(label), trial(label, [evaluation("s1", seconds)]))
        for label, seconds in (("a", 50.0), ("b", 10.0))
    ]

    found = compare_trials(trials, one, DOMAIN.spec)

    assert found.verdict.endswith("(1 scenario, no confidence interval)")


def test_there_is_no_best_where_all_failed() -> None:
    found = compared(tried("a", None, 5, 5, 5), tried("b", None, None, None, None))

    assert found.verdict == "no policy completed every scenario"


def test_the_same_trials_give_the_same_comparison() -> None:
    trials = [tried("a", 50, 40, 30, 20), tried("b", 40, 45, 25, 20)]

    assert compared(*trials) == compared(*trials)


def test_every_contender_is_tried_once_on_all_scenarios_and_twice_on_the_first() -> None:
    sandbox, heard = FakeSandbox(), list[str]()
    contenders: Sequence[Contender] = [
        contender("a", source="latency = 20"),
        contender("same", source="latency = 20"),
        contender("b", source="latency = 10"),
        contender("binary", source=None),
    ]

    found = compare(
        contenders,
        [scenario("s1"), scenario("s2")],
        DOMAIN,
        sandbox,
        tried=lambda each, trial: heard.append(f"{each.label} {trial.outcome}"),
    )

    expected = [("latency = 10", ("s1", "s2", "s1")), ("latency = 20", ("s1", "s2", "s1"))]
    assert sorted(sandbox.trials) == expected
    assert sorted(heard) == ["a ok", "b ok", "binary malformed"]
    assert {row.label for row in found.rows} == {"a", "same", "b", "binary"}
    assert found.rows[-1].problem == "byte 1 is not UTF-8 text"


def test_a_policy_that_does_not_repeat_itself_has_failed() -> None:
    sandbox = FakeSandbox()
    contenders = [contender("a", source="latency = 20"), contender("b", source="restless")]

    found = compare(contenders, [scenario("s1"), scenario("s2")], DOMAIN, sandbox)

    assert found.rows[1].outcome is Outcome.NONDETERMINISTIC


def test_the_objective_decides_what_a_score_is() -> None:
    references = {"s1": reference(50.0, throughput=1.0)}
    done = Evaluation(
        scenario="s1",
        outcome=Outcome.OK,
        stats={"throughput": 4.0},
        metrics={"weighted_latency_seconds": 100.0, "lower_bound_seconds": 1.0},
    )
    trials = [(contender("splitter"), trial("splitter", [done]))]

    legacy = compare_trials(trials, references, DOMAIN.spec, Measure(objective="legacy_throughput"))
    default = compare_trials(trials, references, DOMAIN.spec)

    assert legacy.rows[0].score == 4.0
    assert default.rows[0].score == 0.5


def test_a_problem_without_a_line_has_none() -> None:
    problem = Problem(message="wall limit")
    failed = [Evaluation(scenario=n, outcome=Outcome.WALL_LIMIT, problem=problem) for n in NAMES]

    found = compared((contender("slow"), trial("slow", failed)), tried("a", 50, 50, 50, 50))

    assert found.rows[1].problem_line is None


def test_guarded_figures_are_compared_with_those_of_the_first_by_their_better_direction() -> None:
    """Every figure of goodput is missing, so all scores are 1; its guard is the latency."""
    found = compared(
        tried("a", 50, 50, 50, 50),
        tried("slow", 100, 100, 80, 80),
        tried("half", 10, None, 10, 10),
        objective="goodput",
    )

    guards = {row.label: row.guards for row in found.rows}
    ((metric, change),) = guards["slow"]
    assert metric.key == "weighted_latency_seconds"
    assert change.percent[1] == pytest.approx(100 * (0.3125**0.5 - 1))
    assert certain_loss(change)
    assert guards["a"] == guards["half"] == ()


def test_gains_are_told_by_group_and_the_least_certain_one_decides() -> None:
    groups = {"one": ["s1", "s2"], "two": ["s3", "s4"]}
    trials = [tried("a", 50, 50, 50, 50), tried("b", 20, 25, 60, 55)]

    found = compare_trials(trials, REFERENCES, DOMAIN.spec, groups=groups)

    best = found.rows[0]
    assert (best.label, list(best.groups)) == ("b", ["one", "two"])
    assert best.groups["one"].low > 0 > best.groups["two"].high
    assert best.against_first == best.groups["two"]
    assert "worse" in found.verdict and "significantly better" not in found.verdict
