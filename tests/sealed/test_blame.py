"""What comes of a failed simulator in a search: no score, no charge, and nobody gains by it."""

from typing import Any

from flows.judging.guards import REFUSED, rule, rule_alone
from flows.judging.objectives import Reference
from flows.judging.scoring import Scale, judge
from sandbox.outcome import Evaluation, Outcome, Problem, Trial
from tests.support.sealed import queue_spec

SCALE = Scale(spec=queue_spec())
KNOWN = Reference(metrics={"mean_delay": 100.0}, stats={}, known={"worst_delay": 1000.0})


def trial(*outcomes: Outcome, **rest: Any) -> Trial:
    evaluations = tuple(
        Evaluation(
            scenario=f"s{number}",
            outcome=outcome,
            metrics={"mean_delay": 50.0} if outcome is Outcome.OK else None,
            problem=None if outcome is Outcome.OK else Problem(message=f"{outcome} here"),
            **rest,
        )
        for number, outcome in enumerate(outcomes)
    )
    return Trial(candidate="c", outcome=outcomes[0], evaluations=evaluations)


REFERENCES = {f"s{number}": KNOWN for number in range(3)}


def test_where_the_simulator_failed_there_is_no_score_whatever_else_happened() -> None:
    for outcomes in (
        (Outcome.OK, Outcome.SIMULATOR_FAILED),
        (Outcome.POLICY_ERROR, Outcome.SIMULATOR_FAILED),
        (Outcome.SIMULATOR_FAILED, Outcome.CPU_LIMIT),
    ):
        verdict = judge(trial(*outcomes), REFERENCES, SCALE)

        assert (verdict.outcome, verdict.score) == (Outcome.SIMULATOR_FAILED, None)
        assert verdict.message == "simulator_failed here"
        assert not verdict.believed
        assert rule_alone(verdict).standing == REFUSED


def test_a_simulator_that_fails_on_validation_promotes_nobody() -> None:
    train = judge(trial(Outcome.OK, Outcome.OK), REFERENCES, SCALE)
    validation = judge(trial(Outcome.OK, Outcome.SIMULATOR_FAILED), REFERENCES, SCALE)

    ruling = rule("mine", train, validation, None, None, None)  # type: ignore[arg-type]

    assert (ruling.standing, ruling.reason) == (REFUSED, "simulator")


def test_a_repeat_in_which_the_simulator_fails_is_no_fault_of_the_policy() -> None:
    first, again = trial(Outcome.OK, decision_sha256="d"), trial(Outcome.SIMULATOR_FAILED)
    both = Trial(
        candidate="c", outcome=Outcome.OK, evaluations=(*first.evaluations, *again.evaluations)
    )

    assert judge(both, REFERENCES, SCALE).outcome is Outcome.SIMULATOR_FAILED
