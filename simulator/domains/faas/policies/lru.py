"""LRU: memory is a cache of instances, and the one that has been idle longest makes room.

Nothing is given up before its memory is needed, so this shows what eviction alone can do.
Source: Fuerst and Sharma, "FaasCache: keeping serverless computing alive with greedy-dual caching",
ASPLOS 2021, compare keep-alive with caching.
"""

import math


@register_platform_init(key="lru")
def init(p):
    p.evict("lru")
    for function in p.functions:
        p.keep_alive(function, math.inf)


@register_platform(key="lru")
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
