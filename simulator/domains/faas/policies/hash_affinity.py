"""Hash affinity with bounded loads: a function's instances gather on its home node.

The home is given by a hash of the function's name, so that its packages and instances are found
there again. Where the home is loaded beyond a quarter above the mean, or full, the next node in a
ring is tried. Apache OpenWhisk's load balancer has homes by hash too, and steps on where one is
full, by a step that the hash gives.
Source: Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads",
arXiv:1608.01350.
"""

KEEP_ALIVE_SECONDS = 600
MOST_LOAD = 1.25  # of the mean over nodes


@register_platform_init(key="hash-affinity")
def init(p):
    p.evict("lru")
    for function in p.functions:
        p.keep_alive(function, KEEP_ALIVE_SECONDS)


@register_platform(key="hash-affinity")
def step(p, events):
    return serve(p)


def serve(p):
    plan = Plan(p)
    busy = {node: sum(each.in_use for each in node.instances) for node in p.nodes}
    for invocation in p.queue:
        function = invocation.function
        if not plan.below_quota(invocation.tenant):
            continue
        place = plan.place_for(invocation)
        if place is not None:
            plan.run(invocation, place)
            continue
        ring = ring_of(p, function)
        nodes = [node for node in ring if plan.can_start(function, node)]
        nodes = [each for each in nodes if plan.needs_no_eviction(function, each)] or nodes
        if nodes:
            most = MOST_LOAD * (sum(busy.values()) + 1) / len(p.nodes)
            node = next((node for node in nodes if busy[node] + 1 <= max(most, 1)), nodes[0])
            plan.start(function, node, invocation)
            busy[node] += 1
    return plan.actions


def ring_of(p, function):
    """Return all nodes, the home of a function first."""
    number = 0
    for letter in function.name:
        number = (number * 31 + ord(letter)) % 1_000_003
    home = number % len(p.nodes)
    return p.nodes[home:] + p.nodes[:home]
