"""Gives each operator what was estimated and a quarter more, and double after it was killed."""


@register_scheduler_init(key="estimate_user")
def init(s):
    s.live = []
    s.killed = {}


@register_scheduler(key="estimate_user")
def step(s, results, pipelines):
    s.live.extend(pipelines)
    for r in results:
        if r.failed():
            for op in r.ops:
                s.killed[op] = r.ram
    if not results and not pipelines:
        return [], []
    out = []
    free = [[pool.avail_cpu_pool, pool.avail_ram_pool] for pool in s.executor.pools]
    s.live = [p for p in s.live if not p.runtime_status().is_pipeline_successful()]
    for p in sorted(s.live, key=lambda p: p.priority.value):
        for op in p.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True):
            guess = op.estimate.mem_peak_gb or 25
            want = 2 * s.killed[op] if op in s.killed else guess * 1.25 + 0.5
            for number, (cpu, ram) in enumerate(free):
                if cpu >= 1.5 and ram >= want:
                    out.append(Assignment([op], 1.5, want, p.priority, number, p.pipeline_id))
                    free[number][0] -= 1.5
                    free[number][1] -= want
                    break
    return [], out
