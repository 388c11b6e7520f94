"""Decides by a small generator of its own: any size, any pool, chains, suspensions, on any tick."""


@register_scheduler_init(key="chaos")
def init(s):
    s.live = []
    s.noise = 20


def draw(s, below):
    s.noise = (s.noise * 1103515245 + 12345) % 2**31
    return (s.noise >> 8) % below


@register_scheduler(key="chaos")
def step(s, results, pipelines):
    s.live.extend(pipelines)
    s.noise += sum(len(p.values) for p in pipelines)
    suspend, assign = [], []
    for pool in s.executor.pools:
        for c in pool.active_containers:
            if c.can_suspend_container() and draw(s, 3):
                suspend.append(Suspend(c.container_id, pool.pool_id))
        if draw(s, 4):
            continue
        cpu, ram = pool.avail_cpu_pool, pool.avail_ram_pool
        for p in s.live:
            if draw(s, 3) == 0:
                continue
            chain = s.params["multi_operator_containers"] and draw(s, 2)
            ops = p.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=not chain)
            done = set(p.runtime_status().get_ops(OperatorState.COMPLETED))
            chosen = []
            for op in ops:
                # One in many chains starts without its parents: the rules forbid it.
                if all(q in done or q in chosen for q in op.parents) or draw(s, 400) == 0:
                    chosen.append(op)
            ops = chosen if chain else ops[:1]
            want_cpu = (0.5, 1, 2, 2.5, 4, 8)[draw(s, 6)]
            want_ram = (1, 7.7, 25, 33.3, 64, 120)[draw(s, 6)]
            fits = want_ram <= ram or s.params["allow_memory_overcommit"]
            if ops and want_cpu <= cpu and fits:
                assign.append(
                    Assignment(ops, want_cpu, want_ram, p.priority, pool.pool_id, p.pipeline_id)
                )
                cpu -= want_cpu
                ram -= want_ram
    s.live = [p for p in s.live if not p.runtime_status().is_pipeline_successful()]
    return suspend, assign
