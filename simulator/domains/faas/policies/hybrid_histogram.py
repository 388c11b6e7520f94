"""Hybrid histogram: each function's own idle times say when to unload it and when to come back.

For every function, the times from the end of its work to its next invocation are counted in
buckets of one minute, up to four hours. Where the counts say enough, an instance is given up after
its work if the next invocation is far, started again a little before the head of the distribution,
and kept to a little after its tail. Where they do not, a fixed keep-alive holds.
Source: Shahrad et al., "Serverless in the Wild", USENIX ATC 2020. Buckets, shares and margin are
those of the simulator of FaasCache, which has this policy too; the other constants are ours.
"""

BUCKETS = 4 * 60
MINUTE = 60
HEAD, TAIL = 0.05, 0.99  # shares of the idle times
MARGIN = 0.1
ENOUGH = 10  # idle times, before a histogram is trusted
MOST_OUT_OF_RANGE = 0.5  # share of idle times longer than all buckets
FALLBACK_SECONDS = 600


@register_platform_init(key="hybrid-histogram")
def init(p):
    p.evict("lru")
    p.counts = {function: [0] * BUCKETS for function in p.functions}
    p.longer = dict.fromkeys(p.functions, 0)
    p.rested = {}  # function -> when its last work ended
    p.due = []  # (when to start ahead, function, keep-alive)
    for function in p.functions:
        p.keep_alive(function, FALLBACK_SECONDS)
    p.wake_in(MINUTE)


@register_platform(key="hybrid-histogram")
def step(p, events):
    plan = Plan(p)
    for event in events:
        if isinstance(event, Arrived):
            learn(p, event)
        if isinstance(event, Completed):
            plan_ahead(p, event)
            unload(p, plan, event.instance)
    if p.now() % MINUTE == 0:
        p.wake_in(MINUTE)
    return plan.actions + serve(p) + prewarm(p)


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


def learn(p, event):
    """Count the idle time that an invocation ended, and set the keep-alive that follows."""
    function = event.invocation.function
    rested = p.rested.pop(function, None)
    if rested is None or event.time < rested:
        return
    bucket = int((event.time - rested) / MINUTE)
    if bucket < BUCKETS:
        p.counts[function][bucket] += 1
    else:
        p.longer[function] += 1
    window = window_of(p, function)
    if window is None:
        p.keep_alive(function, FALLBACK_SECONDS)
    else:
        head, tail = window
        p.keep_alive(function, 0 if head > 0 else tail)


def plan_ahead(p, event):
    """Note when a function rests, and when an instance should be started ahead of its return."""
    function = event.invocation.function
    p.rested[function] = event.time
    window = window_of(p, function)
    if window is not None and window[0] > 0:
        head, tail = window
        at = event.time + head - function.init_seconds
        p.due = [each for each in p.due if each[1] is not function]
        p.due.append((at, function, tail - head))
        p.wake_at(max(at, 0))


def unload(p, plan, instance):
    """Stop an instance that was started ahead and has done its work, if the next use is far."""
    window = window_of(p, instance.function)
    is_far = window is not None and window[0] > 0
    stopped = [each.instance for each in plan.actions]
    if is_far and instance.state == "idle" and not p.queue and instance not in stopped:
        plan.stop(instance)


def window_of(p, function):
    """Return the head and the tail of a function's idle times in seconds, None if unknown."""
    counts, longer = p.counts[function], p.longer[function]
    inside = sum(counts)
    if inside + longer < ENOUGH or longer > MOST_OUT_OF_RANGE * (inside + longer):
        return None
    head = bucket_at(counts, HEAD * inside) * MINUTE * (1 - MARGIN)
    tail = (bucket_at(counts, TAIL * inside) + 1) * MINUTE * (1 + MARGIN)
    return head, tail


def bucket_at(counts, wanted):
    """Return the first bucket by which at least ``wanted`` idle times are counted."""
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= wanted and seen > 0:
            return bucket
    return len(counts) - 1


def prewarm(p):
    """Start an instance of each function whose return is due and that has none."""
    plan = Plan(p)
    now = p.now()
    for at, function, seconds in p.due:
        if at <= now and not function.instances and not p.queue:
            nodes = [
                node
                for node in p.nodes
                if plan.can_start(function, node) and plan.needs_no_eviction(function, node)
            ]
            if nodes:
                plan.start(function, nodes[0], None, seconds)
    p.due = [each for each in p.due if each[0] > now]
    return plan.actions
