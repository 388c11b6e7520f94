"""Memory: growth, kills, overcommitment and the account that policies and statistics read."""

import json

import pytest

from simulator.domain import Run
from tests.support.engine_cases import Watched, pipeline, run, work

ONCE = "return [], [put(ops(0))] if tick == 0 else []"


def test_growing_past_the_allocation_kills_in_that_tick() -> None:
    # 2 GB per tick: 10 GB are reached in tick 4 and exceeded in tick 5.
    outcome, policy = run(ONCE, pipeline("p1", work(read=40)))

    assert policy.results() == [(6, 1, "OOM")]
    assert outcome.stats["failure_error_counts"] == {"OOM": 1}
    assert outcome.metrics["oom_by_request"] == [[10, 12.0, 1]]


def test_memory_equal_to_the_allocation_is_fine() -> None:
    _, policy = run(ONCE, pipeline("p1", work(cpu=0.5, memory=10.0)))

    assert policy.results() == [(5, 1, None)]


def test_fixed_memory_over_the_allocation_kills_in_the_first_tick() -> None:
    _, policy = run(ONCE, pipeline("p1", work(cpu=0.5, memory=10.1)))

    assert policy.results() == [(1, 1, "OOM")]


def test_a_kill_fails_the_rest_and_keeps_what_was_completed() -> None:
    _, policy = run(
        ONCE,
        pipeline("p1", work(cpu=0.5), work(cpu=0.5, memory=20.0), work(cpu=0.5)),
    )

    last = [state for o in policy.observations for state in o.op_states][-2:]
    assert policy.results() == [(6, 1, "OOM")]
    assert last == [(1, 5), (2, 5)]


OVERCOMMIT = "return [], [put(ops(0), ram=100), put(ops(1), ram=80)] if tick == 0 else []"


def _two_that_overflow() -> tuple[Run, Watched]:
    return run(
        OVERCOMMIT,
        pipeline("p1", work(cpu=1, read=60)),
        pipeline("p2", work(cpu=1, read=60)),
        allow_memory_overcommit=True,
    )


def test_the_pool_killer_takes_the_largest_share_of_its_allocation() -> None:
    # Both grow by 2 GB per tick; 104 > 100 in tick 25. The second has the smaller allocation.
    _, policy = _two_that_overflow()

    assert policy.results() == [(26, 2, "OOM"), (40, 1, None)]


def test_allocated_memory_may_exceed_all_memory() -> None:
    outcome, _ = _two_that_overflow()

    # Samples at 0, 1 and 2 s see 180 GB, the one at 3 s 100 GB, later ones nothing.
    assert outcome.stats["mean_memory_allocated_percent"] == pytest.approx((3 * 180 + 100) / 10)


def test_suspended_memory_stays_in_the_account_until_a_container_ends() -> None:
    # 80 GB are suspended at tick 5 for 45 ticks; a 60 GB operator then starts on free memory and
    # dies at once, because the account still holds the 80 GB.
    body = """
if tick == 0:
    return [], [put(ops(0), ram=90)]
if tick == 5:
    return [Suspend("c1", 0)], []
if tick == 50:
    return [], [put(ops(1), ram=60)]
return [], []
"""
    _, policy = run(
        body,
        pipeline("p1", work(cpu=0.5, memory=80.0), work(cpu=0.5)),
        pipeline("p2", work(cpu=0.5, memory=60.0)),
    )

    assert policy.results() == [(51, 2, "OOM")]


READER = """
if tick == 0:
    return [], [put(ops(0), ram=50), put(ops(1), ram=30)]
if tick <= 12:
    gb = [each.get_current_memory_usage() for each in pools[0].active_containers]
    print([pools[0].consumed_ram_gb, *gb])
return [], []
"""


def test_memory_read_on_quiet_ticks_follows_the_growth_tick_by_tick(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(READER, pipeline("p1", work(cpu=1, read=8)), pipeline("p2", work(cpu=2, memory=25.0)))

    seen = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in seen[:5]] == [((i + 1) * 0.1) * 20 for i in range(4)] + [8.0]
    assert [row[2] for row in seen] == [25.0] * 12
    assert [round(row[0], 9) for row in seen[:5]] == [27.0, 29.0, 31.0, 33.0, 33.0]


def test_reading_memory_or_not_gives_the_same_statistics() -> None:
    jobs = [pipeline("p1", work(cpu=1, read=30)), pipeline("p2", work(cpu=2, read=17))]

    reading, _ = run(READER, *jobs)
    blind, _ = run(READER.replace("tick <= 12", "False"), *jobs)

    assert reading.stats == blind.stats
