"""What each policy of the library promises, on workloads small enough to work out by hand."""

from collections import Counter

import pytest

from simulator.domains.pipelines.workload import Pipeline, Priority, Workload
from tests.support.deciding import Decided, chain, decide, workload_of

QUERY, INTERACTIVE, BATCH = Priority.QUERY, Priority.INTERACTIVE, Priority.BATCH_PIPELINE


def order(decided: Decided) -> list[str]:
    """Return the operators in the order in which they were started."""
    return [start.operator for start in decided.starts]


def singles(
    count: int, priority: Priority, *, every: float, seconds: float, gb: float, name: str = "p"
) -> list[Pipeline]:
    """Return pipelines of one operator, one arriving every so many seconds."""
    return [
        chain(f"{name}{number}", priority, second=number * every, sizes=[(seconds, gb)])
        for number in range(count)
    ]


def test_fifo_one_doubles_the_memory_of_a_killed_operator_until_it_fits() -> None:
    decided = decide("fifo-one", workload_of(chain("a", BATCH, second=0, sizes=[(1, 50)])))

    # A sixteenth of 64 GB to begin with; a fixed need is found out in the first tick.
    assert [(start.tick, start.gb) for start in decided.starts] == [
        (0, 4), (1, 8), (2, 16), (3, 32), (4, 64),
    ]  # fmt: skip


def test_fifo_one_lets_nothing_overtake_the_first_in_line() -> None:
    workload = workload_of(
        chain("long", BATCH, second=0, sizes=[(20, 4)]),
        chain("large", BATCH, second=1, sizes=[(1, 50)]),
        chain("small", QUERY, second=2, sizes=[(1, 4)]),
    )

    decided = decide("fifo-one", workload, cpus_per_pool=32)

    # "large" needs all 64 GB and so waits for "long"; "small" would fit all the time.
    assert decided.of("large")[-1].tick == 200
    assert decided.of("small")[0].tick == 210


def test_fifo_one_gives_up_only_what_a_whole_pool_cannot_hold() -> None:
    workload = workload_of(
        chain("impossible", BATCH, second=0, sizes=[(1, 65)]),
        chain("possible", BATCH, second=0, sizes=[(1, 64)]),
    )

    stats = decide("fifo-one", workload).run.stats

    assert stats["pipelines_all"]["completion_count"] == 1
    assert stats["failure_error_counts"] == {"OOM": 5 + 4}


def test_shortest_first_serves_the_pipeline_with_the_fewest_operators_left() -> None:
    workload = workload_of(
        chain("three", BATCH, second=0, sizes=[(1, 4)] * 3),
        chain("one", BATCH, second=0, sizes=[(1, 4)]),
        chain("two", BATCH, second=0, sizes=[(1, 4)] * 2),
    )

    decided = decide("shortest-first", workload)

    assert order(decided) == [
        "one/op1",
        "two/op1",
        "two/op2",
        "three/op1",
        "three/op2",
        "three/op3",
    ]
    assert decided.run.stats["pipelines_all"]["mean_latency_seconds"] == pytest.approx(
        (0.9 + 2.9 + 5.9) / 3
    )


def test_shortest_first_counts_what_is_left_and_not_what_was_there() -> None:
    workload = workload_of(
        chain("three", BATCH, second=0, sizes=[(1, 4)] * 3),
        chain("two", BATCH, second=1.5, sizes=[(1, 4)] * 2),
    )

    decided = decide("shortest-first", workload)

    assert order(decided) == ["three/op1", "three/op2", "three/op3", "two/op1", "two/op2"]


def test_shortest_first_prefers_a_long_query_to_a_short_batch() -> None:
    workload = workload_of(
        chain("short", BATCH, second=0, sizes=[(1, 4)]),
        chain("long", QUERY, second=0, sizes=[(1, 4)] * 3),
    )

    assert order(decide("shortest-first", workload))[-1] == "short/op1"


def reservation_workload() -> Workload:
    """While ``first`` holds 49 of 64 GB, ``head`` waits for 61 of them; two small ones follow."""
    return workload_of(
        chain("teaches-batch", BATCH, second=0, sizes=[(10, 4)]),
        chain("teaches-interactive", INTERACTIVE, second=0, sizes=[(1, 4)]),
        chain("first", BATCH, second=20, sizes=[(10, 40)]),
        chain("head", QUERY, second=21, sizes=[(5, 50)]),
        chain("brief", INTERACTIVE, second=22, sizes=[(1, 4)]),
        chain("lasting", BATCH, second=23, sizes=[(10, 4)]),
    )


def test_backfill_lets_short_work_ahead_but_does_not_delay_the_head() -> None:
    decided = decide("backfill", reservation_workload(), cpus_per_pool=8, estimator_algo="noisy")

    # "brief" is predicted to end before "first" does at tick 300; "lasting" is not.
    assert decided.of("brief")[0].tick == 220
    assert decided.of("head")[0].tick == 300
    assert decided.of("lasting")[0].tick == 350


def test_without_a_reservation_the_same_head_is_delayed() -> None:
    decided = decide(
        "shortest-first", reservation_workload(), cpus_per_pool=8, estimator_algo="noisy"
    )

    assert decided.of("lasting")[0].tick == 230
    assert decided.of("head")[0].tick == 330


def test_backfill_uses_what_the_head_leaves_over() -> None:
    workload = workload_of(
        chain("first", BATCH, second=0, sizes=[(10, 40)]),
        chain("head", QUERY, second=1, sizes=[(5, 25)]),
        chain("lasting", BATCH, second=2, sizes=[(30, 4)]),
    )

    decided = decide("backfill", workload, cpus_per_pool=8, estimator_algo="noisy")

    # Nothing is predicted yet, but 64 - 31 GB stay free when the head runs.
    assert decided.of("lasting")[0].tick == 20
    assert decided.of("head")[0].tick == 100


