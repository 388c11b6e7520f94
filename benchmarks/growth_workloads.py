"""Workloads of any size for the growth curves, and a policy whose calls take constant time."""

import gc
import time
import tracemalloc
from dataclasses import replace

from simulator.domains.pipelines.contract import CONTRACT
from simulator.domains.pipelines.engine import ReadMemory, simulate
from simulator.domains.pipelines.messages import Decision, Observation, Setup
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload
from simulator.driver import LocalPolicy

PACKER = """
from collections import deque


@register_scheduler_init(key="packer")
def init(s):
    s.queue = deque()
    s.roomy = deque(pool for pool in s.executor.pools for _ in range(int(pool.max_cpu_pool)))


@register_scheduler(key="packer")
def step(s, results, pipelines):
    s.queue.extend(pipelines)
    for result in results:
        s.roomy.append(s.executor.pools[result.pool_id])
    out = []
    while s.queue and s.roomy:
        p, pool = s.queue.popleft(), s.roomy.popleft()
        ops = p.runtime_status().get_ops(ASSIGNABLE_STATES)
        out.append(Assignment(ops, 1, 1, p.priority, pool.pool_id, p.pipeline_id))
    return [], out
"""
"""One cpu for every pipeline, first come, first served; no call looks at what only waits."""

COLLECTOR = """
@register_scheduler_init(key="collector")
def init(s):
    s.kept = []


@register_scheduler(key="collector")
def step(s, results, pipelines):
    for p in pipelines:
        assert len(p.runtime_status().get_ops(ASSIGNABLE_STATES)) == len(p.values)
    s.kept.extend(pipelines)
    return [], []
"""
"""Looks at every operator, so that all of them are made, and lets them wait."""

BASE = Params(
    duration=600,
    ticks_per_second=1000,
    num_pools=1,
    cpus_per_pool=64,
    ram_gb_per_pool=100_000,
    policy_calls="on_change",
)
WORK = Segment(baseline_cpu_seconds=1.5, memory_gb=0.5, storage_read_gb=10)
GROWING = Segment(baseline_cpu_seconds=1.5, storage_read_gb=0.9)
ENDLESS = Segment(baseline_cpu_seconds=1e6, memory_gb=0.5)


class ClockedPolicy(LocalPolicy):
    """A policy that notes the CPU time at its start, after its first decision and its last.

    What the first decision leaves for the collector of garbage to look through is looked through at
    once, so that it counts there and not by chance later.
    """

    def __init__(self, source: str) -> None:
        super().__init__(CONTRACT, source)

    def start(self, setup: Setup) -> None:
        """Load the policy."""
        super().start(setup)
        self.begun = time.process_time()
        self.first = self.last = 0.0

    def decide(self, observation: Observation, read_memory: ReadMemory) -> Decision:
        """Ask the policy."""
        decision: Decision = super().decide(observation, read_memory)
        if not self.first:
            gc.collect()
            self.first = time.process_time()
        self.last = time.process_time()
        return decision


def spread(count: int, work: Segment, params: Params, seconds: float) -> Workload:
    """Return pipelines of one operator each, at equal distances over so many seconds."""
    ticks = round(seconds * params.ticks_per_second)
    return Workload(
        pipelines=tuple(
            _pipeline(f"p{number}", number * ticks // count, work) for number in range(count)
        )
    )


def at_once(count: int, work: Segment) -> Workload:
    """Return pipelines of one operator each that all arrive at the beginning."""
    return Workload(pipelines=tuple(_pipeline(f"p{number}", 0, work) for number in range(count)))


def with_runners(count: int, workload: Workload) -> Workload:
    """Return the workload with so many pipelines before it that never end."""
    runners = tuple(_pipeline(f"r{number}", 0, ENDLESS) for number in range(count))
    return Workload(pipelines=runners + workload.pipelines)


def bytes_per_operator(count: int, length: int) -> float:
    """Return the most memory that chains of operators take while they wait, the trace left out."""
    workload = _chains(count, length)
    params = replace(BASE, duration=1)
    tracemalloc.start()
    simulate(workload, params, LocalPolicy(CONTRACT, COLLECTOR))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / (count * length)


def _pipeline(name: str, tick: int, work: Segment) -> Pipeline:
    operators = (Operator(id="op1", segments=(work,)),)
    return Pipeline(
        id=name, priority=Priority.BATCH_PIPELINE, arrival_tick=tick, operators=operators
    )


def _chains(count: int, length: int) -> Workload:
    operators = tuple(
        Operator(id=f"op{place}", parents=(place - 1,) if place else (), segments=(WORK,))
        for place in range(length)
    )
    return Workload(
        pipelines=tuple(
            Pipeline(id=f"p{number}", priority=Priority.QUERY, arrival_tick=0, operators=operators)
            for number in range(count)
        )
    )
