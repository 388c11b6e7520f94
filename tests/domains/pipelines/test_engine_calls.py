"""When a policy is called, and what it is told by then."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.domains.pipelines.workload import Pipeline
from tests.support.engine_cases import Watched, pipeline, run, work

ONCE = "return [], [put(ops(0))] if tick == 0 else []"


def _calls(policy: Watched) -> list[int]:
    return [observation.tick for observation in policy.observations]


def _two_operators() -> Pipeline:
    return pipeline("p1", work(cpu=0.5), work(cpu=0.5))


def test_on_change_calls_after_every_visible_change_and_at_no_other_tick() -> None:
    _, policy = run(ONCE, _two_operators(), pipeline("p2", work(), at=20), policy_calls="on_change")

    # Start; after the decision; boundary at 4; next operator at 5; result at 9; arrival.
    assert _calls(policy) == [0, 1, 5, 6, 10, 20]
    assert all(o.tick == o.quiet_until for o in policy.observations)


def test_every_tick_runs_quiet_ticks_in_one_message() -> None:
    outcome, policy = run(ONCE, _two_operators())

    assert [(o.tick, o.quiet_until) for o in policy.observations] == [
        (0, 99), (1, 4), (5, 5), (6, 9), (10, 99),
    ]  # fmt: skip
    assert outcome.policy_calls == 100


def test_on_change_calls_at_the_deadline_of_a_pipeline() -> None:
    _, policy = run(
        "return [], []",
        pipeline("p1", work(cpu=1), at=3),
        policy_calls="on_change",
        max_job_seconds=2.5,
    )

    assert _calls(policy) == [0, 3, 28]


def test_one_wake_up_is_pending_at_a_time_the_earliest_that_was_asked_for() -> None:
    body = """
if tick == 0:
    s.wake_in(0.7)
    s.wake_at(0.25)
    s.wake_at(0.25)
if tick == 3:
    s.wake_at(9)
    s.wake_in(0)
return [], []
"""
    _, policy = run(body, policy_calls="on_change")

    assert _calls(policy) == [0, 3, 4]


def test_a_policy_that_asks_on_each_call_is_woken_no_more_often_than_it_asked() -> None:
    many = [pipeline(f"p{n}", work(), at=3 * n) for n in range(20)]

    _, policy = run("s.wake_in(1)\nreturn [], []", *many, policy_calls="on_change")

    arrivals = range(0, 60, 3)
    assert _calls(policy) == sorted({*arrivals, *range(0, 100, 10)})


@given(st.lists(st.lists(st.integers(0, 30), max_size=3), min_size=1, max_size=12))
def test_the_pending_wake_up_is_the_least_of_all_requests_since_the_last_one(
    requests: list[list[int]],
) -> None:
    body = f"for seconds in ({requests!r} + [[]] * 100)[tick]:\n    s.wake_at(seconds / 10)\n"

    _, policy = run(f"{body}return [], []", policy_calls="on_change")

    now, pending, expected = 0, 0, [0]
    while True:
        asked = [max(each, now + 1) for each in requests[now]] if now < len(requests) else []
        pending = min([*asked, *([pending] if pending > now else [])], default=0)
        if pending == 0:
            break
        now = pending
        expected.append(now)
    assert _calls(policy) == expected


def test_wake_ups_change_nothing_in_every_tick() -> None:
    outcome, policy = run("s.wake_in(0.3)\nreturn [], []")

    assert outcome.policy_calls == 100
    assert len(policy.observations) == 1


def test_a_decision_on_a_quiet_tick_ends_the_stretch() -> None:
    _, policy = run("return [], [put(ops(0))] if tick == 7 else []", pipeline("p1", work(cpu=0.5)))

    assert [(d.tick, d.calls) for d in policy.decisions] == [(7, 8), (11, 4), (99, 88)]
    assert policy.results() == [(12, 1, None)]


def test_on_change_gives_the_figures_of_every_tick_to_a_policy_that_reacts_to_change() -> None:
    body = """
ready = [op for p in s.pipelines for op in p.runtime_status().get_ops(ASSIGNABLE_STATES, True)]
return [], [put([op]) for op in ready[: pools[0].avail_cpu_pool]]
"""
    jobs = [pipeline(f"p{n}", work(cpu=n / 4), work(read=8), at=n) for n in range(1, 9)]

    often, _ = run(body, *jobs)
    seldom, _ = run(body, *jobs, policy_calls="on_change")

    assert often.stats == seldom.stats
    assert often.decision_sha256 == seldom.decision_sha256
    assert seldom.policy_calls < often.policy_calls / 2


def test_nothing_of_the_future_is_in_an_observation_on_change() -> None:
    _, policy = run("return [], []", pipeline("p1", work(cpu=0.5), at=50), policy_calls="on_change")

    first = policy.observations[0]
    assert first.quiet_until == first.tick
    assert first.arrivals == []


def test_the_random_seed_is_withheld() -> None:
    _, policy = run("return [], [] if s.params['random_seed'] == 0 else 1 / 0", random_seed=7)

    assert policy.decisions[-1].tick == 99


def test_the_same_request_gives_the_same_figures_and_the_same_hash() -> None:
    first, _ = run(ONCE, _two_operators())
    second, _ = run(ONCE, _two_operators())

    assert first == second
