"""Always warm: one instance of every function from the beginning, and none is given up.

The other end of the scale: no cold start while the memory suffices for one instance of each. Beyond
that the instance that has been idle longest makes room.
"""

import math


@register_platform_init(key="always-warm")
def init(p):
    p.evict("lru")
    p.prewarmed = False
    for function in p.functions:
        p.keep_alive(function, math.inf)


@register_platform(key="always-warm")
def step(p, events):
    plan = serve(p)
    if not p.prewarmed:
        p.prewarmed = True
        prewarm(p, plan)
    return plan.actions


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
    return plan


def node_for(p, plan, function):
    """Return the first node with room, else the one with most idle memory to evict, or None."""
    for node in p.nodes:
        if plan.needs_no_eviction(function, node) and plan.can_start(function, node):
            return node
    nodes = [node for node in p.nodes if plan.can_start(function, node)]
    return max(nodes, key=plan.free_mb, default=None)


def prewarm(p, plan):
    """Start one instance of every function that nobody waits for, as long as memory is free."""
    for function in p.functions:
        nodes = [
            node
            for node in p.nodes
            if plan.can_start(function, node) and plan.needs_no_eviction(function, node)
        ]
        if nodes and not function.queue:
            plan.start(function, max(nodes, key=plan.free_mb))
