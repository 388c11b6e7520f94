"""Objectives and metrics: what a run is worth, and that nothing that arrived is left out."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.domains.pipelines.objectives import (
    Fate,
    best_possible,
    goodput_per_hour,
    jain_index,
    weighted_latency,
)
from simulator.domains.pipelines.stats import adjusted_latency, percentile_seconds
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority
from tests.support.engine_cases import pipeline, run, work

ASSIGN_READY = """
ready = [op for p in s.pipelines for op in p.runtime_status().get_ops(ASSIGNABLE_STATES, True)]
return [], [put([op], ram=5) for op in ready[: pools[0].avail_cpu_pool]]
"""


def _fate(priority: Priority, latency: float | None) -> Fate:
    return Fate(priority=priority, latency_seconds=latency)


def test_weighted_latency_charges_unfinished_work_the_whole_duration() -> None:
    fates = [_fate(Priority.QUERY, 2.0), _fate(Priority.BATCH_PIPELINE, None)]

    assert weighted_latency(fates, 100) == (10 * 2.0 + 1 * 100) / 11


def test_weighted_latency_of_nothing_is_none() -> None:
    assert weighted_latency([], 100) is None


def test_leaving_slow_work_undone_never_pays() -> None:
    done = [_fate(Priority.QUERY, 1.0), _fate(Priority.INTERACTIVE, 99.0)]
    skipped = [_fate(Priority.QUERY, 1.0), _fate(Priority.INTERACTIVE, None)]

    better, worse = weighted_latency(done, 100), weighted_latency(skipped, 100)

    assert better is not None and worse is not None and better < worse


def test_goodput_counts_finished_pipelines_per_hour() -> None:
    fates = [_fate(Priority.QUERY, 1.0), _fate(Priority.QUERY, None)]

    assert goodput_per_hour(fates, 600) == 6.0


@pytest.mark.parametrize(
    ("shares", "index"), [([1, 1, 1], 1.0), ([1, 0, 0, 0], 0.25), ([0, 0], None), ([], None)]
)
def test_jain_index(shares: list[float], index: float | None) -> None:
    assert jain_index(shares) == index


def test_the_bound_is_the_critical_path_on_the_most_cpus() -> None:
    # 1 s of scanning, then 3 s on at least 3 cpus: 20 ticks; two in a row share one tick.
    slow = work(cpu=3, read=20, scaling="linear3")

    best = best_possible([pipeline("p1", slow, slow)], 1000, 10, 8, 100)

    assert best == [_fate(Priority.QUERY, (20 + 20 - 2) / 10)]


def test_the_bound_of_what_cannot_finish_in_time_is_the_duration() -> None:
    late = [pipeline("p1", work(cpu=5), at=60)]

    assert best_possible(late, 100, 10, 8, 10) == [_fate(Priority.QUERY, None)]


def test_a_diamond_is_bound_by_its_longer_arm() -> None:
    lengths = [0.5, 2.0, 1.0, 0.5]
    parents = [(), (0,), (0,), (1, 2)]
    operators = tuple(
        Operator(id=f"op{n}", parents=parents[n], segments=work(cpu=lengths[n])) for n in range(4)
    )
    diamond = Pipeline(id="p1", priority=Priority.QUERY, arrival_tick=0, operators=operators)

    best = best_possible([diamond], 100, 10, 8, 10)

    assert best[0].latency_seconds == (4 + 19 + 4) / 10


def test_no_policy_beats_the_bound() -> None:
    jobs = [pipeline(f"p{n}", work(cpu=n / 3), work(cpu=1), at=n) for n in range(1, 6)]

    outcome, _ = run(ASSIGN_READY, *jobs)

    metrics = outcome.metrics
    assert 0 < metrics["lower_bound_seconds"] <= metrics["weighted_latency_seconds"]


def test_metrics_of_a_run_worked_out_by_hand() -> None:
    # p1 runs in ticks 0-4, p2 arrives at 2 and runs in 5-14, p3 never starts, p4 dies once.
    body = """
