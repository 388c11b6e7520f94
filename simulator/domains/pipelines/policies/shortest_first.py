"""Shortest remaining work first: within a priority, the pipeline with the fewest operators left.

Nothing is known of how long an operator takes, so the number of operators that a pipeline has left
stands for its remaining work. What does not fit now is passed over, so a large request may wait for
long while small ones keep coming: short pipelines are this policy's only concern. Source: Schrage,
"A proof of the optimality of the shortest remaining processing time discipline", Operations
Research 16(3), 1968.
"""

CPUS = 4
FIRST_GB = 16
MARGIN = 1.2  # on top of an estimate of an operator's memory
LOOK_AHEAD = 64  # as many pipelines in line are looked at


@register_scheduler_init(key="shortest-first")
def init(s):
    pool = s.executor.pools[0]
    s.cpus = min(CPUS, pool.max_cpu_pool)
    s.most_gb = pool.max_ram_pool
    s.grown_gb = {}  # operator -> what it asks for since it was killed
    s.place = {}  # pipeline -> its place in the order of arrival
    s.left = {}  # pipeline -> number of its operators that are not completed
    s.ready = {}  # pipeline -> its operators that can start now
    s.hopeless = set()  # pipelines with an operator that not even a whole pool can hold


@register_scheduler(key="shortest-first")
def step(s, results: List[ExecutionResult], pipelines: List[Pipeline]):
    if not results and not pipelines:
        return [], []
    for pipeline in pipelines:
        s.place[pipeline] = len(s.place)
        s.left[pipeline] = len(pipeline.values)
    for result in results:
        learn(s, result)
    find_ready(s, pipelines + [result.ops[0].pipeline for result in results])
    return [], serve(s)


def learn(s, result):
    """Count what is left of a pipeline; double the memory of an operator that was killed."""
    op = result.ops[0]
    if not result.failed():
        s.left[op.pipeline] -= 1
    elif result.error == "OOM":
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
    """Start what fits, the shortest pipelines of the most urgent class first."""
    free = [[pool.avail_cpu_pool, pool.avail_ram_pool] for pool in s.executor.pools]
    assignments = []
    line = sorted(s.ready, key=lambda each: rank(s, each))
    for pipeline in line[:LOOK_AHEAD]:
        if all(cpus < s.cpus or gb <= 0 for cpus, gb in free):
            break
        if pipeline.runtime_status().has_timed_out():
            del s.ready[pipeline]
            continue
        waiting = []
        for op in s.ready.pop(pipeline):
            gb = request_gb(s, op)
            pool_id = roomiest(free, s.cpus, gb)
            if pool_id is None:
                waiting.append(op)
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
    """Smaller is served earlier."""
    return pipeline.priority.value, s.left[pipeline], s.place[pipeline]


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
