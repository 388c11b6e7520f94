"""Simulators put together from parts, one for each slot: what is tried where no model writes them.

More than a million assemblies; a few are right. Which is which, only the checks can tell. The first
part of each slot is what somebody in a hurry might write.
"""

from simulator.bootstrap.assembly import Assemblies

SLOTS = {
    # Who of those that wait is looked at first.
    "turn": {
        "number": "return waiting",
        "reverse": "return waiting[::-1]",
        "head": "return waiting[:1]",
    },
    # Which idle slot serves.
    "choice": {
        "lowest": "return min(idle)",
        "freed_first": "return min(idle, key=lambda each: freed[each])",
        "freed_last": "return max(idle, key=lambda each: freed[each])",
    },
    "quota": {
        "none": "return True",
        "below": "return running[tenant] < scenario.tenants[tenant].quota",
        "at_most": "return running[tenant] <= scenario.tenants[tenant].quota",
    },
    # How long a start takes.
    "start": {"init": "return init", "none": "return 0", "twice": "return 2 * init"},
    # When the keep-alive begins.
    "clock": {
        "freed": "return now + keep_alive[slot]",
        "started": "return max(now, started[slot] + keep_alive[slot])",
        "first_freed": "return max(now, first_freed[slot] + keep_alive[slot])",
    },
    # Whether use ends a keep-alive that runs.
    "cancel": {"none": "return True", "on_use": "return expires[slot] == now"},
    # Keep-alives that end at an instant: before or after arrivals of the same instant.
    "boundary": {"before": "ENDS, READY, EXPIRES, GIVES_UP, ARRIVES = range(5)",
                 "after": "ENDS, READY, GIVES_UP, ARRIVES, EXPIRES = range(5)"},
    # What is evicted first.
    "victim": {
        "lowest": "return min(idle)",
        "newest": "return max(idle, key=lambda each: (idle_since[each], instance[each]))",
        "oldest": "return min(idle, key=lambda each: (idle_since[each], instance[each]))",
        "largest": "return max(idle, key=lambda each: (memory_of(each), -instance[each]))",
    },
    "evicted": {
        "needed": "return bool(idle) and free[node] < needed",
        "all": "return bool(idle) and (free[node] < needed or evicting)",
    },
    "timeout": {
        "ignored": 'return row.service, "finished"',
        "finished": 'return min(row.service, timeout), "finished"',
        "failed": "whole = row.service <= timeout\n"
        'return min(row.service, timeout), "finished" if whole else "failed"',
    },
    "patience": {
        "none": "return None",
        "arrival": "return patience",
        "twice": "return 2 * patience",
    },
    # After which events waiting invocations are served.
    "serving": {
        "arrivals": "return kind == ARRIVES",
        "ends": "return kind in (ENDS, READY)",
        "all": "return True",
    },
    "ties": {"slot": "return slot", "instance": "return instance[slot]"},
    "end": {
        "drain": "return True",
        "inclusive": "return time <= scenario.values.horizon",
        "cut": "return time < scenario.values.horizon",
    },
}  # fmt: skip

