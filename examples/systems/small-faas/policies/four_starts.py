"""As on-demand, but each instance is kept for as long as four starts take."""


@register_policy(key="four-starts")
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
        function = state.row("functions", invocation.function)
        for slot in cold:
            if slot.function == invocation.function and free[slot.node] >= function.memory:
                free[slot.node] -= function.memory
                cold = [each for each in cold if each.number != slot.number]
                starts.append(start(slot=slot, keep_alive=4 * function.init))
                break
    return starts


def free_memory(state, node):
    """Return the MB of a node that no instance starts or works in."""
    used = state.gauge("memory", node) - state.gauge("idle_memory", node)
    return node.memory - used
