"""No keep-alive: an instance is gone as soon as nothing runs in it and nothing waits for it.

The end of the scale at which memory costs everything: the least idle memory and the most cold
starts.
"""


@register_platform_init(key="no-keep-alive")
def init(p):
    for function in p.functions:
        p.keep_alive(function, 0)


@register_platform(key="no-keep-alive")
def step(p, events):
    return serve(p)


def serve(p):
    """Bind what waits to an instance that starts, else start one on the first node with room."""
    plan = Plan(p)
    for invocation in p.queue:
        if not plan.below_quota(invocation.tenant):
            continue
        place = plan.place_for(invocation)
        if place is not None:
            plan.run(invocation, place)
            continue
        node = node_for(p, plan, invocation.function)
        if node is not None:
            plan.start(invocation.function, node, invocation)
    return plan.actions


def node_for(p, plan, function):
    """Return the first node with room, else the one with most idle memory to evict, or None."""
    for node in p.nodes:
        if plan.needs_no_eviction(function, node) and plan.can_start(function, node):
            return node
    nodes = [node for node in p.nodes if plan.can_start(function, node)]
    return max(nodes, key=plan.free_mb, default=None)
