"""Starts an instance of every function at once, two for each that waits; keeps them for ever."""


@register_policy(key="ahead")
def decide(state):
    free = {
        node.number: node.memory - state.gauge("memory", node) + state.gauge("idle_memory", node)
        for node in state.rows("nodes")
    }
    known = {
        slot.function
        for state_ in ("starting", "idle", "busy")
        for slot in state.rows("slots", state_)
    }
    wanted = {
        function.number: int(function.number not in known) for function in state.rows("functions")
    }
    for invocation in state.rows("invocations", "waiting"):
        wanted[invocation.function] += 2
    for slot in state.rows("slots", "starting"):
        wanted[slot.function] -= 1
    starts = []
    for slot in state.rows("slots", "cold"):
        memory = state.row("functions", slot.function).memory
        if wanted[slot.function] > 0 and free[slot.node] >= memory:
            wanted[slot.function] -= 1
            free[slot.node] -= memory
            starts.append(start(slot=slot, keep_alive=1_000_000_000))
    return starts
