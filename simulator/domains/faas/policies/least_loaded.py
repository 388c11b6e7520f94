"""Least loaded: break-even keep-alive, and starts go to the node on which least memory works.

Idle memory counts as free, so that work spreads evenly over the nodes even where idle instances do
not.
"""

MB_PER_GB = 1024


@register_platform_init(key="least-loaded")
def init(p):
    p.evict("lru")
    for function in p.functions:
        gb = function.memory_mb / MB_PER_GB
        p.keep_alive(function, function.init_seconds * (p.gb_seconds_per_delay_second / gb + 1))


@register_platform(key="least-loaded")
def step(p, events):
    return serve(p)


def serve(p):
    plan = Plan(p)
    share = {node: working_mb(node) / node.memory_mb for node in p.nodes}
    for invocation in p.queue:
        function = invocation.function
        if not plan.below_quota(invocation.tenant):
            continue
        place = plan.place_for(invocation)
        if place is not None:
            plan.run(invocation, place)
            continue
        nodes = [node for node in p.nodes if plan.can_start(function, node)]
        nodes = [each for each in nodes if plan.needs_no_eviction(function, each)] or nodes
        if nodes:
            node = min(nodes, key=share.get)
            plan.start(function, node, invocation)
            share[node] += function.memory_mb / node.memory_mb
    return plan.actions


def working_mb(node):
    """Return the memory of a node's instances that are not idle."""
    return sum(each.function.memory_mb for each in node.instances if each.state != "idle")
