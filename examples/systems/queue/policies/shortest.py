"""Starts the job with the shortest estimate."""


@register_policy(key="shortest")
def decide(state):
    waiting = sorted(state.rows("jobs", "waiting"), key=lambda job: (job.estimate, job.number))
    free = state.values.servers - state.gauge("busy")
    return [start(job=job) for job in waiting[:free]]
