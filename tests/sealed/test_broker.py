"""A simulator and a policy through the broker: what happens, what breaks a law, who is charged."""

import pytest

from simulator.errors import PolicyFailure
from simulator.sealed.broker import RandomPolicy
from simulator.sealed.log import SimulatorFailure
from tests.support.sealed import (
    play,
    policy,
    queue_laws,
    queue_spec,
    simulator,
    source,
    three_jobs,
)

SPEC = queue_spec()
LAWS = queue_laws(SPEC)
GOOD = source("simulators", "good")
FIFO = source("policies", "fifo")


def test_a_run_is_the_log_that_a_person_would_write_down() -> None:
    done = play(SPEC, LAWS, three_jobs(SPEC), GOOD, FIFO)

    assert done.log == [
        ("arrived", 0, (0,)),
        ("started", 0, (0,)),
        ("arrived", 10, (1,)),
        ("arrived", 10, (2,)),
        ("finished", 30, (0,)),
        ("started", 30, (1,)),
        ("finished", 35, (1,)),
        ("started", 35, (2,)),
        ("finished", 55, (2,)),
    ]
    wanted = {"mean_delay": 15.0, "p99_delay": 25.0, "finished": 3.0, "busy_mean": 0.55}
    assert wanted.items() <= done.run.metrics.items()
    assert (done.run.policy_calls, done.run.stats["started_events"]) == (5, 3)


def test_what_comes_after_the_horizon_is_not_logged() -> None:
    done = play(SPEC, LAWS, three_jobs(SPEC, horizon=40), GOOD, FIFO)

    assert done.log[-1] == ("started", 35, (2,))
    assert done.run.metrics["busy_mean"] == 1.0


def test_a_policy_sees_what_the_contract_shows_and_when() -> None:
    look = policy(
        """
        print(state.now, state.events, [vars(type(job)).keys() & {"service", "estimate"}
              for job in state.rows("jobs")])
        seen = {job.number: job.at("arrived") for job in state.rows("jobs", "waiting")}
        if state.now == 10:
            raise ValueError(f"{seen} {state.rows('jobs')} {state.gauge('busy')}"
                             f" {state.row('jobs', 2).estimate}")
        """
    )

    with pytest.raises(PolicyFailure, match=r"\{0: 0, 1: 10, 2: 10\} .*Jobs\(2\)\] 0 20"):
        play(SPEC, LAWS, three_jobs(SPEC), GOOD, look)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return [start(job=0), start(job=0)]", "start(job=0)"),
        ("return [start(job=1)]", "job is coming, expected waiting"),
        ("return [start(job=9)]", "job is 9, which is no row of jobs"),
        ("return [start(job=j) for j in state.rows('jobs', 'waiting')]", "it needs busy < servers"),
        ("return [start(task=1)]", "start() takes job"),
        ("return [start(job='x')]", "expected a row or a whole number"),
        ("return 3", "expected a list of start"),
    ],
)
def test_a_decision_that_is_not_legal_is_the_policys_failure(body: str, told: str) -> None:
    with pytest.raises(PolicyFailure) as failed:
        play(SPEC, LAWS, three_jobs(SPEC), GOOD, policy(body))

    assert not isinstance(failed.value, SimulatorFailure)
    assert failed.value.failure.kind == "invalid_decision"
    assert told in failed.value.failure.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return", "every job arrives"),
        ("log('arrived', 5, job=0)\nyield", "jobs arrive when the scenario says"),
        ("log('arrived', 0, job=0)\nlog('arrived', 10, job=1)", "the policy gets its turn"),
        ("log('arrived', 0, job=0)\nlog('arrived', 0, job=0)", "row 0 of jobs is waiting"),
        ("log('arrived', 0, job=0)\nlog('started', 0, job=0)", "only a decision causes it"),
        ("log('finished', 0, job=0)", "row 0 of jobs is coming"),
        ("log('arrived', 0, job=7)", "a row below 3"),
        ("log('begun', 0)", "expected one of arrived"),
        ("log('arrived', 0.0, job=0)", "expected a whole number"),
        ("log('arrived', 0, job=True)", "expected a whole number"),
        ("log('arrived', 0, task=0)", "expected job"),
        ("log('arrived', 0, job=0)\nyield\nlog('arrived', 10, job=1)", "a decision is carried out"),
        ("log('arrived', 0, job=0)\nyield\nreturn", "a decision is carried out"),
        ("1 / 0", "line 3 (policy_error): ZeroDivisionError"),
        ("for _ in range(9): yield", "every job arrives"),
    ],
)
def test_a_simulator_that_breaks_contract_or_law_is_charged_itself(body: str, told: str) -> None:
    with pytest.raises(SimulatorFailure) as failed:
        play(SPEC, LAWS, three_jobs(SPEC), simulator(body), FIFO)

    assert failed.value.failure.kind == "simulator_failed"
    assert told in failed.value.failure.message


def test_a_counterexample_shows_the_law_and_the_events_before() -> None:
    late = GOOD.replace("parameters.overhead", "1 + parameters.overhead")

    with pytest.raises(SimulatorFailure) as failed:
        play(SPEC, LAWS, three_jobs(SPEC), late, FIFO)

    shown = failed.value.counterexample
    assert (shown.law, shown.time) == ("service takes its time", 31)
    assert (shown.expected, shown.found) == ("30 us (job.service + overhead)", "31 us")
    assert shown.event == "finished(31, job=0)"
    assert shown.before[:2] == ("arrived(0, job=0)", "started(0, job=0)")


def test_random_decisions_are_legal_and_runs_end() -> None:
    logs = [play(SPEC, LAWS, three_jobs(SPEC), GOOD, RandomPolicy(seed)).log for seed in range(20)]

    assert len({tuple(log) for log in logs}) > 5
