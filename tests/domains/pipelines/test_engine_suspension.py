"""Suspension and time-outs, worked out by hand at ten ticks per second."""

from tests.support.engine_cases import pipeline, run, work

SUSPEND = """
if tick == 0:
    return [], [put(ops(0), cpu=4, ram=RAM)]
if tick == 5:
    assert pools[0].active_containers[0].can_suspend_container()
    return [Suspend("c1", 0)], []
if tick == 40:
    return [], [put(ops(0)[1:])]
return [], []
"""


def test_a_suspension_lasts_as_long_as_writing_the_allocation_to_disk() -> None:
    # 30 GB at 20 GB/s are 15 ticks, from 5 to 19.
    body = SUSPEND.replace("RAM", "30")

    outcome, policy = run(body, pipeline("p1", work(cpu=0.5), work(cpu=0.5)))

    moves = [(o.tick, move) for o in policy.observations for move in o.moves]
    free = [(o.tick, *row) for o in policy.observations for row in o.pools]
    assert moves == [(6, (1, "suspending")), (20, (1, "suspended"))]
    assert free[:2] == [(1, 0, 4, 70), (20, 0, 8, 100)]
    assert policy.results() == [(45, 2, None)]
    assert outcome.stats["suspensions"] == 1


def test_a_zero_tick_suspension_lasts_one_tick() -> None:
    body = SUSPEND.replace("RAM", "1")

    _, policy = run(body, pipeline("p1", work(cpu=0.5), work(cpu=0.5)))

    moves = [(o.tick, move) for o in policy.observations for move in o.moves]
    assert moves == [(6, (1, "suspending")), (6, (1, "suspended"))]
    assert policy.results() == [(45, 2, None)]


def test_a_container_can_be_suspended_only_on_the_tick_after_a_boundary() -> None:
    body = """
if tick == 0:
    return [], [put(ops(0))]
print(tick, pools[0].active_containers and pools[0].active_containers[0].can_suspend_container())
return [], []
"""
    _, policy = run(body, pipeline("p1", work(cpu=0.5), work(cpu=0.5)))

    flags = [(o.tick, flag) for o in policy.observations for flag in o.suspendable]
    assert flags == [(5, (1, True)), (6, (1, False))]


def test_a_container_is_killed_at_its_pipelines_deadline() -> None:
    outcome, policy = run(
        "return [], [put(ops(0))] if tick == 3 else []",
        pipeline("p1", work(cpu=5), at=2),
        max_job_seconds=2,
    )

    # The deadline is tick 22; the sweep at the end of that second counts it.
    assert policy.results() == [(23, 1, "timeout")]
    assert outcome.stats["pipelines_query"]["timeout_count"] == 1
    assert outcome.metrics["timeouts_killed"] == 1


def test_finishing_on_the_deadline_tick_counts_as_completed() -> None:
    outcome, _ = run(
        "return [], [put(ops(0))] if tick == 0 else []",
        pipeline("p1", work(cpu=2.1)),
        max_job_seconds=2,
    )

    assert outcome.stats["pipelines_query"]["completion_count"] == 1
    assert outcome.stats["pipelines_query"]["timeout_count"] == 0


def test_a_one_tick_operator_succeeds_after_the_deadline_until_the_sweep() -> None:
    late, late_policy = run(
        "return [], [put(ops(0))] if tick == 25 else []",
        pipeline("p1", work(cpu=0.1)),
        max_job_seconds=2.1,
    )
    swept, swept_policy = run(
        "return [], [put(ops(0))] if tick == 31 else []",
        pipeline("p1", work(cpu=0.1)),
        max_job_seconds=2.1,
    )

    assert late_policy.results() == [(26, 1, None)]
    assert late.stats["pipelines_query"]["completion_count"] == 1
    assert swept_policy.results() == [(32, 1, None)]
    assert swept.stats["pipelines_query"]["completion_count"] == 0
    assert swept.stats["pipelines_query"]["timeout_count"] == 1


def test_a_container_outlives_the_deadline_of_a_pipeline_that_is_done() -> None:
    _, policy = run(
        "return [], [put(ops(0) + ops(1))] if tick == 10 else []",
        pipeline("p1", work(cpu=0.5)),
        pipeline("p2", work(cpu=1.5), at=10),
        max_job_seconds=2,
    )

    assert policy.results() == [(30, 1, None)]
