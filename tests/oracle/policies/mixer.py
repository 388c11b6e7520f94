"""Puts operators of several pipelines into one container, parents before children."""


@register_scheduler_init(key="mixer")
def init(s):
    s.live = []
    s.turn = 0


@register_scheduler(key="mixer")
def step(s, results, pipelines):
    s.live.extend(pipelines)
    s.live = [p for p in s.live if not p.runtime_status().has_timed_out()]
    if not results and not pipelines:
        return [], []
    out = []
    width = 5 if s.params["multi_operator_containers"] else 1
    for pool in s.executor.pools:
        s.turn += 1
        ops = []
        for p in s.live[s.turn % 3 :] + s.live[: s.turn % 3]:
            ready = p.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True)
            ops.extend(ready[:2])
            if len(ops) >= width:
                break
        if ops and pool.avail_cpu_pool >= 2 and pool.avail_ram_pool >= 60:
            label = ops[0].pipeline
            out.append(
                Assignment(ops[:width], 2, 60, label.priority, pool.pool_id, label.pipeline_id)
            )
    return [], out
