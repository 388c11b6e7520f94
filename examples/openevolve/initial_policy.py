"""A policy to start from: urgent work first, small memory requests that grow after a kill.

Waiting pipelines are served by priority, then by arrival. Each operator gets its own container, so
operators of one pipeline can run in parallel. How much memory an operator needs is unknown: the
first request is small, and each kill doubles it.
"""

# EVOLVE-BLOCK-START
FIRST_GB = 8  # the memory that an operator asks for at first
GROW = 2  # times as much after it was killed for want of memory
CPUS = 4  # more make an operator faster, less lets more of them run at once


@register_scheduler_init(key="my-policy")
def init(s):
    s.waiting = []  # pipelines that are not completed, in the order of arrival
    s.asks_gb = {}  # operator -> the memory that it asks for since it was killed


@register_scheduler(key="my-policy")
def step(s, results: List[ExecutionResult], pipelines: List[Pipeline]):
    """Called whenever something changed; returns what to suspend and what to start."""
    s.waiting.extend(pipelines)
    for result in results:
        if result.error == "OOM":
            for op in result.ops:
                s.asks_gb[op] = GROW * result.ram
    s.waiting = [each for each in s.waiting if not each.runtime_status().is_pipeline_successful()]
    urgent_first = sorted(s.waiting, key=lambda each: each.priority.value)
    return [], start_what_fits(s, urgent_first)


def start_what_fits(s, line):
    """Return an assignment for each ready operator that fits into the pool with most room."""
    free = [[pool.avail_cpu_pool, pool.avail_ram_pool] for pool in s.executor.pools]
    assignments = []
    for pipeline in line:
        ready = pipeline.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True)
        for op in ready:
            pool_id = max(range(len(free)), key=lambda each: free[each][1])
            cpus, gb = free[pool_id]
            wanted_gb = min(s.asks_gb.get(op, FIRST_GB), s.executor.pools[pool_id].max_ram_pool)
            if cpus < 1 or gb < wanted_gb:
                continue
            granted = min(CPUS, cpus)
            free[pool_id][0] -= granted
            free[pool_id][1] -= wanted_gb
            assignments.append(
                Assignment(
                    ops=[op],
                    cpu=granted,
                    ram=wanted_gb,
                    priority=pipeline.priority,
                    pool_id=pool_id,
                    pipeline_id=pipeline.pipeline_id,
                )
            )
    return assignments


# EVOLVE-BLOCK-END
