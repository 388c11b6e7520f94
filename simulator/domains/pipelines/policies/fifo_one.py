"""First in, first out: one operator per container, each with the same small share of a pool.

Pipelines are served in order of arrival and nothing overtakes: when the first operator in line fits
nowhere, all others wait with it. An operator that was killed for memory keeps its place and asks
for twice as much. The plainest policy that finishes everything that can be finished, and the one
to compare others with. Source: first come, first served scheduling, as in Silberschatz, Galvin and
Gagne, "Operating System Concepts", chapter "CPU Scheduling".
"""

SHARES = 16  # a container gets this part of a pool's cpus and of its memory


@register_scheduler_init(key="fifo-one")
def init(s):
    pool = s.executor.pools[0]
    s.cpus = min(max(1, int(pool.max_cpu_pool / SHARES)), pool.max_cpu_pool)
    s.most_gb = pool.max_ram_pool
    s.first_gb = min(max(1, int(pool.max_ram_pool / SHARES)), s.most_gb)
    s.grown_gb = {}  # operator -> what it asks for since it was killed
    s.place = {}  # pipeline -> its place in the order of arrival
    s.ready = {}  # pipeline -> its operators that can start now
    s.hopeless = set()  # pipelines with an operator that not even a whole pool can hold


@register_scheduler(key="fifo-one")
def step(s, results: List[ExecutionResult], pipelines: List[Pipeline]):
    if not results and not pipelines:
        return [], []
    for pipeline in pipelines:
        s.place[pipeline] = len(s.place)
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
    """Start operators in order, up to the first that fits nowhere."""
    free = [[pool.avail_cpu_pool, pool.avail_ram_pool] for pool in s.executor.pools]
    assignments = []
    for pipeline in sorted(s.ready, key=s.place.get):
        ops = s.ready.pop(pipeline)
        if pipeline.runtime_status().has_timed_out():
            continue
        for position, op in enumerate(ops):
            gb = s.grown_gb.get(op, s.first_gb)
            pool_id = first_fit(free, s.cpus, gb)
            if pool_id is None:
                s.ready[pipeline] = ops[position:]
                return assignments
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
    return assignments


def first_fit(free, cpus, gb):
    """Return the first pool with room, or None."""
    for pool_id, (free_cpus, free_gb) in enumerate(free):
        if cpus <= free_cpus and gb <= free_gb:
            return pool_id
    return None
