"""Runs the job that came last first, on every server that is free."""


@register_policy(key="newest")
def decide(state):
    waiting = sorted(state.rows("jobs", "waiting"), key=lambda job: -job.arrival)
    starts = []
    for job in waiting:
        if len(starts) + state.gauge("busy") >= state.values.servers:
            break
        starts.append(start(job=job))
    return starts
