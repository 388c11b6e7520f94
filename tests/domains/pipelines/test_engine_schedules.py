"""Schedules small enough to work out by hand, at ten ticks per second."""

from simulator.domains.pipelines.workload import Operator, Pipeline, Priority
from tests.support.engine_cases import pipeline, run, work

ALL_AT_ONCE = """
if pipelines:
    return [], [put(ops(len(s.pipelines) - 1))]
return [], []
"""


def test_an_operator_of_five_ticks_assigned_at_0_has_latency_4() -> None:
    outcome, policy = run(ALL_AT_ONCE, pipeline("p1", work(cpu=0.5)))

    assert policy.results() == [(5, 1, None)]
    assert outcome.stats["pipelines_all"]["mean_latency_seconds"] == 0.4
    assert outcome.stats["p99_latency"] == 0.5


def test_scan_and_cpu_work_follow_one_another() -> None:
    # 20 GB take 1 s of scanning, then 2 s / 2 cpus of computing: 10 + 10 ticks.
    body = ALL_AT_ONCE.replace("- 1)", "- 1), cpu=2, ram=50")

    _, policy = run(body, pipeline("p1", work(cpu=2, read=20, scaling="linear3")))

    assert policy.results() == [(20, 1, None)]


def test_seconds_become_ticks_by_division_and_truncation() -> None:
    # 1.75 s and 0.3 s divided by the float 0.1 give 17 and 2 whole ticks.
    _, policy = run(
        ALL_AT_ONCE, pipeline("p1", work(cpu=1.75)), pipeline("p2", work(cpu=0.3), at=1)
    )

    assert policy.results() == [(3, 2, None), (17, 1, None)]


def test_operators_in_one_container_run_one_after_the_other() -> None:
    outcome, policy = run(ALL_AT_ONCE, pipeline("p1", work(cpu=0.3), work(cpu=0.5)))

    # int(0.3 / 0.1) is 2: ticks 0-1, then 2-6.
    assert policy.results() == [(7, 1, None)]
    states = [(o.tick, state) for o in policy.observations for state in o.op_states]
    assert states == [(1, (0, 2)), (2, (0, 4)), (3, (1, 2)), (7, (1, 4))]
    assert outcome.stats["containers_completed"] == 1


def test_a_zero_tick_operator_lasts_one_tick() -> None:
    _, policy = run(ALL_AT_ONCE, pipeline("p1", work(cpu=0.05), ()))

    assert policy.results() == [(2, 1, None)]


def test_a_child_in_a_later_container_starts_in_the_tick_in_which_its_parent_ends() -> None:
    body = """
if tick == 0:
    return [], [put(ops(0)[:1])]
if tick == 4:
    return [], [put(ops(0)[1:])]
return [], []
"""
    _, policy = run(body, pipeline("p1", work(cpu=0.5), work(cpu=0.5)))

    assert policy.results() == [(5, 1, None), (9, 2, None)]


def test_what_is_freed_at_the_end_of_a_tick_is_free_for_the_next_call() -> None:
    body = """
if tick in (0, 5):
    return [], [put(ops(0 if tick == 0 else 1), cpu=8, ram=100)]
return [], []
"""
    _, policy = run(body, pipeline("p1", work(cpu=0.5)), pipeline("p2", work(cpu=0.5)))

    free = [(o.tick, *row) for o in policy.observations for row in o.pools]
    assert free == [(1, 0, 0, 0), (5, 0, 8, 100), (6, 0, 0, 0), (10, 0, 8, 100)]


def test_a_mixed_container_finishes_its_first_pipeline_at_the_next_result() -> None:
    body = """
if tick == 0:
    return [], [put(ops(0) + ops(1))]
return [], []
"""
    outcome, _ = run(
        body,
        pipeline("p1", work(cpu=0.5)),
        pipeline("p2", work(cpu=1), priority=Priority.BATCH_PIPELINE),
    )

    assert outcome.stats["pipelines_query"]["mean_latency_seconds"] == 1.4
    assert outcome.stats["pipelines_batch"]["mean_latency_seconds"] == 1.4


def test_a_pipeline_without_operators_is_finished_by_someone_elses_result() -> None:
    empty = Pipeline(id="p0", priority=Priority.QUERY, arrival_tick=0, operators=())
    body = """
if tick == 0:
    return [], [put(ops(1))]
return [], []
"""
    outcome, _ = run(body, empty, pipeline("p1", work(cpu=0.5)))

    assert outcome.stats["pipelines_all"]["completion_count"] == 2


def test_nothing_ended_gives_null_and_no_crash() -> None:
    outcome, _ = run("return [], []", pipeline("p1", work(cpu=0.5)))

    assert outcome.stats["p99_latency"] is None
    assert outcome.stats["adjusted_latency"] is None
    assert outcome.stats["mean_memory_consumed_percent"] == 0.0


def test_a_diamond_needs_both_arms_before_it_closes() -> None:
    half = work(cpu=0.5)
    diamond = Pipeline(
        id="p1",
        priority=Priority.QUERY,
        arrival_tick=0,
        operators=(
            Operator(id="a", segments=half),
            Operator(id="b", parents=(0,), segments=half),
            Operator(id="c", parents=(0,), segments=work(cpu=1)),
            Operator(id="d", parents=(1, 2), segments=half),
        ),
    )
    body = """
ready = s.pipelines[0].runtime_status().get_ops(ASSIGNABLE_STATES, True)
return [], [put([op]) for op in ready]
"""
    _, policy = run(body, diamond)

    assert policy.results() == [(5, 1, None), (10, 2, None), (15, 3, None), (20, 4, None)]
