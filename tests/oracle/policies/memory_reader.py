"""Starts work when the memory in use is low, also between events; needs overcommit to bite."""


@register_scheduler_init(key="memory_reader")
def init(s):
    s.live = []
    s.seen = 0.0


@register_scheduler(key="memory_reader")
def step(s, results, pipelines):
    s.live.extend(pipelines)
    out = []
    for pool in s.executor.pools:
        used = pool.consumed_ram_gb
        biggest = max((c.get_current_memory_usage() for c in pool.active_containers), default=0.0)
        s.seen += used + biggest
        # The last digits of what was read decide, so that every read must be exact.
        if used > pool.max_ram_pool * 0.5 or int(s.seen * 1e6) % 3 == 1:
            continue
        for p in s.live:
            ops = p.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True)
            ram = pool.max_ram_pool * 0.45
            if (
                ops
                and pool.avail_cpu_pool >= 2
                and (s.params["allow_memory_overcommit"] or pool.avail_ram_pool >= ram)
            ):
                out.append(Assignment(ops[:1], 2, ram, p.priority, pool.pool_id, p.pipeline_id))
                break
    return [], out
