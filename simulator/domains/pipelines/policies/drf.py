"""Dominant resource fairness: the class with the smallest weighted dominant share goes next.

The users who share the cluster are the three priorities. A class's dominant share is the larger of
its shares of all cpus and of all memory, divided by its weight. As in the paper's progressive
filling, the next container goes to the class with the smallest share that has work waiting. When
that does not fit, everyone waits for room: passing it over would let small requests starve large
ones. Within a class pipelines are served in order of arrival.
Source: Ghodsi et al., "Dominant resource fairness: fair allocation of multiple resource types",
NSDI 2011.
"""

WEIGHTS = {Priority.QUERY: 10, Priority.INTERACTIVE: 5, Priority.BATCH_PIPELINE: 1}
CPUS = 4
FIRST_GB = 16
MARGIN = 1.2  # on top of an estimate of an operator's memory


@register_scheduler_init(key="drf")
def init(s):
    pool = s.executor.pools[0]
    s.cpus = min(CPUS, pool.max_cpu_pool)
    s.most_gb = pool.max_ram_pool
    s.all_cpus = pool.max_cpu_pool * s.executor.num_pools
    s.all_gb = pool.max_ram_pool * s.executor.num_pools
    s.held = {priority: [0, 0] for priority in Priority}  # cpus and GB in containers
    s.grown_gb = {}  # operator -> what it asks for since it was killed
    s.place = {}  # pipeline -> its place in the order of arrival
    s.ready = {}  # pipeline -> its operators that can start now
    s.hopeless = set()  # pipelines with an operator that not even a whole pool can hold


@register_scheduler(key="drf")
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
    """Take back what a container held; double the memory of an operator that was killed."""
    op = result.ops[0]
    s.held[result.priority][0] -= result.cpu
    s.held[result.priority][1] -= result.ram
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
    """Fill the cluster container by container, each for the class that is worst off."""
    free = [[pool.avail_cpu_pool, pool.avail_ram_pool] for pool in s.executor.pools]
    lines = waiting_lines(s)
    assignments = []
    while any(lines.values()):
        priority = min((each for each in lines if lines[each]), key=lambda each: share(s, each))
        op = lines[priority][-1]
        gb = request_gb(s, op)
        pool_id = roomiest(free, s.cpus, gb)
        if pool_id is None:
            break
        lines[priority].pop()
        take_from_ready(s, op)
        free[pool_id][0] -= s.cpus
        free[pool_id][1] -= gb
        s.held[priority][0] += s.cpus
        s.held[priority][1] += gb
        assignments.append(
            Assignment(
                ops=[op],
                cpu=s.cpus,
                ram=gb,
                priority=priority,
                pool_id=pool_id,
                pipeline_id=op.pipeline.pipeline_id,
            )
        )
    return assignments


def waiting_lines(s):
    """Return the operators that wait, by class; who came first is last in its list."""
    lines = {priority: [] for priority in Priority}
    for pipeline in sorted(s.ready, key=s.place.get, reverse=True):
        if pipeline.runtime_status().has_timed_out():
            del s.ready[pipeline]
        else:
            lines[pipeline.priority] += reversed(s.ready[pipeline])
    return lines


def take_from_ready(s, op):
    s.ready[op.pipeline].remove(op)
    if not s.ready[op.pipeline]:
        del s.ready[op.pipeline]


def share(s, priority):
    """Return the weighted dominant share of a class."""
    cpus, gb = s.held[priority]
    return max(cpus / s.all_cpus, gb / s.all_gb) / WEIGHTS[priority]


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
