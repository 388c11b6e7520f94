"""Builds some assignments that it does not return: their operators stay assigned for ever."""


@register_scheduler_init(key="leaker")
def init(s):
    s.live = []
    s.built = 0


@register_scheduler(key="leaker")
def step(s, results, pipelines):
    s.live.extend(pipelines)
    out = []
    for pool in s.executor.pools:
        cpu, ram = pool.avail_cpu_pool, pool.avail_ram_pool
        for p in s.live:
            for op in p.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True):
                if cpu >= 2 and ram >= 50:
                    made = Assignment([op], 2, 50, p.priority, pool.pool_id, p.pipeline_id)
                    s.built += 1
                    if s.built % 4:
                        out.append(made)
                        cpu -= 2
                        ram -= 50
    return [], out