plan = {0: [(0, 10)], 5: [(1, 10)], 20: [(3, 4)]}
return [], [put(ops(number), cpu=4, ram=ram) for number, ram in plan.get(tick, [])]
"""
    outcome, _ = run(
        body,
        pipeline("p1", work(cpu=0.5)),
        pipeline("p2", work(cpu=1), at=2, priority=Priority.BATCH_PIPELINE),
        pipeline("p3", work(cpu=1), at=3, priority=Priority.INTERACTIVE),
        pipeline("p4", work(read=40), at=3, priority=Priority.INTERACTIVE),
    )

    metrics = outcome.metrics
    assert metrics["weighted_latency_seconds"] == (10 * 0.4 + 1.2 + 5 * 10 + 5 * 10) / 21
    assert (metrics["pipelines_arrived"], metrics["pipelines_completed"]) == (4, 2)
    assert metrics["starved_pipelines"] == 1
    assert metrics["queue_wait_seconds_mean"] == pytest.approx((0 + 0.3 + 1.7) / 3)
    assert metrics["service_seconds_mean"] == pytest.approx((0.4 + 0.9) / 2)
    assert (metrics["oom_kills"], metrics["oom_by_request"]) == (1, [[4, 6.0, 1]])
    assert metrics["oom_wasted_cpu_seconds"] == pytest.approx(4 * 3 / 10)
    assert metrics["latency"]["query"]["p50"] == 0.4
    assert metrics["latency"]["interactive"]["mean"] is None
    assert metrics["jain_fairness"] == pytest.approx(4 / (3 * 2))


def test_the_timeline_has_one_sample_per_second_and_never_more_than_600() -> None:
    short, _ = run(
        "return [], [put(ops(0), cpu=3)] if tick == 0 else []", pipeline("p1", work(cpu=2))
    )
    long, _ = run("return [], []", duration=3000)

    timeline = short.metrics["timeline"]
    assert timeline["seconds_per_sample"] == 1.0
    assert timeline["allocated_cpu"] == [3, 3, 0, 0, 0, 0, 0, 0, 0, 0]
    assert long.metrics["timeline"]["seconds_per_sample"] == 5.0
    assert {len(row) for row in long.metrics["timeline"].values() if isinstance(row, list)} == {600}


def test_the_queue_counts_pipelines_without_an_operator_in_a_container() -> None:
    body = "return [], [put(ops(0))] if tick == 15 else []"

    outcome, _ = run(body, pipeline("p1", work(cpu=1)), pipeline("p2", work(cpu=1), at=25))

    assert outcome.metrics["timeline"]["queued_query"] == [1, 1, 0, 1, 1, 1, 1, 1, 1, 1]


def test_all_metrics_are_finite_or_none() -> None:
    for jobs in ([], [pipeline("p1", work(cpu=1))]):
        outcome, _ = run("return [], []", *jobs)

        assert all(math.isfinite(each) for each in _numbers([outcome.metrics, outcome.stats]))


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for each in value for number in _numbers(each)]
    return [value] if isinstance(value, int | float) else []


def _stats(**completed: tuple[int, int, float | None]) -> dict[str, Any]:
    rows = {"query": (0, 0, None), "interactive": (0, 0, None), "batch": (0, 0, None), **completed}
    stats = {
        f"pipelines_{name}": {
            "arrival_count": arrived,
            "completion_count": done,
            "mean_latency_seconds": mean,
        }
        for name, (arrived, done, mean) in rows.items()
    }
    stats["pipelines_all"] = {
        "arrival_count": sum(row[0] for row in rows.values()),
        "completion_count": sum(row[1] for row in rows.values()),
    }
    return stats


def test_adjusted_latency_is_raised_by_the_completion_rate() -> None:
    stats = _stats(query=(2, 1, 3.0), batch=(2, 1, 5.0))

    assert adjusted_latency(stats) == ((10 * 3.0 + 1 * 5.0) / 11) / (2 / 4)
    assert adjusted_latency(stats, weights={"query": 1}) == ((3.0 + 5.0) / 2) / (2 / 4)
    assert adjusted_latency(stats, divide_by_completion_rate=False) == (10 * 3.0 + 5.0) / 11


def test_adjusted_latency_can_charge_unfinished_work_instead() -> None:
    stats = _stats(query=(2, 1, 3.0))

    latency = adjusted_latency(
        stats, divide_by_completion_rate=False, unfinished_penalty_seconds=100
    )

    assert latency == (10 * 3.0 + 10 * 100) / 20
    with pytest.raises(ValueError, match="exclude each other"):
        adjusted_latency(stats, unfinished_penalty_seconds=100)


def test_adjusted_latency_without_a_completion_is_none() -> None:
    assert adjusted_latency(_stats(query=(3, 0, None))) is None


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300), st.sampled_from([50, 95, 99]))
def test_percentiles_have_the_bits_of_numpys(ticks: list[int], percent: int) -> None:
    assert percentile_seconds(ticks, percent, 1000) == float(np.percentile(ticks, percent) / 1000)
