"""Keeps nothing idle, and rejects what has waited for half of its patience."""


@register_policy(key="impatient")
def decide(state):
    decisions = []
    waiting = state.rows("invocations", "waiting")
    wanted = {}
    for invocation in waiting:
        patience = state.row("functions", invocation.function).patience
        if 2 * (state.now - invocation.arrival) > patience:
            decisions.append(reject(invocation=invocation))
        else:
            wanted[invocation.function] = wanted.get(invocation.function, 0) + 1
    free = {
        node.number: node.memory - state.gauge("memory", node) + state.gauge("idle_memory", node)
        for node in state.rows("nodes")
    }
    for slot in state.rows("slots", "cold"):
        memory = state.row("functions", slot.function).memory
        if wanted.get(slot.function, 0) > 0 and free[slot.node] >= memory:
            wanted[slot.function] -= 1
            free[slot.node] -= memory
            decisions.append(start(slot=slot, keep_alive=0))
    return decisions
