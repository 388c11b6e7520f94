"""Estimates of memory need that a policy may see, drawn when a pipeline arrives."""

from numpy.random import default_rng

from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Operator, Workload, iteration_order

# numpy loads its generators when they are first named, which a sealed cell is too late for: hence
# the import by name above.


def estimates(workload: Workload, params: Params) -> list[list[float | None]]:
    """Return the estimated peak memory in GB by pipeline and operator position.

    Without an estimator every estimate is ``None``. ``noisy`` gives the true peak times a lognormal
    factor; draws are made for pipelines that arrive, in order of arrival and DAG iteration, from a
    generator of their own. Pipelines that arrive after the end have no estimates.
    """
    if params.estimator_algo == "":
        return [[None] * len(pipeline.operators) for pipeline in workload.pipelines]
    rng = default_rng(params.random_seed)
    sigma = params.noisy_estimator_sigma
    result: list[list[float | None]] = []
    for pipeline in workload.pipelines:
        row: list[float | None] = [None] * len(pipeline.operators)
        if pipeline.arrival_tick < params.num_ticks:
            for position in iteration_order(pipeline.operators):
                peak = peak_memory_gb(pipeline.operators[position])
                row[position] = float(peak * rng.lognormal(0, sigma)) if sigma > 0 else peak
        result.append(row)
    return result


def peak_memory_gb(operator: Operator) -> float:
    """Return the most memory that an operator ever needs: fixed, or grown to the size it reads."""
    peaks = (
        segment.storage_read_gb if segment.memory_gb is None else segment.memory_gb
        for segment in operator.segments
    )
    return float(max(peaks, default=0.0))
