"""A heap of what is to come, and one function for each thing that happens."""

import heapq

ENDS, READY, EXPIRES, GIVES_UP, ARRIVES = range(5)
COLD, STARTING, IDLE, BUSY = range(4)


class Platform:
    def __init__(self, scenario, log):
        self.scenario = scenario
        self.log = log
        self.functions = scenario.functions
        self.slots = scenario.slots
        self.invocations = scenario.invocations
        self.state = [COLD] * len(self.slots)
        self.keep_alive = [0] * len(self.slots)
        self.instance = [0] * len(self.slots)
        self.instances = 0
        self.idle_since = [0] * len(self.slots)
        self.freed = [0] * len(self.slots)
        self.expires = [None] * len(self.slots)
        self.free = [node.memory for node in scenario.nodes]
        self.running = [0] * len(scenario.tenants)
        self.waiting = []
        self.frees = 0
        self.heap = []
        for number, invocation in enumerate(self.invocations):
            self.push(invocation.arrival, ARRIVES, number)

    def push(self, time, kind, number):
        heapq.heappush(self.heap, (time, kind, number))

    def memory(self, slot):
        return self.functions[self.slots[slot].function].memory

    def tenant(self, number):
        return self.functions[self.invocations[number].function].tenant

    def happen(self, time, kind, number):
        """Let one thing happen; return whether anything did."""
        if kind == ENDS:
            self.end(time, number)
        elif kind == READY:
            slot = number[1]
            self.log("ready", time, slot=slot)
            self.set_free(time, slot)
        elif kind == EXPIRES:
            instance, slot = number
            if instance != self.instance[slot] or self.expires[slot] != time:
                return False
            self.log("expired", time, slot=slot)
            self.remove(slot)
        elif kind == GIVES_UP:
            if number not in self.waiting:
                return False
            self.log("timed_out", time, invocation=number)
            self.waiting.remove(number)
        else:
            self.log("arrived", time, invocation=number)
            self.waiting.append(number)
            patience = self.functions[self.invocations[number].function].patience
            self.push(time + patience, GIVES_UP, number)
            self.serve(time)
        return True

    def end(self, time, slot_and_number):
        number, slot = slot_and_number
        invocation = self.invocations[number]
        timeout = self.functions[invocation.function].timeout
        kind = "failed" if invocation.service > timeout else "finished"
        self.log(kind, time, invocation=number, slot=slot)
        self.running[self.tenant(number)] -= 1
        self.set_free(time, slot)

    def set_free(self, time, slot):
        self.state[slot] = IDLE
        self.idle_since[slot] = time
        self.frees += 1
        self.freed[slot] = self.frees
        self.expires[slot] = None
        self.serve(time)
        if self.state[slot] == IDLE:
            self.expires[slot] = time + self.keep_alive[slot]
            self.push(self.expires[slot], EXPIRES, (self.instance[slot], slot))

    def remove(self, slot):
        self.state[slot] = COLD
        self.expires[slot] = None
        self.free[self.slots[slot].node] += self.memory(slot)

    def slot_for(self, number):
        """Return the idle slot that serves an invocation, None if it cannot be served."""
        tenant = self.tenant(number)
        if self.running[tenant] >= self.scenario.tenants[tenant].quota:
            return None
        function = self.invocations[number].function
        best = None
        for slot, row in enumerate(self.slots):
            free = row.function == function and self.state[slot] == IDLE
            if free and (best is None or self.freed[slot] > self.freed[best]):
                best = slot
        return best

    def serve(self, time):
        again = True
        while again:
            again = False
            for number in self.waiting:
                slot = self.slot_for(number)
                if slot is not None:
                    self.begin(time, number, slot)
                    again = True
                    break

    def begin(self, time, number, slot):
        self.waiting.remove(number)
        self.state[slot] = BUSY
        self.expires[slot] = None
        self.running[self.tenant(number)] += 1
        self.log("began", time, invocation=number, slot=slot)
        invocation = self.invocations[number]
        timeout = self.functions[invocation.function].timeout
        self.push(time + min(invocation.service, timeout), ENDS, (number, slot))

    def start(self, time, slot, keep_alive):
        node = self.slots[slot].node
        needed = self.memory(slot)
        while self.free[node] < needed:
            idle = [
                (self.idle_since[each], self.instance[each], each)
                for each, row in enumerate(self.slots)
                if row.node == node and self.state[each] == IDLE
            ]
            victim = min(idle)[2]
            self.log("evicted", time, slot=victim)
            self.remove(victim)
        self.log("started", time, slot=slot, keep_alive=keep_alive)
        self.free[node] -= needed
        self.state[slot] = STARTING
        self.keep_alive[slot] = keep_alive
        self.instance[slot] = self.instances
        self.instances += 1
        init = self.functions[self.slots[slot].function].init
        self.push(time + init, READY, (self.instance[slot], slot))


@register_simulator(key="good")
def simulate(scenario, parameters, rng, log):
    platform = Platform(scenario, log)
    while platform.heap and platform.heap[0][0] < scenario.values.horizon:
        now = platform.heap[0][0]
        something = False
        while platform.heap and platform.heap[0][0] == now:
            time, kind, number = heapq.heappop(platform.heap)
            if platform.happen(time, kind, number):
                something = True
        if something:
            for decision in (yield):
                if decision.kind == "start":
                    platform.start(now, decision.slot, decision.keep_alive)
                else:
                    platform.log("rejected", now, invocation=decision.invocation)
                    platform.waiting.remove(decision.invocation)
