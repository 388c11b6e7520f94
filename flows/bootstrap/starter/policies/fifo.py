"""Runs jobs in the order in which they came."""


@register_policy(key="fifo")
def decide(state):
    free = state.values.servers - state.gauge("busy")
    return [start(job=job) for job in state.rows("jobs", "waiting")[:free]]
