"""Greedy dual: memory is a cache; what is used often, starts slowly and is small stays.

The priority of an instance is clock + uses of its function x seconds of its start / its memory. The
clock is the priority of what was evicted last, so that what has not been used for long falls
behind. Nothing is given up before its memory is needed. Uses are counted from the beginning; caches
of this kind count anew after an eviction.
Source: Fuerst and Sharma, "FaasCache: keeping serverless computing alive with greedy-dual caching",
ASPLOS 2021; Cherkasova, "Improving WWW proxies performance with greedy-dual-size-frequency caching
policy", HP Labs, 1998.
"""

import math


@register_platform_init(key="greedy-dual")
def init(p):
    p.clock = 0.0
    p.uses = dict.fromkeys(p.functions, 0)
    p.priority = {}  # instance -> its priority
    for function in p.functions:
        p.keep_alive(function, math.inf)


@register_platform(key="greedy-dual")
def step(p, events):
    for event in events:
        if isinstance(event, Arrived):
            p.uses[event.invocation.function] += 1
        if isinstance(event, Completed | Ready):
            p.priority[event.instance] = priority(p, event.instance.function)
    return serve(p)


def priority(p, function):
    return p.clock + p.uses[function] * function.init_seconds / function.memory_mb


def serve(p):
    plan = Plan(p)
    idle = {node: node.idle for node in p.nodes}
    for invocation in p.queue:
        function = invocation.function
        if not plan.below_quota(invocation.tenant):
            continue
        place = plan.place_for(invocation)
        if place is not None:
            plan.run(invocation, place)
            continue
        node = make_room(p, plan, function, idle)
        if node is not None:
            plan.start(function, node, invocation)
    return plan.actions


def make_room(p, plan, function, idle):
    """Return the node where a start costs least priority, after stopping what must go there."""
    best = None
    if not plan.below_quota_mb(function):
        stop_one_of(p, plan, function.tenant, idle)
    if not plan.below_quota_mb(function):
        return None
    for node in p.nodes:
        if plan.can_start(function, node):
            return node
    for node in p.nodes:
        victims = victims_on(p, plan, function, idle[node], node)
        if victims is not None:
            worth = sum(p.priority[each] for each in victims)
            if best is None or worth < best[0]:
                best = (worth, node, victims)
    if best is None:
        return None
    worth, node, victims = best
    for each in victims:
        give_up(p, plan, each, idle)
    for each in by_priority(p, idle[node]):
        if plan.can_start(function, node):
            break
        give_up(p, plan, each, idle)  # its packages are in the way
    return node if plan.can_start(function, node) else None


def victims_on(p, plan, function, idle, node):
    """Return the idle instances of least priority whose memory a start needs, None if too few."""
    victims = []
    free = plan.free_mb(node)
    for each in by_priority(p, idle):
        if free >= function.memory_mb:
            break
        victims.append(each)
        free += each.function.memory_mb
    return victims if free >= function.memory_mb else None


def stop_one_of(p, plan, tenant, idle):
    """Stop the idle instance of least priority of a tenant, if it has any."""
    own = [each for node in p.nodes for each in idle[node] if each.function.tenant is tenant]
    if own:
        give_up(p, plan, by_priority(p, own)[0], idle)


def by_priority(p, instances):
    """Return instances, those of least priority first."""
    return sorted(instances, key=lambda each: (p.priority[each], each.number))


def give_up(p, plan, instance, idle):
    p.clock = max(p.clock, p.priority.pop(instance))
    idle[instance.node].remove(instance)
    plan.stop(instance)
