"""Starts what is ready with two processors and 6 GB, by number; leaves what was killed."""


@register_policy(key="two-and-six")
def decide(state):
    cpus = state.values.pool_cpus - state.gauge("used_cpus")
    memory = state.values.pool_memory - state.gauge("used_memory")
    count = min(cpus // 2, memory // 6)
    return [
        start(operator=each, cpus=2, memory=6) for each in state.rows("operators", "ready")[:count]
    ]
