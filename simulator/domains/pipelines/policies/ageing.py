"""Ageing: waiting raises a pipeline's priority, so that nothing waits for ever.

A pipeline gains one class of priority for every stretch of patience that passes since it arrived:
a batch pipeline ranks as a query after two. Where pipelines have a deadline, patience is a third of
it, and the order becomes one of earliest deadlines when time runs short. A pipeline that has aged
to the rank of a query is not overtaken any more: when its next operator fits nowhere, all behind it
wait, so that large requests get their turn too.
Sources: ageing as in Silberschatz, Galvin and Gagne, "Operating System Concepts", chapter "CPU
Scheduling"; earliest deadline first: Liu and Layland, "Scheduling algorithms for multiprogramming
in a hard-real-time environment", Journal of the ACM 20(1), 1973.
"""

PATIENCE_SECONDS = 60
CPUS = 4
FIRST_GB = 16
MARGIN = 1.2  # on top of an estimate of an operator's memory


@register_scheduler_init(key="ageing")
def init(s):
    pool = s.executor.pools[0]
    s.cpus = min(CPUS, pool.max_cpu_pool)
    s.most_gb = pool.max_ram_pool
    s.patience = s.params["max_job_seconds"] / 3 or PATIENCE_SECONDS
    s.grown_gb = {}  # operator -> what it asks for since it was killed
    s.arrived = {}  # pipeline -> (time of its arrival, its place among all)
    s.ready = {}  # pipeline -> its operators that can start now
    s.hopeless = set()  # pipelines with an operator that not even a whole pool can hold


@register_scheduler(key="ageing")
def step(s, results: List[ExecutionResult], pipelines: List[Pipeline]):
    if not results and not pipelines:
        return [], []
    for pipeline in pipelines:
        s.arrived[pipeline] = (s.now(), len(s.arrived))
    for result in results:
        learn(s, result)
    find_ready(s, pipelines + [result.ops[0].pipeline for result in results])
    return [], serve(s)


def learn(s, result):
    """Double the memory of an operator that was killed for want of it."""
    op = result.ops[0]
    if result.error == "OOM":
        s.grown_gb[op] = min(2 * result.ram, s.most_gb)
        if result.ram >= s.most_gb:
            s.hopeless.add(op.pipeline)


def find_ready(s, touched):
    """Note what can start now of the pipelines that arrived or had a container end."""
    for pipeline in touched:
        status = pipeline.runtime_status()
        ops = status.get_ops(ASSIGNABLE_STATES, require_parents_complete=True)
        if ops and pipeline not in s.hopeless:
            s.ready[pipeline] = ops
        else:
            s.ready.pop(pipeline, None)


def serve(s):
    """Start what fits in order of rank, up to the first aged request that fits nowhere."""
    free = [[pool.avail_cpu_pool, pool.avail_ram_pool] for pool in s.executor.pools]
    held_up = False
    assignments = []
    for pipeline in sorted(s.ready, key=lambda each: (rank(s, each), s.arrived[each])):
        if held_up or all(cpus < s.cpus for cpus, gb in free):
            break
        if pipeline.runtime_status().has_timed_out():
            del s.ready[pipeline]
            continue
        waiting = []
        for op in s.ready.pop(pipeline):
            gb = request_gb(s, op)
            pool_id = None if held_up else roomiest(free, s.cpus, gb)
            if pool_id is None:
                waiting.append(op)
                held_up = held_up or has_aged(s, pipeline)
                continue
            free[pool_id][0] -= s.cpus
            free[pool_id][1] -= gb
            assignments.append(
                Assignment(
                    ops=[op],
                    cpu=s.cpus,
                    ram=gb,
                    priority=pipeline.priority,
                    pool_id=pool_id,
                    pipeline_id=pipeline.pipeline_id,
                )
            )
        if waiting:
            s.ready[pipeline] = waiting
    return assignments


def rank(s, pipeline):
    """Smaller is served earlier: the class, less one for every stretch of patience."""
    return pipeline.priority.value - stretches_waited(s, pipeline)


def has_aged(s, pipeline):
    """Whether waiting has brought a pipeline to the rank of a fresh query, or beyond it."""
    return stretches_waited(s, pipeline) > 0 and rank(s, pipeline) <= Priority.QUERY.value


def stretches_waited(s, pipeline):
    return int((s.now() - s.arrived[pipeline][0]) / s.patience)


def request_gb(s, op):
    """Return the memory to ask for, in whole GB, at most that of a pool."""
    if op in s.grown_gb:
        return s.grown_gb[op]
    estimate = op.estimate.mem_peak_gb
    gb = FIRST_GB if estimate is None else int(min(estimate * MARGIN, s.most_gb)) + 1
    return min(gb, s.most_gb)


def roomiest(free, cpus, gb):
    """Return the pool with room and the most free memory, or None."""
    best = None
    for pool_id, (free_cpus, free_gb) in enumerate(free):
        if cpus <= free_cpus and gb <= free_gb and (best is None or free_gb > free[best][1]):
            best = pool_id
    return best
