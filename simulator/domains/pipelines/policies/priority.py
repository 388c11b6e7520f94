"""Priority: query before interactive before batch work, a tenth of a pool per container.

Work that failed is tried once more with twice the resources, if they are free and below half of the
pool; queries that find no room ask for less urgent containers to be suspended. Behaves like the
scheduler ``priority`` of Eudoxia (MIT licence).
"""


@register_scheduler_init(key="priority")
def init(s):
    s.queries, s.interactive, s.batch = [], [], []
    s.queue_of = {
        Priority.QUERY: s.queries,
        Priority.INTERACTIVE: s.interactive,
        Priority.BATCH_PIPELINE: s.batch,
    }
    s.queued_ops = set()
    s.suspending = {}
    s.oom_failed_to_run = 0
    s.multi = s.params["multi_operator_containers"]


class Job:
    """Operators of one pipeline that wait for a container, with the size of their last one."""

    def __init__(self, pipeline, ops, priority, cpu=None, ram=None, error=None):
        self.pipeline = pipeline
        self.ops = ops
        self.priority = priority
        self.cpu = cpu
        self.ram = ram
        self.error = error


@register_scheduler(key="priority")
def step(s, results: List[ExecutionResult], pipelines: List[Pipeline]):
    if results or pipelines:
        queue_ready_work(s, results, pipelines)
    queue_suspended_work(s)
    free = [[pool.avail_cpu_pool, pool.avail_ram_pool] for pool in s.executor.pools]
    assignments = []
    for queue in (s.queries, s.interactive, s.batch):
        if queue:
            assignments += serve(s, queue, free)
    suspensions = ask_for_room(s) if s.queries else []
    return suspensions, assignments


def queue_ready_work(s, results, pipelines):
    """Queue what can run now of the pipelines that arrived or had a container end."""
    last_try = {}
    candidates = dict.fromkeys(pipelines)
    for result in results:
        for op in result.ops:
            candidates[op.pipeline] = None
            if result.failed() and op.state() != OperatorState.COMPLETED:
                last_try[op] = (result.cpu, result.ram, result.error)
    for pipeline in candidates:
        ready = pipeline.runtime_status().get_ops(
            ASSIGNABLE_STATES, require_parents_complete=not s.multi
        )
        ops = [op for op in ready if op not in s.queued_ops]
        for group in [ops] if s.multi and ops else [[op] for op in ops]:
            put(s, Job(pipeline, group, pipeline.priority, *last_try.get(group[0], ())))


def put(s, job):
    s.queue_of[job.priority].append(job)
    s.queued_ops.update(job.ops)


def queue_suspended_work(s):
    """Queue what was suspended, once its suspension has ended."""
    for pool in s.executor.pools:
        for container in pool.suspending_containers:
            ops = [op for op in container.operators if op.state() != OperatorState.COMPLETED]
            size = container.assignment
            s.suspending[container.container_id] = Job(
                ops[0].pipeline, ops, container.priority, size.cpu, size.ram
            )
    if not s.suspending:
        return
    for pool in s.executor.pools:
        for container in pool.suspended_containers:
            job = s.suspending.pop(container.container_id, None)
            if job is not None:
                put(s, job)


def serve(s, queue, free):
    """Assign jobs from the front of a queue until no pool has anything free."""
    assignments = []
    taken = 0
    for job in queue:
        if job.pipeline.runtime_status().has_timed_out():
            taken += 1
            continue
        pool_id = roomiest_pool(free)
        if pool_id is None:
            break
        taken += 1
        size = choose_size(s, job, s.executor.pools[pool_id], *free[pool_id])
        if size is None:
            continue
        cpu, ram = size
        free[pool_id][0] -= cpu
        free[pool_id][1] -= ram
        assignments.append(
            Assignment(
                ops=job.ops,
                cpu=cpu,
                ram=ram,
                priority=job.priority,
                pool_id=pool_id,
                pipeline_id=job.pipeline.pipeline_id,
            )
        )
    for job in queue[:taken]:
        s.queued_ops.difference_update(job.ops)
    del queue[:taken]
    return assignments


def roomiest_pool(free):
    """Return the pool with the most free memory of those that have a free cpu."""
    best = None
    most = 0
    for pool_id, (cpu, ram) in enumerate(free):
        if cpu > 0 and ram > most:
            best, most = pool_id, ram
    return best


def choose_size(s, job, pool, free_cpu, free_ram):
    """Return cpus and memory for a job; None drops it."""
    if job.error is not None:
        cpu, ram = 2 * job.cpu, 2 * job.ram
        if cpu > free_cpu or ram > free_ram:
            return None
        if cpu / pool.max_cpu_pool >= 0.5 or ram / pool.max_ram_pool >= 0.5:
            s.oom_failed_to_run += 1
            return None
        return cpu, ram
    if job.cpu is not None and job.cpu < free_cpu and job.ram < free_ram:
        return job.cpu, job.ram
    cpu = max(1, int(pool.max_cpu_pool / 10))
    ram = max(1, int(pool.max_ram_pool / 10))
    if cpu >= free_cpu or ram >= free_ram:
        return free_cpu, free_ram
    return cpu, ram


def ask_for_room(s):
    """Suspend less urgent containers, one per waiting query, taking the pools in turn."""
    wanted = len(s.queries)
    lists = [
        [each for each in pool.active_containers if each.priority != Priority.QUERY]
        for pool in s.executor.pools
    ]
    suspensions = []
    for position in range(max(len(each) for each in lists)):
        for containers in lists:
            if position < len(containers) and containers[position].can_suspend_container():
                container = containers[position]
                suspensions.append(Suspend(container.container_id, container.pool_id))
                if len(suspensions) == wanted:
                    return suspensions
    return suspensions
