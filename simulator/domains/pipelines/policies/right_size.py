"""Right-sizing: learns from kills and from successes how much memory operators of a kind need.

Operators of one priority at the same place of their DAG (first, inner, last) count as one kind. An
operator that was killed asks for twice as much. A kind remembers what its latest successes needed,
as far as kills and successes tell, and its next operator asks for the size with which those would
have held the least memory for the least time, kills included: where a kill comes early and costs
little, requests are small; where it comes late, they are large. With an estimator sizes are kept as
multiples of the estimate, so that its bias is learnt too. A container gets so many CPUs that all
that waits, as far as memory can hold it, shares all of them. The line is ordered as in
shortest-first.
Sources: Tovar et al., "A job sizing strategy for high-throughput scientific workflows", IEEE
Transactions on Parallel and Distributed Systems 29(2), 2018; Rzadca et al., "Autopilot: workload
autoscaling at Google", EuroSys 2020.
"""

import math

FIRST_GB = 16  # asked for while nothing is known
FIRST_RATIO = 1.2  # the same as a multiple of an estimate
REMEMBERED = 32  # successes per kind
LEARN_FROM = 4  # successes of a kind before its sizes are trusted
GROW = 2  # factor on the request of an operator that was killed
LIKELY = 0.75  # of a size that worked, what was needed: midway from the size that was killed
KILL_SECONDS = 0.5  # what a kill is taken to cost beyond the time it lost
MOST_CPUS = 8
LOOK_AHEAD = 64  # as many pipelines in line are looked at


@register_scheduler_init(key="right-size")
def init(s):
    pool = s.executor.pools[0]
    s.most_gb = pool.max_ram_pool
    s.most_cpus = min(MOST_CPUS, pool.max_cpu_pool)
    s.least_cpus = min(1, pool.max_cpu_pool)
    s.all_cpus = pool.max_cpu_pool * s.executor.num_pools
    s.all_gb = pool.max_ram_pool * s.executor.num_pools
    s.worked = {}  # kind -> (size needed, seconds) of the latest successes
    s.lost = {}  # kind -> mean seconds that a kill lost
    s.first = {}  # kind -> size of a first request
    s.killed_gb = {}  # operator -> the largest size it was killed with
    s.started = {}  # operator -> when its container started
    s.place = {}  # pipeline -> its place in the order of arrival
    s.left = {}  # pipeline -> number of its operators that are not completed
    s.ready = {}  # pipeline -> its operators that can start now
    s.hopeless = set()  # pipelines with an operator that not even a whole pool can hold


@register_scheduler(key="right-size")
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
    """Remember what an operator took, or that it was killed."""
    op = result.ops[0]
    kind = kind_of(op)
    seconds = s.now() - s.started.pop(op)
    if not result.failed():
        s.left[op.pipeline] -= 1
        worked = s.worked.setdefault(kind, [])
        worked.append((LIKELY * result.ram / unit_gb(op), seconds))
        del worked[:-REMEMBERED]
        if len(worked) >= LEARN_FROM:
            s.first[kind] = cheapest_size(worked, s.lost.get(kind, 0) + KILL_SECONDS)
    elif result.error == "OOM":
        s.killed_gb[op] = result.ram
        s.lost[kind] = 0.9 * s.lost.get(kind, seconds) + 0.1 * seconds
        if result.ram >= s.most_gb:
            s.hopeless.add(op.pipeline)


def kind_of(op):
    """Operators of one kind are taken to need memory alike."""
    place = "first" if not op.parents else "inner" if op.children else "last"
    return op.pipeline.priority, place, op.estimate.mem_peak_gb is None


def unit_gb(op):
    """Sizes are multiples of the estimate, where there is one, else GB."""
    return op.estimate.mem_peak_gb or 1


def cheapest_size(worked, kill_seconds):
    """Return the first request that would have held the least memory for the least time."""
    sizes = sorted({needed for needed, seconds in worked})
    return min(sizes, key=lambda size: sum(held(size, *each, kill_seconds) for each in worked))


def held(size, needed, seconds, kill_seconds):
    """Return size times seconds held until an operator is done, when begun with ``size``."""
    total = 0
    while size < needed:
        total += size * kill_seconds
        size *= GROW
    return total + size * seconds


def request_gb(s, op):
    """Return the memory to ask for, in whole GB, at most that of a pool."""
    if op in s.killed_gb:
        return min(GROW * s.killed_gb[op], s.most_gb)
    unknown = FIRST_GB if op.estimate.mem_peak_gb is None else FIRST_RATIO
    size = s.first.get(kind_of(op), unknown)
    return min(math.ceil(min(size * unit_gb(op), s.most_gb)), s.most_gb)


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
    cpus = share_of_cpus(s)
    assignments = []
    line = sorted(s.ready, key=lambda each: rank(s, each))
    for pipeline in line[:LOOK_AHEAD]:
        if all(free_cpus < s.least_cpus for free_cpus, free_gb in free):
            break
        if pipeline.runtime_status().has_timed_out():
            del s.ready[pipeline]
            continue
        waiting = []
        for op in s.ready.pop(pipeline):
            gb = request_gb(s, op)
            pool_id = roomiest(free, s.least_cpus, gb)
            if pool_id is None:
                waiting.append(op)
                continue
            granted = min(cpus, free[pool_id][0])
            free[pool_id][0] -= granted
            free[pool_id][1] -= gb
            s.started[op] = s.now()
            assignments.append(
                Assignment(
                    ops=[op],
                    cpu=granted,
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


def share_of_cpus(s):
    """Return the cpus for a container, so that as many as memory can hold share all cpus."""
    waiting = sum(len(ops) for ops in s.ready.values())
    typical_gb = sum(request_gb(s, ops[0]) for ops in s.ready.values()) / max(1, len(s.ready))
    claims = min(len(s.started) + waiting, s.all_gb / max(1, typical_gb))
    share = int(s.all_cpus / max(1, claims))
    return max(s.least_cpus, min(share, s.most_cpus))


def roomiest(free, cpus, gb):
    """Return the pool with room and the most free memory, or None."""
    best = None
    for pool_id, (free_cpus, free_gb) in enumerate(free):
        if cpus <= free_cpus and gb <= free_gb and (best is None or free_gb > free[best][1]):
            best = pool_id
    return best
