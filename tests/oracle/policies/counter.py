"""Acts on quiet ticks only: every 7th call it starts one ready operator, with a size that rotates."""


@register_scheduler_init(key="counter")
def init(s):
    s.calls = 0
    s.live = []


@register_scheduler(key="counter")
def step(s, results, pipelines):
    s.calls += 1
    s.live.extend(pipelines)
    if s.calls % 7:
        return [], []
    for p in s.live:
        for op in p.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True):
            for pool in s.executor.pools:
                ram = (20, 45, 70, 110)[s.calls % 4]
                cpu = 1 + s.calls % 3
                if pool.avail_cpu_pool >= cpu and pool.avail_ram_pool >= ram:
                    return [], [Assignment([op], cpu, ram, p.priority, pool.pool_id, p.pipeline_id)]
    return [], []
