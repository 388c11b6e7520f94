"""EASY backfilling: the head of the line has a reservation, others may start if they respect it.

The line is ordered by priority and arrival. When the first request in it fits nowhere, the pool
that will have room for it first is reserved from that time on. What comes later in the line may
start now in that pool only if it is expected to end by then, or if it takes what the head leaves
over. How long an operator takes is not known but predicted: as the longest that an operator of its
priority took lately, and twice that whenever a running one has outlived its prediction. Nothing
backfills on the strength of time while there is nothing to predict from.
Sources: Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995; Mu'alem and Feitelson, "Utilization,
predictability, workloads, and user runtime estimates in scheduling the IBM SP2 with backfilling",
IEEE TPDS 12(6), 2001; Tsafrir, Etsion and Feitelson, "Backfilling using system-generated
predictions rather than user runtime estimates", IEEE TPDS 18(6), 2007.
"""

CPUS = 4
FIRST_GB = 16
MARGIN = 1.2  # on top of an estimate of an operator's memory
REMEMBERED = 20  # run times per priority
NEVER = float("inf")
LOOK_AHEAD = 64  # as many pipelines in line are looked at


@register_scheduler_init(key="backfill")
def init(s):
    pool = s.executor.pools[0]
    s.cpus = min(CPUS, pool.max_cpu_pool)
    s.most_gb = pool.max_ram_pool
    s.grown_gb = {}  # operator -> what it asks for since it was killed
    s.seconds = {priority: [] for priority in Priority}  # how long operators took lately
    s.running = [{} for pool in s.executor.pools]  # per pool: operator -> (start, cpus, gb)
    s.place = {}  # pipeline -> its place in the order of arrival
    s.ready = {}  # pipeline -> its operators that can start now
    s.hopeless = set()  # pipelines with an operator that not even a whole pool can hold


@register_scheduler(key="backfill")
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
    """Remember how long an operator took; double the memory of one that was killed."""
    op = result.ops[0]
    start = s.running[result.pool_id].pop(op)[0]
    if not result.failed():
        seconds = s.seconds[result.priority]
        seconds.append(s.now() - start)
        del seconds[:-REMEMBERED]
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
    """Start the head of the line, and others where the head's reservation allows it."""
    free = [[pool.avail_cpu_pool, pool.avail_ram_pool] for pool in s.executor.pools]
    reserved = None
    assignments = []
    line = sorted(s.ready, key=lambda each: (each.priority.value, s.place[each]))
    for pipeline in line[:LOOK_AHEAD]:
        if all(cpus < s.cpus for cpus, gb in free):
            break
        if pipeline.runtime_status().has_timed_out():
            del s.ready[pipeline]
            continue
        waiting = []
        for op in s.ready.pop(pipeline):
            gb = request_gb(s, op)
            pool_id = choose_pool(s, free, reserved, op, gb)
            if pool_id is None:
                waiting.append(op)
                reserved = reserved or reserve(s, free, gb)
                continue
            free[pool_id][0] -= s.cpus
            free[pool_id][1] -= gb
            s.running[pool_id][op] = (s.now(), s.cpus, gb)
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


def request_gb(s, op):
    """Return the memory to ask for, in whole GB, at most that of a pool."""
    if op in s.grown_gb:
        return s.grown_gb[op]
    estimate = op.estimate.mem_peak_gb
    gb = FIRST_GB if estimate is None else int(min(estimate * MARGIN, s.most_gb)) + 1
    return min(gb, s.most_gb)


def choose_pool(s, free, reserved, op, gb):
    """Return the first pool with room that does not delay the head, or None."""
    for pool_id, (free_cpus, free_gb) in enumerate(free):
        if s.cpus <= free_cpus and gb <= free_gb:
            if reserved is None or pool_id != reserved["pool_id"]:
                return pool_id
            if s.now() + predicted_seconds(s, op.pipeline.priority) <= reserved["time"] < NEVER:
                return pool_id
            if s.cpus <= reserved["spare_cpus"] and gb <= reserved["spare_gb"]:
                reserved["spare_cpus"] -= s.cpus
                reserved["spare_gb"] -= gb
                return pool_id
    return None


def predicted_seconds(s, priority):
    """Return how long an operator is expected to take: as long as the slowest one lately."""
    return max(s.seconds[priority], default=NEVER)


def reserve(s, free, gb):
    """Return where and when the head will start, and what it leaves over there and then."""
    options = [room_for_head(s, pool_id, free[pool_id], gb) for pool_id in range(len(free))]
    return min(options, key=lambda option: option["time"])


def room_for_head(s, pool_id, free, gb):
    """Let the containers of a pool end in their expected order until the head fits."""
    cpus_then, gb_then = free
    time = s.now()
    ends = [
        (expected_end(s, op, start), cpus, held_gb)
        for op, (start, cpus, held_gb) in s.running[pool_id].items()
    ]
    for end, cpus, held_gb in sorted(ends):
        if s.cpus <= cpus_then and gb <= gb_then:
            break
        time = end
        cpus_then += cpus
        gb_then += held_gb
    return {
        "pool_id": pool_id,
        "time": time,
        "spare_cpus": cpus_then - s.cpus,
        "spare_gb": gb_then - gb,
    }


def expected_end(s, op, start):
    """Return when a running operator should end; a prediction that was outlived is doubled."""
    seconds = predicted_seconds(s, op.pipeline.priority)
    while start + seconds <= s.now():
        seconds *= 2
    return start + seconds