def test_right_size_is_killed_less_often_than_fifo_one() -> None:
    workload = workload_of(*singles(60, BATCH, every=2, seconds=3, gb=20))
    kills = {
        name: decide(name, workload, cpus_per_pool=32, ram_gb_per_pool=256).run.stats["failures"]
        for name in ("fifo-one", "right-size")
    }

    assert kills["fifo-one"] == 60
    assert kills["right-size"] < 30


def test_right_size_shrinks_requests_that_were_larger_than_needed() -> None:
    workload = workload_of(*singles(60, BATCH, every=2, seconds=3, gb=2))

    asked = [start.gb for start in decide("right-size", workload, cpus_per_pool=32).starts]

    assert asked[0] == 16
    assert max(asked[-10:]) <= 8


def test_right_size_learns_the_bias_of_an_estimator() -> None:
    workload = workload_of(*singles(60, BATCH, every=2, seconds=3, gb=20))
    unbiased = decide("right-size", workload, cpus_per_pool=32, estimator_algo="noisy")

    # A fifth more than the estimate to begin with, then hardly more than what is needed.
    assert unbiased.starts[0].gb == 24
    assert 20 < sum(start.gb for start in unbiased.starts[-20:]) / 20 < 25


def test_right_size_gives_many_cpus_when_the_line_is_short_and_few_when_it_is_long() -> None:
    alone = decide(
        "right-size", workload_of(*singles(1, QUERY, every=0, seconds=1, gb=2)), cpus_per_pool=32
    )
    crowd = decide(
        "right-size",
        workload_of(*singles(100, QUERY, every=0, seconds=1, gb=2)),
        cpus_per_pool=32,
        ram_gb_per_pool=4096,
    )

    assert alone.starts[0].cpus == 8
    assert crowd.starts[0].cpus == 1


def backlog(gb: dict[Priority, float]) -> Workload:
    """Return 30 pipelines of each class at once, each of one operator of so many GB."""
    return workload_of(
        *[
            pipeline
            for priority in Priority
            for pipeline in singles(
                30, priority, every=0, seconds=5, gb=gb[priority], name=priority.name
            )
        ]
    )


def test_drf_gives_classes_with_equal_requests_containers_in_proportion_to_their_weights() -> None:
    workload = backlog(dict.fromkeys(Priority, 4.0))

    decided = decide("drf", workload, cpus_per_pool=64, ram_gb_per_pool=1024)

    classes = Counter(each.operator.rstrip("0123456789/op") for each in decided.starts[:16])
    assert all(each.tick == 0 for each in decided.starts[:16])
    assert classes == {"QUERY": 10, "INTERACTIVE": 5, "BATCH_PIPELINE": 1}


def test_drf_levels_weighted_dominant_shares_whichever_resource_dominates() -> None:
    gb = {QUERY: 4.0, INTERACTIVE: 40.0, BATCH: 80.0}
    decided = decide(
        "drf", backlog(gb), cpus_per_pool=64, ram_gb_per_pool=1024, estimator_algo="noisy"
    )
    weights = {"QUERY": 10, "INTERACTIVE": 5, "BATCH_PIPELINE": 1}
    cpus: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    steps: dict[str, float] = {}

    for each in (each for each in decided.starts if each.tick == 0):
        name = each.operator.split("/")[0].rstrip("0123456789")
        cpus[name] += int(each.cpus)
        memory[name] += int(each.gb)
        steps[name] = max(each.cpus / 64, each.gb / 1024) / weights[name]

    shares = {name: max(cpus[name] / 64, memory[name] / 1024) / weights[name] for name in weights}
    assert max(shares.values()) - min(shares.values()) <= max(steps.values())
    assert memory["BATCH_PIPELINE"] / 1024 > cpus["BATCH_PIPELINE"] / 64 > 0
    assert cpus["QUERY"] / 64 > memory["QUERY"] / 1024 > 0


def starving_workload() -> Workload:
    """Return a batch pipeline among queries that alone keep the cluster busy."""
    queries = singles(200, QUERY, every=1, seconds=1, gb=4, name="q")
    return workload_of(*queries, chain("batch", BATCH, second=0.5, sizes=[(1, 4)]))


def test_ageing_runs_batch_work_although_queries_keep_coming() -> None:
    aged = decide("ageing", starving_workload(), duration=200)
    starved = decide("shortest-first", starving_workload(), duration=200)

    # After two stretches of 60 s it ranks as a query that came earlier than all others.
    assert [start.tick for start in aged.of("batch")] == [1210]
    assert starved.of("batch") == []


def test_ageing_is_quicker_when_a_deadline_is_near() -> None:
    aged = decide("ageing", starving_workload(), duration=200, max_job_seconds=90)

    assert [start.tick for start in aged.of("batch")] == [610]
    assert aged.run.stats["pipelines_batch"]["timeout_count"] == 0


def test_ageing_holds_the_line_for_a_large_request_that_has_waited_long() -> None:
    small = singles(300, QUERY, every=1, seconds=1.5, gb=10, name="q")
    workload = workload_of(*small, chain("large", BATCH, second=0.5, sizes=[(1, 50)]))
    given = {"cpus_per_pool": 16, "estimator_algo": "noisy"}

    assert decide("shortest-first", workload, **given).of("large") == []
    assert len(decide("ageing", workload, **given).of("large")) == 1
