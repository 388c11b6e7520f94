"""Suspends at every second operator boundary that it sees, and resumes what was suspended."""


@register_scheduler_init(key="suspender")
def init(s):
    s.live = []
    s.boundaries = 0
    s.failures = {}


@register_scheduler(key="suspender")
def step(s, results, pipelines):
    s.live.extend(pipelines)
    for r in results:
        if r.failed():
            s.failures[r.ops[0].pipeline] = s.failures.get(r.ops[0].pipeline, 0) + 1
    suspend, assign = [], []
    many = s.params["multi_operator_containers"]
    for pool in s.executor.pools:
        for c in pool.active_containers:
            if c.can_suspend_container():
                s.boundaries += 1
                if s.boundaries % 2:
                    suspend.append(Suspend(c.container_id, pool.pool_id))
        cpu, ram = pool.avail_cpu_pool, pool.avail_ram_pool
        for p in s.live:
            if cpu < 2 or ram < 30:
                break
            ops = p.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=not many)
            if ops and s.failures.get(p, 0) < 4:
                take = ops if many else ops[:1]
                size = min(ram, 30 + 20 * (s.failures.get(p, 0) + s.boundaries % 3))
                assign.append(Assignment(take, 2, size, p.priority, pool.pool_id, p.pipeline_id))
                cpu -= 2
                ram -= size
    return suspend, assign
