"""Invocations and instances are processes: generators that say until when they sleep."""

import bisect
import itertools


class Sleep:
    """What a process waits for: a time, and its turn among what happens then."""

    def __init__(self, time, step, number):
        self.time = time
        self.turn = (time, step, number)
        self.cancelled = False


class World:
    def __init__(self, scenario, log):
        self.scenario = scenario
        self.log = log
        self.now = 0
        self.agenda = []
        self.count = itertools.count()
        self.active = False
        self.queue = []
        self.instances = []
        self.free_memory = {number: node.memory for number, node in enumerate(scenario.nodes)}
        self.busy = dict.fromkeys(range(len(scenario.tenants)), 0)

    def run(self, process):
        sleep = next(process, None)
        if sleep is not None:
            self.wait(sleep, process)

    def wait(self, sleep, process):
        bisect.insort(self.agenda, (sleep.turn, next(self.count), sleep, process))

    def say(self, kind, **fields):
        self.active = True
        self.log(kind, self.now, **fields)

    def serve(self):
        """Match those who wait with instances that are idle until nothing matches."""
        while True:
            for caller in self.queue:
                tenant = caller.function.tenant
                if self.busy[tenant] >= self.scenario.tenants[tenant].quota:
                    continue
                offers = [each for each in self.instances if each.idle and each.kind == caller.kind]
                if offers:
                    self.queue.remove(caller)
                    max(offers, key=lambda each: each.stamp).take(caller)
                    break
            else:
                return


class Caller:
    """One invocation."""

    def __init__(self, world, number):
        self.world = world
        self.number = number
        self.row = world.scenario.invocations[number]
        self.kind = self.row.function
        self.function = world.scenario.functions[self.kind]

    def live(self):
        world = self.world
        yield Sleep(self.row.arrival, 4, self.number)
        world.queue.append(self)
        world.say("arrived", invocation=self.number)
        world.serve()
        if self in world.queue:
            yield Sleep(world.now + self.function.patience, 3, self.number)
            if self in world.queue:
                world.queue.remove(self)
                world.say("timed_out", invocation=self.number)


class Instance:
    """One instance in its slot."""

    def __init__(self, world, number, slot, keep_alive):
        self.world = world
        self.number = number
        self.slot = slot
        self.kind = world.scenario.slots[slot].function
        self.node = world.scenario.slots[slot].node
        self.function = world.scenario.functions[self.kind]
        self.keep_alive = keep_alive
        self.idle = False
        self.since = None
        self.stamp = None
        self.nap = None

    def live(self):
        yield Sleep(self.world.now + self.function.init, 1, self.number)
        self.world.say("ready", slot=self.slot)
        self.release()

    def release(self):
        world = self.world
        self.idle, self.since, self.stamp = True, world.now, next(world.count)
        world.serve()
        if self.idle:
            self.nap = Sleep(world.now + self.keep_alive, 2, self.number)
            world.wait(self.nap, self.rest(self.nap))

    def rest(self, nap):
        if not nap.cancelled:
            self.leave("expired")
        return
        yield

    def take(self, caller):
        self.idle = False
        if self.nap is not None:
            self.nap.cancelled = True
        self.world.busy[caller.function.tenant] += 1
        self.world.say("began", invocation=caller.number, slot=self.slot)
        self.world.run(self.work(caller))

    def work(self, caller):
        world = self.world
        length = min(caller.row.service, caller.function.timeout)
        yield Sleep(world.now + length, 0, caller.number)
        word = "finished" if length == caller.row.service else "failed"
        world.say(word, invocation=caller.number, slot=self.slot)
        world.busy[caller.function.tenant] -= 1
        self.release()

    def leave(self, word):
        if self.nap is not None:
            self.nap.cancelled = True
        self.world.instances.remove(self)
        self.world.free_memory[self.node] += self.function.memory
        self.world.say(word, slot=self.slot)


def start(world, numbers, slot, keep_alive):
    instance = Instance(world, next(numbers), slot, keep_alive)
    memory = instance.function.memory
    while world.free_memory[instance.node] < memory:
        idle = [each for each in world.instances if each.idle and each.node == instance.node]
        min(idle, key=lambda each: (each.since, each.number)).leave("evicted")
    world.free_memory[instance.node] -= memory
    world.instances.append(instance)
    world.say("started", slot=slot, keep_alive=keep_alive)
    world.run(instance.live())


@register_simulator(key="processes")
def simulate(scenario, parameters, rng, log):
    world = World(scenario, log)
    numbers = itertools.count()
    for number in range(len(scenario.invocations)):
        world.run(Caller(world, number).live())
    while world.agenda and world.agenda[0][2].time < scenario.values.horizon:
        world.now = world.agenda[0][2].time
        world.active = False
        while world.agenda and world.agenda[0][2].time == world.now:
            _, _, _sleep, process = world.agenda.pop(0)
            world.run(process)
        if not world.active:
            continue
        for decision in (yield):
            if decision.kind == "reject":
                world.queue = [each for each in world.queue if each.number != decision.invocation]
                world.say("rejected", invocation=decision.invocation)
            else:
                start(world, numbers, decision.slot, decision.keep_alive)
