"""Texts about workloads: scenarios at a glance, one workload in full, load over pool sizes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulator.domain_host import Glance
from simulator.domains.pipelines.cell import scenario_from_files
from simulator.domains.pipelines.describe import (
    BARS,
    describe,
    operator_seconds,
    render_description,
)
from simulator.domains.pipelines.estimator import peak_memory_gb
from simulator.domains.pipelines.params import Params, load_params
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.tracefile import read_trace
from simulator.domains.pipelines.traces.checks import DEFAULT_TICKS_PER_SECOND
from simulator.domains.pipelines.traces.header import header_path, read_header

POOL_SCALES = (0.25, 0.5, 1, 2, 4)
SHORT_COLUMNS = 20
GLANCE_HEADERS = (
    "scenario", "arrivals", "operators", "GB p50", "GB max", "path s p50", "path s max",
    "cpu load", "memory",
)  # fmt: skip
GLANCE_EXPENDABLE = ("arrivals", "operators", "path s p50", "GB p50")


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSize:
    """Load on pools of another size, every operator with one cpu and exactly its peak memory."""

    cpus: float
    ram_gb: float
    cpu_share: float
    memory_share: float
    too_large: int
    """Operators whose peak memory is more than a pool has."""


def capacities(scenario: Scenario) -> dict[str, int | float]:
    """Return what a scenario's cluster has, for lists of scenarios."""
    params = scenario.params
    return {
        "pools": params.num_pools,
        "cpus_per_pool": params.cpus_per_pool,
        "ram_gb_per_pool": params.ram_gb_per_pool,
    }


def glance(scenarios: Sequence[Scenario]) -> Glance:
    """Return a table of workloads, one a row."""
    return Glance(
        title="load over capacity with one cpu for each operator",
        headers=GLANCE_HEADERS,
        rows=glance_rows(scenarios),
        expendable=GLANCE_EXPENDABLE,
    )


def glance_rows(scenarios: Sequence[Scenario]) -> list[list[str]]:
    """Return a row under ``GLANCE_HEADERS`` for each scenario."""
    rows = []
    for scenario in scenarios:
        found = describe(scenario)
        memory, path, load = found.memory_gb, found.critical_path_seconds, found.offered[0]
        figures = [memory[1], memory[-1], path[1], path[-1]]
        rows.append(
            [
                scenario.name,
                _short_arrivals(found.arrivals),
                str(found.operators),
                *(f"{figure:.4g}" for figure in figures),
                f"{load.cpu_share:.0%}",
                f"{load.memory_share:.0%}",
            ]
        )
    return rows


def describe_scenario(scenario: Scenario) -> list[str]:
    """Return the page about one workload on its cluster."""
    params = scenario.params
    lines = [
        render_description(describe(scenario)),
        f"cluster     {params.num_pools} pools of {params.cpus_per_pool:g} cpus and "
        f"{params.ram_gb_per_pool:g} GB",
        "offered load over capacity of other pool sizes, with one cpu for each operator",
    ]
    for size in pool_sizes(scenario):
        shares = f"cpu {size.cpu_share:8.1%}   memory {size.memory_share:8.1%}"
        fit = f"   {size.too_large} operators fit in no pool" if size.too_large else ""
        lines.append(f"  {size.cpus:6g} cpus {size.ram_gb:7g} GB   {shares}{fit}")
    return lines


def workload_figures(scenario: Scenario) -> dict[str, Any]:
    """Return the page about one workload as plain values."""
    sizes = [asdict(size) for size in pool_sizes(scenario)]
    return {**asdict(describe(scenario)), "pool_sizes": sizes}


def pool_sizes(scenario: Scenario) -> list[PoolSize]:
    """Return the load on pools from a quarter to four times the size they have."""
    params = scenario.params
    operators = [each for pipeline in scenario.workload.pipelines for each in pipeline.operators]
    peaks = [peak_memory_gb(operator) for operator in operators]
    seconds = [operator_seconds(operator, 1) for operator in operators]
    needed = sum(peak * length for peak, length in zip(peaks, seconds, strict=True))
    return [_pool_size(params, scale, peaks, sum(seconds), needed) for scale in POOL_SCALES]


def _pool_size(
    params: Params, scale: float, peaks: Sequence[float], seconds: float, needed: float
) -> PoolSize:
    cpus, ram_gb = params.cpus_per_pool * scale, params.ram_gb_per_pool * scale
    room = params.num_pools * params.duration
    return PoolSize(
        cpus=cpus,
        ram_gb=ram_gb,
        cpu_share=seconds / (room * cpus),
        memory_share=needed / (room * ram_gb),
        too_large=sum(peak > ram_gb for peak in peaks),
    )


def _short_arrivals(counts: Sequence[int]) -> str:
    """Return a curve of ``SHORT_COLUMNS`` bars, the highest for the most arrivals."""
    width = -(-len(counts) // SHORT_COLUMNS)
    sums = [sum(counts[start : start + width]) for start in range(0, len(counts), width)]
    most = max(sums, default=0) or 1
    return "".join(BARS[-(-each * (len(BARS) - 1) // most)] for each in sums)


def open_trace(path: Path, params: Path | None) -> Scenario:
    """Return a trace on its cluster; without parameters, header and arrivals set them."""
    if params is not None:
        return scenario_from_files(path, load_params(params))
    header = read_header(path) or {}
    own = header.get("params")
    if isinstance(own, dict):
        return scenario_from_files(path, Params.from_mapping(own, str(header_path(path))))
    rate = header.get("ticks_per_second", DEFAULT_TICKS_PER_SECOND)
    duration = header.get("window_seconds")
    if duration is None:
        pipelines = read_trace(path, DEFAULT_TICKS_PER_SECOND).pipelines
        last = pipelines[-1].arrival_tick if pipelines else 0
        duration = last // DEFAULT_TICKS_PER_SECOND + 1
    found = {"duration": duration, "ticks_per_second": rate}
    return scenario_from_files(path, Params.from_mapping(found, str(header_path(path))))
