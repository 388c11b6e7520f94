"""Starts what is ready with a tenth of the pool, by number; what was killed gets half of it."""


@register_policy(key="small")
def decide(state):
    cpus, memory = state.values.pool_cpus, state.values.pool_memory
    free_cpus, free_memory = cpus - state.gauge("used_cpus"), memory - state.gauge("used_memory")
    waiting = [(2, each) for each in state.rows("operators", "failed")]
    waiting += [(10, each) for each in state.rows("operators", "ready")]
    waiting.sort(key=lambda pair: pair[1].number)
    starts = []
    for parts, operator in waiting:
        wanted_cpus, wanted_memory = max(1, cpus // parts), max(1, memory // parts)
        if wanted_cpus <= free_cpus and wanted_memory <= free_memory:
            free_cpus -= wanted_cpus
            free_memory -= wanted_memory
            starts.append(start(operator=operator, cpus=wanted_cpus, memory=wanted_memory))
    return starts
