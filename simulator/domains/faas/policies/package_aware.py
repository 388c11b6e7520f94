"""Package aware: starts go to the node that has most of the function's packages in its cache.

A start first pulls what its node lacks. Among nodes that lack equally much the one with the most
free memory is taken. Keep-alive is break-even, with a pull on an empty cache as part of the start.
"""

MB_PER_GB = 1024


@register_platform_init(key="package-aware")
def init(p):
    p.evict("lru")
    slowest = min(node.pull_mb_per_second for node in p.nodes)
    for function in p.functions:
        gb = function.memory_mb / MB_PER_GB
        start_seconds = function.init_seconds + function.image.size_mb / slowest
        p.keep_alive(function, start_seconds * (p.gb_seconds_per_delay_second / gb + 1))


@register_platform(key="package-aware")
def step(p, events):
    return serve(p)


def serve(p):
    plan = Plan(p)
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
            node = min(nodes, key=lambda node: (node.missing_mb(function), -plan.free_mb(node)))
            plan.start(function, node, invocation)
    return plan.actions
