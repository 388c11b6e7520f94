"""No agenda at all: at each instant everything is looked through for what is due."""

import math


@register_simulator(key="scan")
def simulate(scenario, parameters, rng, log):
    horizon = scenario.values.horizon
    functions, slots, calls = scenario.functions, scenario.slots, scenario.invocations
    starting = {}  # slot: when it is ready
    kept = {}  # slot: (number of its instance, keep-alive), while it is not cold
    idle = {}  # slot: (when it became idle, when it expires); the one freed last comes last
    ends = {}  # invocation: (when it ends, slot)
    waits = []
    arrived = 0
    started = 0

    def room(node):
        used = sum(
            functions[slots[each].function].memory for each in kept if slots[each].node == node
        )
        return scenario.nodes[node].memory - used

    def tenant_of(call):
        return functions[calls[call].function].tenant

    def serve(now):
        """Begin what can be served, the lowest number first."""
        place = 0
        while place < len(waits):
            call = waits[place]
            tenant = tenant_of(call)
            running = sum(tenant_of(each) == tenant for each in ends)
            fitting = [each for each in idle if slots[each].function == calls[call].function]
            if running < scenario.tenants[tenant].quota and fitting:
                slot = fitting[-1]
                del idle[slot]
                del waits[place]
                limit = functions[calls[call].function].timeout
                ends[call] = (now + min(limit, calls[call].service), slot)
                log("began", now, invocation=call, slot=slot)
                place = 0
            else:
                place += 1

    def freed(slot, now):
        idle[slot] = (now, now + kept[slot][1])
        serve(now)

    while True:
        times = list(starting.values())
        times += [end for end, _ in ends.values()]
        times += [expiry for _, expiry in idle.values()]
        times += [calls[each].arrival + functions[calls[each].function].patience for each in waits]
        if arrived < len(calls):
            times.append(calls[arrived].arrival)
        now = min(times, default=math.inf)
        if now >= horizon:
            return
        for call in sorted(call for call, (end, _) in ends.items() if end == now):
            slot = ends.pop(call)[1]
            whole = calls[call].service <= functions[calls[call].function].timeout
            log("finished" if whole else "failed", now, invocation=call, slot=slot)
            freed(slot, now)
        for slot in sorted((s for s in starting if starting[s] == now), key=lambda s: kept[s][0]):
            del starting[slot]
            log("ready", now, slot=slot)
            freed(slot, now)
        for slot in sorted((s for s in idle if idle[s][1] == now), key=lambda s: kept[s][0]):
            del idle[slot], kept[slot]
            log("expired", now, slot=slot)
        for call in list(waits):
            if calls[call].arrival + functions[calls[call].function].patience == now:
                waits.remove(call)
                log("timed_out", now, invocation=call)
        while arrived < len(calls) and calls[arrived].arrival == now:
            log("arrived", now, invocation=arrived)
            waits.append(arrived)
            arrived += 1
            serve(now)
        for decision in (yield):
            if decision.kind == "reject":
                waits.remove(decision.invocation)
                log("rejected", now, invocation=decision.invocation)
                continue
            slot = decision.slot
            function, node = slots[slot].function, slots[slot].node
            while room(node) < functions[function].memory:
                here = [each for each in idle if slots[each].node == node]
                oldest = min(here, key=lambda each: (idle[each][0], kept[each][0]))
                del idle[oldest], kept[oldest]
                log("evicted", now, slot=oldest)
            log("started", now, slot=slot, keep_alive=decision.keep_alive)
            starting[slot] = now + functions[function].init
            kept[slot] = (started, decision.keep_alive)
            started += 1
