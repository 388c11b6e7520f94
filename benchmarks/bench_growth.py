"""How the engine's time and memory grow: ``python -m benchmarks.bench_growth``.

Time should grow with events and with nothing else: not with ticks per second, with a duration in
which nothing arrives, or with pipelines that wait in a queue. Times are CPU seconds, on change.
"""

import sys
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace

from simulator.engine import simulate
from simulator.local_policy import LocalPolicy
from simulator.params import Params
from simulator.workload import Operator, Pipeline, Priority, Segment, Workload

PACKER = """
from collections import deque


@register_scheduler_init(key="packer")
def init(s):
    s.queue = deque()


@register_scheduler(key="packer")
def step(s, results, pipelines):
    s.queue.extend(pipelines)
    out = []
    for pool in s.executor.pools:
        free = pool.avail_cpu_pool
        while s.queue and free >= 1:
            p = s.queue.popleft()
            ops = p.runtime_status().get_ops(ASSIGNABLE_STATES)
            out.append(Assignment(ops, 1, 1, p.priority, pool.pool_id, p.pipeline_id))
            free -= 1
    return [], out
"""
LOOK = """

def keep(s, pipelines):
    for p in pipelines:
        assert len(p.runtime_status().get_ops(ASSIGNABLE_STATES)) == len(p.values)
    s.queue.extend(pipelines)
"""
BASE = Params(
    duration=600,
    ticks_per_second=1000,
    num_pools=1,
    cpus_per_pool=64,
    ram_gb_per_pool=100_000,
    policy_calls="on_change",
)
WORK = Segment(baseline_cpu_seconds=1.5, memory_gb=0.5, storage_read_gb=10)
LONG = replace(WORK, baseline_cpu_seconds=1e6)
MAX_BYTES_PER_OPERATOR = 1024


def main(arguments: Sequence[str] = ()) -> int:
    """Print the curves; return 1 if a pending operator takes more memory than is promised."""
    for count in (1_000, 10_000, 100_000):
        _line(f"{count} pipelines over 600 s", _spread(count, 600_000), BASE)
    for pools in (1, 8, 64):
        params = replace(BASE, num_pools=pools, cpus_per_pool=256 // pools)
        _line(f"{pools} pools, 10 000 pipelines", _spread(10_000, 600_000), params)
    for running in (10, 100, 1_000):
        params = replace(BASE, cpus_per_pool=running + 64)
        workload = _with_runners(running, _spread(5_000, 600_000))
        _line(f"{running} containers always running", workload, params)
    for rate in (10, 1_000, 100_000, 10_000_000):
        params = replace(BASE, ticks_per_second=rate)
        _line(f"{rate} ticks per second", _spread(5_000, 600 * rate), params)
    for seconds in (600, 6_000, 60_000):
        params = replace(BASE, duration=seconds)
        _line(f"600 s of arrivals in {seconds} s", _spread(5_000, 600_000), params)
    for queued in (1_000, 10_000, 100_000):
        params = replace(BASE, cpus_per_pool=10)
        _line(f"{queued} pipelines queued at once", _spread(queued, 1), params)
    return _memory()


def _line(title: str, workload: Workload, params: Params) -> None:
    before = time.process_time()
    run = simulate(workload, params, LocalPolicy(PACKER))
    seconds = time.process_time() - before
    done = run.stats["containers_completed"]
    micro = 1e6 * seconds / max(done, 1)
    print(f"{title:36} {seconds:8.3f} s {done:8} containers {micro:8.1f} us each", flush=True)


def _memory() -> int:
    """Measure what an operator takes while it waits, in one pipeline or in a hundred thousand."""
    looked_at = PACKER.replace("s.queue.extend(", "keep(s, ") + LOOK
    worst = 0.0
    for count, length in ((100_000, 1), (10_000, 10), (1_000, 100)):
        workload = _chains(count, length)
        params = replace(BASE, cpus_per_pool=1, duration=2)
        tracemalloc.start()
        simulate(workload, params, LocalPolicy(looked_at))
        each = tracemalloc.get_traced_memory()[1] / (count * length)
        tracemalloc.stop()
        # A pipeline of one operator carries a whole pipeline's objects for it.
        worst = max(worst, each if length > 1 else 0.0)
        print(f"{each:6.0f} bytes an operator: {count} pending pipelines of {length} operators")
    return 0 if worst < MAX_BYTES_PER_OPERATOR else 1


def _spread(count: int, ticks: int) -> Workload:
    """Return pipelines of one operator each, at equal distances over so many ticks."""
    operators = (Operator(id="op1", segments=(WORK,)),)
    return Workload(
        pipelines=tuple(
            Pipeline(
                id=f"p{number}",
                priority=Priority.BATCH_PIPELINE,
                arrival_tick=number * ticks // count,
                operators=operators,
            )
            for number in range(count)
        )
    )


def _with_runners(count: int, workload: Workload) -> Workload:
    """Return the workload with so many pipelines before it that never end."""
    operators = (Operator(id="op1", segments=(LONG,)),)
    runners = tuple(
        Pipeline(id=f"r{number}", priority=Priority.QUERY, arrival_tick=0, operators=operators)
        for number in range(count)
    )
    return Workload(pipelines=runners + workload.pipelines)


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
