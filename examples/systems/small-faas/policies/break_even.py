"""Starts as on-demand does; keeps an instance until idling has cost as much as its start delays."""


@register_policy(key="break-even")
def decide(state):
    free = {
        node.number: node.memory - state.gauge("memory", node) + state.gauge("idle_memory", node)
        for node in state.rows("nodes")
    }
    coming = {}
    for slot in state.rows("slots", "starting"):
        coming[slot.function] = coming.get(slot.function, 0) + 1
    taken = set()
    starts = []
    for invocation in state.rows("invocations", "waiting"):
        if coming.get(invocation.function, 0) > 0:
            coming[invocation.function] -= 1
            continue
        function = state.row("functions", invocation.function)
        for slot in sorted(
            state.rows("slots", "cold"), key=lambda each: (-free[each.node], each.number)
        ):
            fits = free[slot.node] >= function.memory and slot.number not in taken
            if slot.function == invocation.function and fits:
                free[slot.node] -= function.memory
                taken.add(slot.number)
                starts.append(start(slot=slot, keep_alive=kept(state, function)))
                break
    return starts


def kept(state, function):
    """Return how long idling costs less than one more delay by a start."""
    count = max(1, len(state.rows("invocations")))
    price = max(1, state.values.price * function.memory)
    return min(60_000_000, function.init * state.now // (count * price))
