"""The reference's workload generator, draw for draw, so that the same seed gives the same trace."""

from bisect import bisect_right
from collections.abc import Iterator

import numpy as np

from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import (
    MAX_OPERATORS,
    Operator,
    Pipeline,
    Priority,
    Segment,
    Workload,
)
from simulator.errors import ParamsError

QUERY_WORK = Segment(baseline_cpu_seconds=15, cpu_scaling="linear3", storage_read_gb=35)
OTHER_WORK = Segment(baseline_cpu_seconds=1, cpu_scaling="const", storage_read_gb=55)

PRIORITIES = (Priority.INTERACTIVE, Priority.QUERY, Priority.BATCH_PIPELINE)
SHAPES = ("linear", "branch_in", "branch_out")


def generate_workload(params: Params) -> Workload:
    """Return the pipelines that the generator delivers within the duration.

    ``params.trace_draws`` chooses the order of random draws: ``v1`` draws no DAG shape (all are
    linear), ``v2`` draws one for every pipeline, also for those with a single operator.
    """
    if params.num_pipelines == 0:
        return Workload(pipelines=())
    return Workload(pipelines=tuple(_pipelines(params)))


def _pipelines(params: Params) -> Iterator[Pipeline]:
    draws = _Draws(params)
    made: dict[tuple[str, int], tuple[Operator, ...]] = {}
    operators = tick = count = 0
    while tick < params.num_ticks:
        for _ in range(params.num_pipelines):
            priority, shape, length = draws.pipeline()
            count += 1
            operators += length
            if operators > MAX_OPERATORS:
                raise ParamsError(
                    f"the generator made more than {MAX_OPERATORS} operators by tick {tick} of "
                    f"{params.num_ticks}, lower duration, num_pipelines or num_operators, or raise "
                    "waiting_seconds_mean"
                )
            if (shape, length) not in made:
                made[shape, length] = _operators(shape, length)
            yield Pipeline(
                id=f"p{count}",
                priority=priority,
                arrival_tick=tick,
                operators=made[shape, length],
            )
        tick += draws.gap_ticks()


class _Draws:
    """Draws what the reference draws, in its order."""

    def __init__(self, params: Params) -> None:
        self._rng = np.random.default_rng(params.random_seed)
        self._priorities = _cumulated(
            (params.interactive_prob, params.query_prob, params.batch_prob)
        )
        self._shapes = _cumulated(
            (params.dag_linear_prob, params.dag_branch_in_prob, params.dag_branch_out_prob)
        )
        self._with_shapes = params.trace_draws == "v2"
        self._mean_operators = params.num_operators
        self._mean_ticks = int(params.waiting_seconds_mean * params.ticks_per_second)

    def pipeline(self) -> tuple[Priority, str, int]:
        """Draw priority, shape and number of operators."""
        priority = PRIORITIES[bisect_right(self._priorities, self._rng.random())]
        shape = "linear"
        if self._with_shapes:
            shape = SHAPES[bisect_right(self._shapes, self._rng.random())]
        if priority is Priority.QUERY:
            return priority, "query", 1
        mean = self._mean_operators
        return priority, shape, max(1, int(self._rng.normal(mean, mean / 4)))

    def gap_ticks(self) -> int:
        """Draw the ticks from one batch to the next; an empty wait is replaced by the mean."""
        wait = int(self._rng.normal(self._mean_ticks, self._mean_ticks / 4))
        return 1 + (wait if wait > 0 else self._mean_ticks)


def _cumulated(weights: tuple[float, ...]) -> list[float]:
    """Return the shares added up as ``Generator.choice`` does, for one uniform draw a choice."""
    shares = np.array(weights, dtype=float)
    cumulated = np.cumsum(shares / shares.sum())
    return [float(each) for each in cumulated / cumulated[-1]]


def _operators(shape: str, length: int) -> tuple[Operator, ...]:
    if shape == "query":
        return (Operator(id="op1", segments=(QUERY_WORK,)),)
    return tuple(
        Operator(
            id=f"op{position + 1}",
            parents=_parents(shape, position, length),
            segments=(OTHER_WORK,),
        )
        for position in range(length)
    )


def _parents(shape: str, position: int, length: int) -> tuple[int, ...]:
    if position == 0:
        return ()
    match shape:
        case "branch_in":
            return tuple(range(position)) if position == length - 1 else ()
        case "branch_out":
            return (0,)
        case _:
            return (position - 1,)
