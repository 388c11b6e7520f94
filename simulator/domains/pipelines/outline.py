"""Says in a few lines on what clusters a policy is tried, and how much arrives there."""

from collections.abc import Sequence
from statistics import median

from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.workload import Workload


def outline(scenarios: Sequence[Scenario]) -> list[str]:
    """Return the clusters that a policy is tried on, and how much arrives there by family."""
    clusters: dict[str, dict[str, list[tuple[Workload, float]]]] = {}
    for each in scenarios:
        families = clusters.setdefault(_cluster(each.params), {})
        families.setdefault(each.family, []).append((each.workload, each.params.duration))
    lines = []
    for cluster, families in clusters.items():
        lines.append(f"- {cluster}")
        lines += [f"  - {family}: {_scale(known)}" for family, known in families.items()]
    return lines


def _cluster(p: Params) -> str:
    pools = "1 pool" if p.num_pools == 1 else f"{p.num_pools} pools, each"
    facts = [
        f"{pools} of {p.cpus_per_pool:g} CPUs and {p.ram_gb_per_pool:g} GB",
        f"{p.duration:g} s at {p.ticks_per_second:g} ticks per second",
        "several operators per container"
        if p.multi_operator_containers
        else "one operator per container",
    ]
    if p.allow_memory_overcommit:
        facts.append("memory may be overcommitted")
    if p.max_job_seconds:
        facts.append(f"pipelines time out after {p.max_job_seconds:g} s")
    else:
        facts.append("no deadlines")
    facts.append(
        "estimates of memory in op.estimate" if p.estimator_algo else "no estimates of memory"
    )
    return "; ".join(facts)


def _scale(known: Sequence[tuple[Workload, float]]) -> str:
    """Return how many pipelines arrive and how large they are, over the scenarios of a family."""
    rates = [60 * len(workload.pipelines) / seconds for workload, seconds in known]
    sizes = [len(each.operators) for workload, _ in known for each in workload.pipelines]
    if not sizes:
        return "nothing arrives"
    return (
        f"{_span(rates)} pipelines per minute, {_span(sizes)} operators in each "
        f"(median {median(sizes):g})"
    )


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2g}", f"{max(values):.2g}"
    return low if low == high else f"{low} to {high}"
