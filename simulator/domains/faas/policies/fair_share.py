"""Fair share: where memory is short, the tenant that holds least of it by weight is served next.

Max-min fairness over tenants, on their one resource: what waits is taken from the tenant with the
smallest working memory per weight, first come first served within a tenant. Idle instances of the
tenant with most make room. While something waits, no rule serves warm hits: a freed instance would
go to whoever queued for its function, however much that tenant has. Keep-alive is break-even.
Source: Ghodsi et al., "Dominant resource fairness", NSDI 2011, with one resource.
"""

MB_PER_GB = 1024
SOON_SECONDS = 0.000001


@register_platform_init(key="fair-share")
def init(p):
    p.order = "most_recent"
    for function in p.functions:
        gb = function.memory_mb / MB_PER_GB
        p.keep_alive(function, function.init_seconds * (p.gb_seconds_per_delay_second / gb + 1))


@register_platform(key="fair-share")
def step(p, events):
    plan = serve(p)
    bound = {each.invocation for each in plan.actions if isinstance(each, Run | Start)}
    if any(invocation not in bound for invocation in p.queue):
        set_rules(p, None)
    elif p.order is None:
        p.wake_in(SOON_SECONDS)  # rules come before actions, so they wait for a call without any
    if not p.queue:
        set_rules(p, "most_recent")
    return plan.actions


def set_rules(p, order):
    if order != p.order:
        p.order = order
        for function in p.functions:
            p.serve_warm(function, order)


def serve(p):
    plan = Plan(p)
    idle = {node: node.idle for node in p.nodes}
    holds = {tenant: working_mb(tenant) for tenant in p.tenants}
    queues = {tenant: [] for tenant in p.tenants}
    for invocation in p.queue:
        queues[invocation.tenant].append(invocation)
    while any(queues.values()):
        tenants = [tenant for tenant in p.tenants if queues[tenant]]
        tenant = min(tenants, key=lambda tenant: holds[tenant] / tenant.weight)
        invocation = queues[tenant].pop(0)
        function = invocation.function
        if not plan.below_quota(tenant):
            continue
        place = ready_place(plan, function, idle) or plan.place_for(invocation)
        if place is not None:
            plan.run(invocation, place)
            if place in idle.get(place.node, []):
                idle[place.node].remove(place)
                holds[tenant] += function.memory_mb
            continue
        node = make_room(p, plan, function, idle)
        if node is not None:
            plan.start(function, node, invocation)
            holds[tenant] += function.memory_mb
    return plan


def ready_place(plan, function, idle):
    """Return a ready instance with room that is not to be stopped, the youngest, or None."""
    for each in reversed(function.instances):
        if (each.state == "busy" or each in idle[each.node]) and plan.room(each) > 0:
            return each
    return None


def working_mb(tenant):
    """Return the memory of a tenant's instances that are not idle."""
    return sum(
        each.function.memory_mb
        for function in tenant.functions
        for each in function.instances
        if each.state != "idle"
    )


def make_room(p, plan, function, idle):
    """Return a node with room for a function, after stopping idle instances if it must be."""
    own = [
        each for node in p.nodes for each in idle[node] if each.function.tenant is function.tenant
    ]
    while own and not plan.below_quota_mb(function):
        stop(plan, own.pop(0), idle)
    if not plan.below_quota_mb(function):
        return None
    nodes = [node for node in p.nodes if plan.can_start(function, node)]
    if nodes:
        return max(nodes, key=plan.free_mb)
    for node in p.nodes:
        gain = plan.free_mb(node) + sum(each.function.memory_mb for each in idle[node])
        if idle[node] and gain >= function.memory_mb:
            by_share = sorted(idle[node], key=lambda each: share_of(each.function.tenant))
            while by_share and not plan.can_start(function, node):
                stop(plan, by_share.pop(), idle)
            if plan.can_start(function, node):
                return node
    return None


def stop(plan, instance, idle):
    idle[instance.node].remove(instance)
    plan.stop(instance)


def share_of(tenant):
    return tenant.memory_mb / tenant.weight
