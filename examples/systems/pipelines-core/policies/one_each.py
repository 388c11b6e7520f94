"""One processor and one GB for each operator, first come first served: a queue with servers."""


@register_policy(key="one-each")
def decide(state):
    free = state.values.pool_cpus - state.gauge("used_cpus")
    ready = state.rows("operators", "ready")
    return [start(operator=each, cpus=1, memory=1) for each in ready[:free]]
