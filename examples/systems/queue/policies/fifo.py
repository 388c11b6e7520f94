"""Starts the job that has waited longest."""


@register_policy(key="fifo")
def decide(state):
    waiting = state.rows("jobs", "waiting")
    free = state.values.servers - state.gauge("busy")
    return [start(job=job) for job in waiting[:free]]
