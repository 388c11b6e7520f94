"""Priority-pool: queries and interactive work in pool 0, batch work in pool 1.

A container holds all remaining operators of a pipeline, so it needs containers of several
operators. Behaves like the scheduler ``priority-pool`` of Eudoxia (MIT licence).
"""


@register_scheduler_init(key="priority-pool")
def init(s):
    assert s.executor.num_pools == 2, "priority-pool needs exactly 2 pools"
    s.queues = {priority: [] for priority in Priority}
    s.suspending = {}
    s.oom_failed_to_run = 0


class Job:
    """Operators that wait for a container, with the size of their last one."""

    def __init__(self, pipeline, ops, priority, cpu=None, ram=None, error=None):
        self.pipeline = pipeline
        self.ops = ops
        self.priority = priority
        self.cpu = cpu
        self.ram = ram
        self.error = error


@register_scheduler(key="priority-pool")
def step(s, results: List[ExecutionResult], pipelines: List[Pipeline]):
    for pipeline in pipelines:
        put(s, Job(pipeline, list(pipeline.values), pipeline.priority))
    for result in results:
        if result.failed():
            ops = unfinished(result.ops)
            size = (result.cpu, result.ram, result.error)
            put(s, Job(ops[0].pipeline, ops, result.priority, *size))
    queue_suspended_work(s)
    fast, slow = s.executor.pools
    assignments = serve(s, fast, [s.queues[Priority.QUERY], s.queues[Priority.INTERACTIVE]])
    assignments += serve(s, slow, [s.queues[Priority.BATCH_PIPELINE]])
    return [], assignments


def unfinished(ops):
    return [op for op in ops if op.state() != OperatorState.COMPLETED]


def put(s, job):
    s.queues[job.priority].append(job)


def queue_suspended_work(s):
    """Queue what was suspended, once its suspension has ended."""
    for pool in s.executor.pools:
        for container in pool.suspending_containers:
            ops = unfinished(container.operators)
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


def serve(s, pool, queues):
    """Assign jobs of a pool's queues, in order, until nothing is free."""
    free_cpu, free_ram = pool.avail_cpu_pool, pool.avail_ram_pool
    assignments = []
    for queue in queues:
        taken = 0
        for job in queue:
            if not job.pipeline.runtime_status().has_timed_out():
                if free_cpu == 0 or free_ram == 0:
                    break
                size = choose_size(s, job, pool, free_cpu, free_ram)
                if size is not None:
                    free_cpu -= size[0]
                    free_ram -= size[1]
                    assignments.append(
                        Assignment(
                            ops=job.ops,
                            cpu=size[0],
                            ram=size[1],
                            priority=job.priority,
                            pool_id=pool.pool_id,
                            pipeline_id=job.pipeline.pipeline_id,
                        )
                    )
            taken += 1
        del queue[:taken]
    return assignments


def choose_size(s, job, pool, free_cpu, free_ram):
    """Return cpus and memory for a job; None drops it."""
    if job.error is not None:
        cpu, ram = 2 * job.cpu, 2 * job.ram
        if cpu / pool.max_cpu_pool >= 0.5 or ram / pool.max_ram_pool >= 0.5:
            s.oom_failed_to_run += 1
            return None
        return (free_cpu, free_ram) if cpu >= free_cpu or ram >= free_ram else (cpu, ram)
    if job.cpu is not None and job.cpu <= free_cpu and job.ram <= free_ram:
        return job.cpu, job.ram
    cpu = max(1, int(pool.max_cpu_pool / 10))
    ram = max(1, int(pool.max_ram_pool / 10))
    return (free_cpu, free_ram) if cpu >= free_cpu or ram >= free_ram else (cpu, ram)
