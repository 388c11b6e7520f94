"""Starts an instance for each that waits and that none is starting for; keeps it a minute."""

KEEP_ALIVE = 60_000_000


@register_policy(key="keep-longer")
def decide(state):
    free = {node.number: free_memory(state, node) for node in state.rows("nodes")}
    coming = {}
    for slot in state.rows("slots", "starting"):
        coming[slot.function] = coming.get(slot.function, 0) + 1
    cold = state.rows("slots", "cold")
    starts = []
    for invocation in state.rows("invocations", "waiting"):
        if coming.get(invocation.function, 0) > 0:
            coming[invocation.function] -= 1
            continue
        memory = state.row("functions", invocation.function).memory
        for slot in cold:
            if slot.function == invocation.function and free[slot.node] >= memory:
                free[slot.node] -= memory
                cold = [each for each in cold if each.number != slot.number]
                starts.append(start(slot=slot, keep_alive=KEEP_ALIVE))
                break
    return starts


def free_memory(state, node):
    """Return the MB of a node that no instance starts or works in."""
    used = state.gauge("memory", node) - state.gauge("idle_memory", node)
    return node.memory - used
