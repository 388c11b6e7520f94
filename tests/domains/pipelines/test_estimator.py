"""Estimates: nothing, the truth, or the truth with noise, in the order of arrival."""

import numpy as np

from simulator.domains.pipelines.estimator import estimates, peak_memory_gb
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload


def _segment(read: float, memory: float | None = None) -> Segment:
    return Segment(baseline_cpu_seconds=1, storage_read_gb=read, memory_gb=memory)


def _workload(*ticks: int) -> Workload:
    operators = (
        Operator(id="a", segments=(_segment(30),)),
        Operator(id="c", parents=(0,), segments=(_segment(5), _segment(1, 7))),
        Operator(id="b", segments=(_segment(90, 20),)),
    )
    return Workload(
        pipelines=tuple(
            Pipeline(id=f"p{tick}", priority=Priority.QUERY, arrival_tick=tick, operators=operators)
            for tick in ticks
        )
    )


def test_without_an_estimator_there_are_no_estimates() -> None:
    assert estimates(_workload(0, 1), Params()) == [[None] * 3, [None] * 3]


def test_noisy_without_sigma_is_the_true_peak() -> None:
    assert estimates(_workload(0), Params(estimator_algo="noisy")) == [[30.0, 7.0, 20.0]]


def test_noise_is_drawn_in_order_of_arrival_and_of_the_graph() -> None:
    params = Params(estimator_algo="noisy", noisy_estimator_sigma=0.5, random_seed=7)
    rng = np.random.default_rng(7)

    found = estimates(_workload(0, 3), params)

    for row in found:
        factors = {place: rng.lognormal(0, 0.5) for place in (0, 2, 1)}
        assert row == [30 * factors[0], 7 * factors[1], 20 * factors[2]]


def test_pipelines_after_the_end_draw_nothing() -> None:
    params = Params(estimator_algo="noisy", duration=1, ticks_per_second=10)

    assert estimates(_workload(9, 10), params)[1] == [None, None, None]


def test_an_operator_without_segments_needs_nothing() -> None:
    assert peak_memory_gb(Operator(id="a")) == 0.0