TEMPLATE = """
import heapq

{boundary}


@register_simulator(key="assembly")
def simulate(scenario, parameters, rng, log):
    slots, functions, calls = scenario.slots, scenario.functions, scenario.invocations
    state = ["cold"] * len(slots)
    keep_alive, instance, idle_since, freed, started, first_freed = (
        [0] * len(slots) for _ in range(6)
    )
    expires = [None] * len(slots)
    free = [node.memory for node in scenario.nodes]
    running = [0] * len(scenario.tenants)
    waiting = []
    agenda = []
    counts = {"freed": 0, "instances": 0}
    now = 0

    def in_order():
        {turn}

    def chosen(idle):
        {choice}

    def below_quota(tenant):
        {quota}

    def start_time(init):
        {start}

    def expiry(slot):
        {clock}

    def is_over(slot):
        {cancel}

    def victim(idle):
        {victim}

    def must_evict(idle, node, needed, evicting):
        {evicted}

    def run_time(row, timeout):
        {timeout}

    def gives_up_after(patience):
        {patience}

    def serves_after(kind):
        {serving}

    def tie(slot):
        {ties}

    def goes_on(time):
        {end}

    def memory_of(slot):
        return functions[slots[slot].function].memory

    def serve(kind):
        while serves_after(kind):
            for number in in_order():
                row = calls[number]
                function = functions[row.function]
                idle = [
                    each
                    for each, slot in enumerate(slots)
                    if slot.function == row.function and state[each] == "idle"
                ]
                if idle and below_quota(function.tenant):
                    slot = chosen(idle)
                    waiting.remove(number)
                    state[slot] = "busy"
                    expires[slot] = None
                    running[function.tenant] += 1
                    log("began", now, invocation=number, slot=slot)
                    length, word = run_time(row, function.timeout)
                    heapq.heappush(agenda, (now + length, ENDS, number, slot, word))
                    break
            else:
                return

    def set_free(slot, kind):
        state[slot] = "idle"
        idle_since[slot] = now
        counts["freed"] += 1
        freed[slot] = counts["freed"]
        if kind == READY:
            first_freed[slot] = now
        serve(kind)
        if state[slot] == "idle":
            expires[slot] = expiry(slot)
            heapq.heappush(agenda, (expires[slot], EXPIRES, tie(slot), slot, ""))

    def remove(slot, word):
        log(word, now, slot=slot)
        state[slot] = "cold"
        expires[slot] = None
        free[slots[slot].node] += memory_of(slot)

    for number, row in enumerate(calls):
        heapq.heappush(agenda, (row.arrival, ARRIVES, number, 0, ""))
    while agenda and goes_on(agenda[0][0]):
        now = agenda[0][0]
        something = False
        while agenda and agenda[0][0] == now:
            _, kind, number, slot, word = heapq.heappop(agenda)
            if kind == EXPIRES:
                if state[slot] != "idle" or number != tie(slot) or not is_over(slot):
                    continue
                remove(slot, "expired")
            elif kind == GIVES_UP:
                if number not in waiting:
                    continue
                waiting.remove(number)
                log("timed_out", now, invocation=number)
            elif kind == ENDS:
                log(word, now, invocation=number, slot=slot)
                running[functions[calls[number].function].tenant] -= 1
                set_free(slot, kind)
            elif kind == READY:
                log("ready", now, slot=slot)
                set_free(slot, kind)
            else:
                log("arrived", now, invocation=number)
                waiting.append(number)
                patience = gives_up_after(functions[calls[number].function].patience)
                if patience is not None:
                    heapq.heappush(agenda, (now + patience, GIVES_UP, number, 0, ""))
                serve(kind)
            something = True
        if not something:
            continue
        for decision in (yield):
            if decision.kind == "reject":
                waiting.remove(decision.invocation)
                log("rejected", now, invocation=decision.invocation)
                continue
            slot = decision.slot
            node, needed, evicting = slots[slot].node, memory_of(slot), False
            while True:
                idle = [
                    each
                    for each, row in enumerate(slots)
                    if row.node == node and state[each] == "idle"
                ]
                if not must_evict(idle, node, needed, evicting):
                    break
                remove(victim(idle), "evicted")
                evicting = True
            free[node] -= needed
            state[slot] = "starting"
            keep_alive[slot] = decision.keep_alive
            started[slot] = now
            instance[slot] = counts["instances"]
            counts["instances"] += 1
            log("started", now, slot=slot, keep_alive=decision.keep_alive)
            ready = now + start_time(functions[slots[slot].function].init)
            heapq.heappush(agenda, (ready, READY, tie(slot), slot, ""))
"""

space = Assemblies(SLOTS, TEMPLATE)
