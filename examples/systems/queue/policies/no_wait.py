"""Starts what it can as it arrives, and refuses the rest."""


@register_policy(key="no-wait")
def decide(state):
    waiting = state.rows("jobs", "waiting")
    free = state.values.servers - state.gauge("busy")
    return [start(job=job) for job in waiting[:free]] + [refuse(job=job) for job in waiting[free:]]
