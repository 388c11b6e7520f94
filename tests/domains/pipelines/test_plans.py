"""How long operators run, when they die, and that sums have the bits they must have."""

import math
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.domains.pipelines.plans import Planner, cpu_seconds, first_tick_over, grown_gb
from simulator.domains.pipelines.states import NEVER
from simulator.domains.pipelines.workload import SCALINGS, Segment
from simulator.exact_sums import compensated_sum

LAWS = [
    ("const", 4, 8.0), ("linear3", 2, 4.0), ("linear3", 9, 8 / 3), ("linear7", 9, 8 / 7),
    ("log", 1, 8.0), ("log", math.e, 4.0), ("sqrt", 4, 4.0), ("squared", 2, 2.0),
    ("exp", 2, 2.0), ("exp", 4, 0.5), ("exp", 64, 0.5), ("linear3", 0.5, 16.0),
    ("log", 0.3, math.inf),
]  # fmt: skip


def test_scaling_laws() -> None:
    for law, cpus, seconds in LAWS:
        assert cpu_seconds(law, cpus, 8) == pytest.approx(seconds), (law, cpus)


@given(law=st.sampled_from(list(SCALINGS)), cpus=st.floats(5e-324, 1e6))
@example(law="log", cpus=5e-324)
@example(law="exp", cpus=1e6)
def test_any_number_of_cpus_gives_some_number_of_ticks(law: str, cpus: float) -> None:
    plan = Planner(0.1).plan((Segment(baseline_cpu_seconds=1e9, cpu_scaling=law),), cpus, 1)

    assert 1 <= plan.ticks <= NEVER


def test_a_function_may_say_how_work_scales() -> None:
    halved = Segment(baseline_cpu_seconds=4, cpu_scaling=lambda cpus, seconds: seconds / 2)

    assert Planner(0.1).plan((halved,), 1, 1).ticks == 20


def test_segments_follow_one_another_and_memory_steps_between_them() -> None:
    grown = Segment(baseline_cpu_seconds=1, storage_read_gb=20)
    fixed = Segment(baseline_cpu_seconds=0.5, memory_gb=3, storage_read_gb=20)

    plan = Planner(0.1).plan((grown, fixed), 1, 20)

    assert plan.ticks == 10 + 10 + 10 + 5
    assert [tuple(each) for each in plan.phases] == [
        (0, None, False),
        (10, 20, True),
        (20, 3, False),
    ]
    assert (plan.oom, plan.cap_gb) == (NEVER, 20)


@given(
    ram=st.floats(0.001, 500),
    tps=st.sampled_from([1, 7, 10, 100, 1000, 4096]),
)
def test_the_first_tick_over_a_limit_is_exactly_that(ram: float, tps: int) -> None:
    tick = first_tick_over(ram, 1.0 / tps)

    assert grown_gb(tick, 1.0 / tps) > ram
    assert tick == 0 or grown_gb(tick - 1, 1.0 / tps) <= ram


def test_the_compensated_sum_keeps_what_plain_addition_loses() -> None:
    assert compensated_sum([1e16, 1.0, -1e16]) == 1.0
    assert compensated_sum([]) == 0
    assert compensated_sum([2, 3]) == 5


@given(st.lists(st.one_of(st.integers(0, 500), st.floats(0, 500)), max_size=60))
def test_the_compensated_sum_is_the_builtin_of_python_3_12(values: list[float]) -> None:
    # Older versions add without compensation, so that only the neighbourhood can be checked there.
    tolerance = 0.0 if tuple(sys.version_info) >= (3, 12) else 1e-9

    assert abs(compensated_sum(values) - sum(values)) <= tolerance
