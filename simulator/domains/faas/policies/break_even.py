"""Break even: an instance stays idle until its idling has cost as much as a cold start.

Nobody knows when the next invocation comes. Who gives up exactly when idling has cost as much as
starting anew pays at most twice of what the best decision in hindsight costs, the ski-rental
argument. A cold start costs the seconds of its initialisation, as delay and as memory; idling costs
memory alone, at the price ``p.gb_seconds_per_delay_second``.
Source: Karlin, Manasse, Rudolph and Sleator, "Competitive snoopy caching", Algorithmica 3, 1988.
"""

MB_PER_GB = 1024


@register_platform_init(key="break-even")
def init(p):
    p.evict("lru")
    for function in p.functions:
        p.keep_alive(function, break_even_seconds(p, function))


@register_platform(key="break-even")
def step(p, events):
    return serve(p)


def break_even_seconds(p, function):
    """Return for how long idling is cheaper than a cold start."""
    gb = function.memory_mb / MB_PER_GB
    return function.init_seconds * (p.gb_seconds_per_delay_second / gb + 1)


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
