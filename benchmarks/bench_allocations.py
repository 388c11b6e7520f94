"""One hard-coded size for every operator against sizes that are learnt, on ``smoke`` and ``mixed``.

Scores are geometric means of naive's weighted latency over the policy's own; 1 is naive.
"""

import math
import sys
from collections.abc import Sequence

from benchmarks.measure import missed, sized
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import load_suite, policy_source
from simulator.domains.pipelines.scenario import Scenario

FIXED_SIZES = ((2, 32), (4, 64), (4, 128), (4, 200))
ATTEMPTS = 3
"""An operator that was killed so often at its one size is left alone."""

PACKER = """
@register_scheduler_init(key="packer")
def init(s):
    s.live = []
    s.killed = {{}}


@register_scheduler(key="packer")
def step(s, results, pipelines):
    s.live.extend(pipelines)
    for result in results:
        if result.failed():
            for op in result.ops:
                s.killed[op] = s.killed.get(op, 0) + 1
    s.live = [p for p in s.live if waits(p.runtime_status())]
    s.live.sort(key=lambda p: p.priority.value)
    out = []
    for pool in s.executor.pools:
        cpu, ram = pool.avail_cpu_pool, pool.avail_ram_pool
        for p in s.live:
            ready = p.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True)
            for op in ready:
                kills = s.killed.get(op, 0)
                want = min({ram}, pool.max_ram_pool)
                if kills < {attempts} and cpu >= {cpu} and ram >= want:
                    out.append(
                        Assignment([op], {cpu}, want, p.priority, pool.pool_id, p.pipeline_id)
                    )
                    cpu -= {cpu}
                    ram -= want
    return [], out


def waits(status):
    return not status.is_pipeline_successful() and not status.has_timed_out()
"""


def main(arguments: Sequence[str] = ()) -> None:
    """Print a table of scores; what learns is promised to be clearly ahead on both suites."""
    del arguments
    suites = {
        "smoke": load_suite("smoke").scenarios[: sized(None, 1)],
        "mixed, train": load_suite("mixed").split("train")[: sized(None, 1)],
    }
    bases = {name: _latencies(policy_source("naive"), each) for name, each in suites.items()}
    print(f"{'policy':28}" + "".join(f"{name:>14}" for name in suites))
    fixed = [
        _line(f"always {cpu} cpus, {ram} GB", fixed_size(cpu, ram), suites, bases)
        for cpu, ram in FIXED_SIZES
    ]
    doubled = _line("4 cpus, 16 GB, then doubled", doubling_size(4, 16), suites, bases)
    learnt = _line("right-size", policy_source("right-size"), suites, bases)
    ahead = all(
        min(doubled[number], learnt[number]) > 1.5 * max(scores[number] for scores in fixed)
        for number in range(len(suites))
    )
    if not ahead:
        missed("what learns is ahead of every hard-coded size by half on both suites")


def fixed_size(cpu: int, ram: int) -> str:
    """Return a policy that packs by priority and gives every operator the same."""
    return PACKER.format(cpu=cpu, ram=ram, attempts=ATTEMPTS)


def doubling_size(cpu: int, ram: int) -> str:
    """Return the same policy, with memory doubled each time an operator was killed."""
    return PACKER.format(cpu=cpu, ram=f"{ram} * 2**kills", attempts=99)


def _line(
    title: str,
    source: str,
    suites: dict[str, tuple[Scenario, ...]],
    bases: dict[str, list[float]],
) -> list[float]:
    scores = []
    for name, scenarios in suites.items():
        pairs = zip(bases[name], _latencies(source, scenarios), strict=True)
        ratios = [math.log(base / own) for base, own in pairs]
        scores.append(math.exp(sum(ratios) / len(ratios)))
    print(f"{title:28}" + "".join(f"{score:14.2f}" for score in scores), flush=True)
    return scores


def _latencies(source: str, scenarios: Sequence[Scenario]) -> list[float]:
    return [
        simulate(each.workload, each.params, local_policy(source)).metrics[
            "weighted_latency_seconds"
        ]
        for each in scenarios
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
