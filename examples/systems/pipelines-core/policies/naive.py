"""Gives the whole pool to the next pipeline of a round-robin queue; what was killed is dropped."""

queue = []
seen = set()


@register_policy(key="naive")
def decide(state):
    for pipeline in state.rows("pipelines", "open"):
        if pipeline.number not in seen:
            seen.add(pipeline.number)
            queue.append(pipeline.number)
    if state.gauge("used_cpus") > 0:
        return None
    ready = {}
    for operator in state.rows("operators", "ready"):
        ready.setdefault(operator.pipeline, operator)
    for place, number in enumerate(queue):
        if number in ready:
            del queue[: place + 1]
            queue.append(number)
            cpus, memory = state.values.pool_cpus, state.values.pool_memory
            return [start(operator=ready[number], cpus=cpus, memory=memory)]
    del queue[:]
    return None
