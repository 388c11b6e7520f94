"""What a workload asks of a cluster: arrivals, operators, critical paths and offered load."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.domains.pipelines.estimator import peak_memory_gb
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload

CPU_CHOICES = (1, 2, 4, 8, 16)
QUANTILES = (10, 50, 90, 100)
BARS = " ▁▂▃▄▅▆▇█"
COLUMNS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedLoad:
    """Work over capacity if every operator had ``cpus`` cpus and exactly its peak memory."""

    cpus: int
    cpu_share: float
    memory_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Figures of a workload on its cluster; quantiles are those of ``QUANTILES``, in order."""

    name: str
    pipelines: int
    operators: int
    duration_seconds: float
    by_priority: dict[str, int]
    by_scaling: dict[str, int]
    growing_memory: int
    arrivals: list[int]
    """Pipelines that arrive in each of ``COLUMNS`` equal parts of the duration."""
    memory_gb: list[float]
    read_gb: list[float]
    cpu_seconds: list[float]
    operators_per_pipeline: list[float]
    critical_path_seconds: list[float]
    """The least time from arrival to end, with the best number of cpus for each operator."""
    offered: list[OfferedLoad]


def describe(scenario: Scenario) -> Description:
    """Return the figures of a scenario's workload on its cluster."""
    params, workload = scenario.params, scenario.workload
    operators = [each for pipeline in workload.pipelines for each in pipeline.operators]
    segments = [segment for operator in operators for segment in operator.segments]
    return Description(
        name=scenario.name,
        pipelines=len(workload.pipelines),
        operators=len(operators),
        duration_seconds=params.duration,
        by_priority={
            each.name: sum(pipeline.priority is each for pipeline in workload.pipelines)
            for each in Priority
        },
        by_scaling=dict(Counter(str(segment.cpu_scaling) for segment in segments).most_common()),
        growing_memory=sum(segment.memory_gb is None for segment in segments),
        arrivals=_arrivals(workload, params),
        memory_gb=_quantiles(peak_memory_gb(operator) for operator in operators),
        read_gb=_quantiles(segment.storage_read_gb for segment in segments),
        cpu_seconds=_quantiles(segment.baseline_cpu_seconds for segment in segments),
        operators_per_pipeline=_quantiles(len(each.operators) for each in workload.pipelines),
        critical_path_seconds=_quantiles(map(critical_path_seconds, workload.pipelines)),
        offered=[_offered(operators, params, cpus) for cpus in CPU_CHOICES],
    )


def render_description(description: Description) -> str:
    """Return the figures as a text of a page."""
    heads = " ".join(f"{f'p{each}' if each < 100 else 'max':>9}" for each in QUANTILES)
    tops = max(description.arrivals, default=0)
    bars = "".join(BARS[-(-count * 8 // max(tops, 1))] for count in description.arrivals)
    lines = [
        f"{description.name}: {description.pipelines} pipelines, {description.operators} operators "
        f"in {description.duration_seconds:g} s",
        f"arrivals   |{bars}| at most {tops} in {description.duration_seconds / COLUMNS:g} s",
        f"priorities  {_counts(description.by_priority)}",
        f"scaling     {_counts(description.by_scaling)}",
        f"memory      {description.growing_memory} grow with what is read, others are fixed",
        f"{'':28}{heads}",
    ]
    rows = {
        "peak memory, GB": description.memory_gb,
        "read, GB": description.read_gb,
        "cpu work, s": description.cpu_seconds,
        "operators per pipeline": description.operators_per_pipeline,
        "critical path, s": description.critical_path_seconds,
    }
    for name, figures in rows.items():
        lines.append(f"{name:28}" + " ".join(f"{each:9.4g}" for each in figures))
    lines.append("offered load over capacity, with so many cpus for each operator")
    for load in description.offered:
        shares = f"cpu {load.cpu_share:7.1%}   memory {load.memory_share:7.1%}"
        lines.append(f"  {load.cpus:3} cpus   {shares}")
    return "\n".join(lines)


def critical_path_seconds(pipeline: Pipeline) -> float:
    """Return the least time that a pipeline takes with as many cpus as are best for it."""
    ends: list[float] = []
    for operator in pipeline.operators:
        begin = max((ends[parent] for parent in operator.parents), default=0.0)
        ends.append(begin + min(operator_seconds(operator, cpus) for cpus in CPU_CHOICES))
    return max(ends, default=0.0)


def operator_seconds(operator: Operator, cpus: float) -> float:
    """Return how long an operator takes with so many cpus and enough memory."""
    return sum(
        segment.storage_read_gb / SCAN_GB_PER_SECOND + _cpu_seconds(segment, cpus)
        for segment in operator.segments
    )


def _cpu_seconds(segment: Segment, cpus: float) -> float:
    work, law = segment.baseline_cpu_seconds, segment.cpu_scaling
    match law:
        case "const":
            return work
        case "linear3":
            return work / min(cpus, 3)
        case "linear7":
            return work / min(cpus, 7)
        case "log":
            return work / float(np.log(cpus) + 1)
        case "sqrt":
            return work / float(np.sqrt(cpus))
        case "squared":
            return work / cpus**2
        case "exp":
            return work / (2**cpus if cpus < 4 else 16)
        case _:
            return work if isinstance(law, str) else law(cpus, work)


def _offered(operators: Sequence[Operator], params: Params, cpus: int) -> OfferedLoad:
    seconds = [operator_seconds(operator, cpus) for operator in operators]
    memory = sum(
        length * peak_memory_gb(operator)
        for length, operator in zip(seconds, operators, strict=True)
    )
    capacity = params.num_pools * params.duration
    return OfferedLoad(
        cpus=cpus,
        cpu_share=cpus * sum(seconds) / (capacity * params.cpus_per_pool),
        memory_share=memory / (capacity * params.ram_gb_per_pool),
    )


def _arrivals(workload: Workload, params: Params) -> list[int]:
    counts = [0] * COLUMNS
    for pipeline in workload.pipelines:
        column = pipeline.arrival_tick * COLUMNS // params.num_ticks
        if column < COLUMNS:
            counts[column] += 1
    return counts


def _quantiles(values: Iterable[float]) -> list[float]:
    ordered = np.fromiter(values, dtype=float)
    if not ordered.size:
        return [0.0] * len(QUANTILES)
    return [float(each) for each in np.percentile(ordered, QUANTILES)]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
