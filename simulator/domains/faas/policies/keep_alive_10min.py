"""Keep alive for ten minutes: every idle instance stays for a fixed time, whoever it belongs to.

The reference: score 1.0. What waits is started on the first node with room; where none has room,
the instances that have been idle longest make it.
Source: fixed keep-alive as public clouds have it, see Shahrad et al., "Serverless in the Wild",
USENIX ATC 2020.
"""

KEEP_ALIVE_SECONDS = 600


@register_platform_init(key="keep-alive-10min")
def init(p):
    p.evict("lru")
    for function in p.functions:
        p.keep_alive(function, KEEP_ALIVE_SECONDS)


@register_platform(key="keep-alive-10min")
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
