"""Reacts to what it sees and to nothing else, so it decides the same however often it is called."""


@register_scheduler_init(key="packer")
def init(s):
    s.live = []
    s.killed = {}


@register_scheduler(key="packer")
def step(s, results, pipelines):
    s.live.extend(pipelines)
    for r in results:
        if r.error == "OOM":
            for op in r.ops:
                s.killed[op] = max(s.killed.get(op, 0), r.ram)
    suspend, assign = [], []
    queries = [p for p in s.live if p.priority == Priority.QUERY]
    for pool in s.executor.pools:
        cpu, ram = pool.avail_cpu_pool, pool.avail_ram_pool
        if any(p.runtime_status().get_ops(OperatorState.PENDING) for p in queries) and cpu < 2:
            for c in pool.active_containers:
                if c.can_suspend_container() and c.priority != Priority.QUERY:
                    suspend.append(Suspend(c.container_id, pool.pool_id))
        for p in sorted(s.live, key=lambda p: p.priority.value):
            status = p.runtime_status()
            if status.has_timed_out():
                continue
            for op in status.get_ops(ASSIGNABLE_STATES, require_parents_complete=True):
                want = min(pool.max_ram_pool, 2 * s.killed[op]) if op in s.killed else 24
                if cpu >= 2 and ram >= want:
                    assign.append(
                        Assignment([op], 2, want, p.priority, pool.pool_id, p.pipeline_id)
                    )
                    cpu -= 2
                    ram -= want
    s.live = [p for p in s.live if not p.runtime_status().is_pipeline_successful()]
    return suspend, assign
