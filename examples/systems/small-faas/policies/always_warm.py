"""Starts every slot that fits and keeps it for ever: for cases of one function."""


@register_policy(key="always-warm")
def decide(state):
    starts = []
    free = {node.number: node.memory - state.gauge("memory", node) for node in state.rows("nodes")}
    for slot in state.rows("slots", "cold"):
        memory = state.row("functions", slot.function).memory
        if free[slot.node] >= memory:
            free[slot.node] -= memory
            starts.append(start(slot=slot, keep_alive=3_600_000_000))
    return starts
