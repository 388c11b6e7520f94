"""Scores: charges for failures, the mean over all scenarios, and what is never promoted."""

import math
from dataclasses import replace

import pytest

from flows.judging.objectives import metric_text
from flows.judging.scoring import (
    Scale,
    behaviour,
    geometric_mean,
    judge,
    normalised_sha256,
    worst_verdict,
)
from sandbox.outcome import Evaluation, Outcome
from simulator.domain_spec import Metric
from simulator.errors import InputError
from tests.support.search_fakes import SCALE, evaluation, failure, reference, trial

REFERENCES = {
    "one": reference(50.0),
    "two": reference(20.0),
}


def test_the_score_is_the_geometric_mean_of_naive_over_own() -> None:
    verdict = judge(
        trial("p", [evaluation("one", 25.0), evaluation("two", 40.0)]), REFERENCES, SCALE
    )

    assert verdict.outcome is Outcome.OK
    assert [each.score for each in verdict.judged] == [2.0, 0.5]
    assert verdict.score == pytest.approx(1.0)


def test_a_failed_scenario_is_charged_its_whole_duration_and_never_dropped() -> None:
    verdict = judge(trial("p", [evaluation("one", 25.0), failure("two")]), REFERENCES, SCALE)

    assert verdict.outcome is Outcome.POLICY_ERROR
    assert [each.cost for each in verdict.judged] == [25.0, 100.0]
    assert verdict.score == pytest.approx(math.sqrt(2.0 * 0.2))
    assert verdict.problem is not None and verdict.problem.message == "ValueError: no"


def test_the_worst_score_is_that_of_failing_everywhere() -> None:
    verdict = judge(trial("p", [failure("one"), failure("two")]), REFERENCES, SCALE)

    worst = worst_verdict(Outcome.MALFORMED, "no policy", REFERENCES, SCALE)
    assert verdict.score == pytest.approx(worst.score)
    assert (worst.judged, worst.message) == ((), "no policy")


def test_other_decisions_on_the_same_scenario_are_nondeterministic() -> None:
    tried = [evaluation("one", 25.0, "a"), evaluation("two", 10.0), evaluation("one", 25.0, "b")]

    verdict = judge(trial("p", tried), REFERENCES, SCALE)

    assert verdict.outcome is Outcome.NONDETERMINISTIC
    assert [each.evaluation.scenario for each in verdict.judged] == ["one", "two"]
    assert verdict.judged[0].cost == 100.0


def test_a_repeat_that_fails_is_nondeterministic_too() -> None:
    tried = [evaluation("one", 25.0), evaluation("two", 10.0), failure("one")]

    verdict = judge(trial("p", tried), REFERENCES, SCALE)

    assert verdict.outcome is Outcome.NONDETERMINISTIC


def test_the_same_decisions_again_change_nothing() -> None:
    tried = [evaluation("one", 25.0), evaluation("two", 10.0), evaluation("one", 25.0)]

    verdict = judge(trial("p", tried), REFERENCES, SCALE)

    assert verdict.outcome is Outcome.OK
    assert verdict.score == pytest.approx(2.0)


def test_better_than_the_provable_bound_is_implausible_and_has_no_score() -> None:
    tried = [evaluation("one", 25.0, bound=30.0), evaluation("two", 10.0)]

    verdict = judge(trial("p", tried), REFERENCES, SCALE)

    assert (verdict.outcome, verdict.score) == (Outcome.OK, None)
    assert verdict.problem is not None and verdict.problem.message.startswith("implausible")


def test_exactly_the_bound_is_plausible() -> None:
    tried = [evaluation("one", 25.0, bound=25.0 * (1 + 1e-12)), evaluation("two", 10.0)]

    assert judge(trial("p", tried), REFERENCES, SCALE).score is not None


def test_a_scenario_without_arrivals_counts_as_even() -> None:
    empty = {"one": reference(None)}
    nothing = replace(evaluation("one"), metrics={"weighted_latency_seconds": None})

    assert judge(trial("p", [nothing]), empty, SCALE).score == 1.0


def test_objectives_of_which_more_is_better_count_a_failure_as_the_least() -> None:
    scale = Scale(spec=SCALE.spec, objective="legacy_throughput")
    references = {"one": reference(50.0, throughput=2.0)}
    better = replace(evaluation("one"), stats={"throughput": 5.0})

    assert judge(trial("p", [better]), references, scale).score == 2.5
    [failed] = judge(trial("p", [failure("one")]), references, scale).judged
    assert (failed.score, failed.cost) == (0.005 / 2.0, 100.0)


def test_a_scenario_without_the_figure_that_a_failure_is_charged_is_our_fault_and_named() -> None:
    bare = {"one": replace(reference(50.0), known={"cpus": 4.0})}

    with pytest.raises(InputError, match=r"weighted_latency: a scenario has no .*, it has cpus"):
        judge(trial("p", [failure("one")]), bare, SCALE)


def test_a_metric_is_put_together_over_scenarios_as_the_domain_says() -> None:
    done = [
        replace(evaluation(name), metrics={"done": done, "all": 8, "wait": wait})
        for name, done, wait in (("one", 3, 1.5), ("two", 4, 2.0), ("three", None, None))
    ]
    count = Metric(key="done", label="done", over="sum", out_of="all")
    wait = Metric(key="wait", label="wait", unit="s")
    longest = Metric(key="wait", label="longest wait", unit="s", over="max")

    assert (metric_text(count, done), metric_text(wait, done)) == ("7/24", "1.75 s")
    assert metric_text(longest, done) == "2 s"
    assert metric_text(wait, [failure("one")]) == ""


def test_geometric_mean_of_nothing_is_one() -> None:
    assert geometric_mean([]) == 1.0
    assert geometric_mean([4.0, 1.0]) == pytest.approx(2.0)


def test_layout_comments_and_docstrings_do_not_make_a_new_policy() -> None:
    plain = "def step(s):\n    return s\n"
    dressed = '"""Doc."""\n# why\n\ndef step( s ):\n    """More."""\n\n    return (s)\n'

    assert normalised_sha256(plain) == normalised_sha256(dressed)
    assert normalised_sha256(plain) != normalised_sha256(plain.replace("return s", "return 1"))


def test_a_source_that_does_not_parse_still_has_a_hash() -> None:
    for source in ("def (", "\0", "(" * 5000, "-" * 50_000 + "1"):
        assert len(normalised_sha256(source)) == 64


def test_behaviour_is_told_apart_by_decisions_and_only_of_good_runs() -> None:
    def marks(*evaluations: Evaluation) -> object:
        return behaviour(evaluations)

    assert marks(evaluation("one"), evaluation("two")) == marks(
        evaluation("one"), evaluation("two")
    )
    assert marks(evaluation("one")) != marks(evaluation("one", decisions="other"))
    assert marks(evaluation("one"), failure("two")) is None
    assert marks() is None
