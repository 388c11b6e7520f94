"""Texts about workloads: suites at a glance, one workload in full, load over pool sizes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from simulator.domains.pipelines.describe import (
    BARS,
    Description,
    describe,
    operator_seconds,
    render_description,
)
from simulator.domains.pipelines.estimator import peak_memory_gb
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario import Scenario
from simulator.suites import Suite

POOL_SCALES = (0.25, 0.5, 1, 2, 4)
SHORT_COLUMNS = 20
SUITE_HEADERS = (
    "scenario", "split", "family", "pipelines", "operators", "seconds", "pools", "cpus", "GB",
)  # fmt: skip
SUITE_EXPENDABLE = ("family", "seconds", "operators", "pools", "GB", "cpus")
"""Columns that a narrow terminal omits, the first ones first."""
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


def scenario_mapping(scenario: Scenario) -> dict[str, Any]:
    """Return what ``assay traces list`` shows of a scenario."""
    params = scenario.params
    return {
        "name": scenario.name,
        "split": scenario.split,
        "family": scenario.family,
        "pipelines": len(scenario.workload.pipelines),
        "operators": sum(len(each.operators) for each in scenario.workload.pipelines),
        "duration_seconds": params.duration,
        "pools": params.num_pools,
        "cpus_per_pool": params.cpus_per_pool,
        "ram_gb_per_pool": params.ram_gb_per_pool,
        "sha256": scenario.sha256,
    }


def suite_rows(suite: Suite[Scenario]) -> list[list[str]]:
    """Return a row under ``SUITE_HEADERS`` for each scenario."""
    rows = [list(scenario_mapping(scenario).values())[:-1] for scenario in suite.scenarios]
    return [[str(cell) for cell in row] for row in rows]


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


def description_text(scenario: Scenario) -> str:
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
    return "\n".join(lines)


def description_mapping(scenario: Scenario) -> dict[str, Any]:
    """Return the page about one workload as plain values."""
    found: Description = describe(scenario)
    sizes = [asdict(size) for size in pool_sizes(scenario)]
    return {**scenario_mapping(scenario), **asdict(found), "pool_sizes": sizes}


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
