"""The engine of the domain faas, as a simulator of this system: an accepted one must agree.

A slot stands for the instance that was last started in it. The engine calls nobody but tells all
that happened in an instant; its own clock is stepped here so that a policy can be asked between.
"""

from heapq import heappop

from simulator.domains.faas.actions import Actions
from simulator.domains.faas.cluster import ARRIVAL, KIND_MASK, KIND_SHIFT, NUMBER_MASK, TIME_SHIFT
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.messages import (
    Act,
    Event,
    Evict,
    Function,
    Image,
    Node,
    Setup,
    Tenant,
)
from simulator.domains.faas.nodes import NEVER
from simulator.domains.faas.world import World

OF_AN_INSTANCE = {Event.READY: "ready", Event.EXPIRED: "expired", Event.EVICTED: "evicted"}
OF_AN_INVOCATION = {Event.TIMED_OUT: "timed_out", Event.REJECTED: "rejected"}


@register_simulator(key="reference")
def simulate(scenario, parameters, rng, log):
    """Log what the engine does with a scenario; yield where the policy has its turn."""
    engine = _Engine(_world(scenario), None)
    engine.evict_rule = Evict.LRU
    slots = []
    for now in engine.instants():
        if not engine.rows:
            continue
        _tell(engine, slots, log)
        actions = Actions(engine, now)
        for place, decision in enumerate((yield), start=1):
            if decision.kind == "reject":
                actions.carry_out((Act.REJECT, decision.invocation, 0, 0), place)
                _tell(engine, slots, log)
            else:
                slot = scenario.slots[decision.slot]
                act = (Act.START, slot.function, slot.node, decision.keep_alive)
                actions.carry_out(act, place)
                slots.append(decision.slot)
                _tell(engine, slots, log)
                log("started", now, slot=decision.slot, keep_alive=decision.keep_alive)


class _Engine(Simulation):
    def instants(self):
        """Yield the time of each instant once all that happens by itself has happened."""
        handlers = (
            self._end, self._package, self._pulled, self._ready, self._expiry, self._patience,
        )  # fmt: skip
        times = [*self.world.times, NEVER]
        while True:
            due = self.heap[0] >> TIME_SHIFT if self.heap else NEVER
            now = min(times[self.arrived], due)
            if now >= self.end_us:
                return
            before_arrivals = (now << TIME_SHIFT) | (ARRIVAL << KIND_SHIFT)
            while self.heap and self.heap[0] < before_arrivals:
                key = heappop(self.heap)
                handlers[key >> KIND_SHIFT & KIND_MASK](key & NUMBER_MASK, now)
            while times[self.arrived] == now:
                self._arrive(self.arrived, now)
                self.arrived += 1
            yield now


def _tell(engine, slots, log):
    """Log what the engine has to tell; ``slots`` has the slot of each instance."""
    rows, engine.rows = engine.rows, []
    for kind, time, first, second in rows:
        if kind in (Event.ARRIVED, Event.SERVED):
            log("arrived", time, invocation=first)
        if kind in (Event.SERVED, Event.BEGAN):
            log("began", time, invocation=first, slot=slots[second])
        elif kind in (Event.COMPLETED, Event.FAILED):
            word = "finished" if kind == Event.COMPLETED else "failed"
            log(word, time, invocation=first, slot=slots[engine.runs_in[first].number])
        elif kind in OF_AN_INSTANCE:
            log(OF_AN_INSTANCE[kind], time, slot=slots[first])
        elif kind in OF_AN_INVOCATION:
            log(OF_AN_INVOCATION[kind], time, invocation=first)


def _world(scenario):
    """Return the scenario as the engine's: no packages, every quota a number."""
    setup = Setup(
        calls="every_event",
        price_mb_us=1,
        packages=(),
        images=(Image("", ()),),
        nodes=tuple(Node(f"n{k}", row.memory, 0, 1) for k, row in enumerate(scenario.nodes)),
        tenants=tuple(Tenant(f"t{k}", 1, row.quota, 0) for k, row in enumerate(scenario.tenants)),
        functions=tuple(
            Function(f"f{k}", row.tenant, 0, row.memory, row.init, 1, row.timeout, row.patience)
            for k, row in enumerate(scenario.functions)
        ),
    )
    longest = max((row.patience for row in scenario.functions), default=0)
    return World(
        setup=setup,
        duration_us=scenario.values.horizon - longest,
        times=[row.arrival for row in scenario.invocations],
        functions=[row.function for row in scenario.invocations],
        services=[row.service for row in scenario.invocations],
    )
