"""The platform as it is: nodes, instances and invocations, and the steps between their states.

Events and the policy's actions change it only by the methods here, so that an instance that becomes
idle, a slot that comes free or an invocation that leaves has the same consequences wherever it
comes from.
"""

from collections import OrderedDict
from heapq import heappush

from simulator.domains.faas.messages import (
    AS_RULED,
    FOREVER,
    NO_LIMIT,
    Event,
    EventRow,
    Evict,
    Serve,
)
from simulator.domains.faas.nodes import GONE, NEVER, ON, Instance, NodeState
from simulator.domains.faas.recorder import Recorder
from simulator.domains.faas.world import US, World

MOST_RECENT = int(Serve.MOST_RECENT)
DEFAULT_KEEP_ALIVE_US = 600 * US
ENDS, PACKAGE, PULLED, READY, EXPIRY, PATIENCE, ARRIVAL = range(7)
"""Kinds of events to come, in their order within an instant."""
TIME_SHIFT, KIND_SHIFT = 43, 40
"""An event to come is one number: its time, its kind in three bits, a number in 40 bits."""
KIND_MASK, NUMBER_MASK = 7, (1 << KIND_SHIFT) - 1

UNSEEN, WAITING, BOUND, RUNNING, DONE, FAILED, TIMED_OUT, REJECTED = range(8)
"""States of an invocation; the last four are its fates."""


class Cluster:
    """Everything that changes while a scenario runs, but for the policy."""

    def __init__(self, world: World) -> None:
        setup = world.setup
        self.world = world
        self.setup = setup
        self.end_us = world.end_us
        self.recorder = Recorder(world.end_us)
        self.evicted = self.expired = self.stopped = 0
        count = len(world.times)
        self.status = bytearray(count)
        self.began = [NEVER] * count
        self.runs_in: list[Instance | None] = [None] * count
        """The instance in which an invocation runs, ran, or is bound to."""
        timeouts = [each.timeout_us for each in setup.functions]
        self.run_us = [
            min(service, timeouts[function])
            for service, function in zip(world.services, world.functions, strict=True)
        ]
        """How long each invocation runs; hidden from the policy until it has ended."""
        self.nodes = [NodeState(node, setup.packages) for node in setup.nodes]
        self.instances: list[Instance] = []
        self.needs = [setup.images[each.image].packages for each in setup.functions]
        """The packages of each function."""
        functions, tenants = range(len(setup.functions)), range(len(setup.tenants))
        self.free: list[OrderedDict[int, Instance]] = [OrderedDict() for _ in functions]
        """By function: instances that are on and have room, the most recent last."""
        self.waiting: list[OrderedDict[int, None]] = [OrderedDict() for _ in functions]
        """By function: invocations that wait and are not bound, in order of arrival."""
        self.num_waiting = 0
        self.queued: list[set[int]] = [set() for _ in tenants]
        """By tenant: the functions that have invocations waiting."""
        self.tenant_in_use = [0 for _ in tenants]
        """By tenant: invocations that run or are bound."""
        self.tenant_mb = [0 for _ in tenants]
        self.serve_rule = [int(Serve.MOST_RECENT) for _ in functions]
        self.keep_rule = [DEFAULT_KEEP_ALIVE_US for _ in functions]
        self.evict_rule = int(Evict.NONE)
        self.heap: list[int] = []
        self.arrived = 0
        self.rows: list[EventRow] = []
        self.ask_if_waiting = False

    def add(self, time: int, kind: int, number: int) -> None:
        heappush(self.heap, (time << TIME_SHIFT) | (kind << KIND_SHIFT) | number)

    def below_quota(self, tenant: int) -> bool:
        quota = self.setup.tenants[tenant].quota_concurrency
        return quota == NO_LIMIT or self.tenant_in_use[tenant] < quota

    def pick(self, function: int) -> Instance:
        """Return the free instance that the function's rule serves from."""
        free = self.free[function]
        if self.serve_rule[function] == MOST_RECENT:
            return free[next(reversed(free))]
        return free[next(iter(free))]

    def begin(self, number: int, instance: Instance, now: int) -> None:
        if instance.in_use == 0:
            self.recorder.idle_to_busy(instance.memory_mb, now - instance.since)
            instance.since = now
        instance.in_use += 1
        instance.uses += 1
        facts = self.setup.functions[instance.function]
        self.tenant_in_use[facts.tenant] += 1
        if instance.in_use == facts.concurrency:
            del self.free[instance.function][instance.number]
        self.status[number] = RUNNING
        self.began[number] = now
        self.runs_in[number] = instance
        heappush(self.heap, ((now + self.run_us[number]) << TIME_SHIFT) | number)

    def serve(self, tenant: int, function: int, now: int) -> None:
        """Apply the rules of serving to what waits, in order of arrival.

        Without a quota only ``function`` can have become servable, otherwise all of the tenant.
        """
        if self.setup.tenants[tenant].quota_concurrency == NO_LIMIT:
            waiting, free = self.waiting[function], self.free[function]
            while waiting and free and self.serve_rule[function]:
                self.take(next(iter(waiting)), function, now)
            return
        while self.below_quota(tenant):
            first = min(
                (
                    (next(iter(self.waiting[each])), each)
                    for each in self.queued[tenant]
                    if self.free[each] and self.serve_rule[each]
                ),
                default=None,
            )
            if first is None:
                return
            self.take(*first, now)

    def take(self, number: int, function: int, now: int) -> None:
        """Begin a waiting invocation on the instance that the rule picks."""
        instance = self.pick(function)
        self.unqueue(number, function)
        self.rows.append((Event.BEGAN, now, number, instance.number))
        self.begin(number, instance, now)

    def unqueue(self, number: int, function: int) -> None:
        waiting = self.waiting[function]
        del waiting[number]
        self.num_waiting -= 1
        if not waiting:
            self.queued[self.setup.functions[function].tenant].discard(function)

    def leave(self, number: int, now: int, fate: int, kind: Event) -> None:
        """End an invocation that has not begun."""
        function = self.world.functions[number]
        was_bound = self.status[number] == BOUND
        self.status[number] = fate
        self.rows.append((kind, now, number, 0))
        if not was_bound:
            self.unqueue(number, function)
            return
        instance = self.runs_in[number]
        assert instance is not None
        instance.bound.remove(number)
        self.runs_in[number] = None
        tenant = self.setup.functions[function].tenant
        self.tenant_in_use[tenant] -= 1
        self.serve(tenant, function, now)

    def keep(self, instance: Instance, now: int) -> None:
        """Set when an instance that became idle expires."""
        keep_us = instance.keep_us
        if keep_us == AS_RULED:
            keep_us = self.keep_rule[instance.function]
        instance.expires = NEVER if keep_us == FOREVER else now + keep_us
        self.enter_expiry(instance)

    def enter_expiry(self, instance: Instance) -> None:
        if instance.expires < instance.entry:
            instance.entry = instance.expires
            self.add(instance.expires, EXPIRY, instance.number)

    def account_for_start(self, instance: Instance, now: int) -> None:
        pulled = min(instance.initialises, now)
        self.recorder.pull_mb_us += instance.memory_mb * (pulled - instance.created)
        self.recorder.init_mb_us += instance.memory_mb * (now - pulled)

    def remove(self, instance: Instance, now: int, kind: Event) -> None:
        """Take away an instance in which nothing runs and to which nothing is bound."""
        if instance.state == ON:
            self.recorder.idle_to_gone(instance.memory_mb, now - instance.since)
            self.free[instance.function].pop(instance.number)
        else:
            self.account_for_start(instance, now)
            self.recorder.starting_mb -= instance.memory_mb
        instance.state, instance.gone, instance.how_gone = GONE, now, kind.name.lower()
        node = self.nodes[instance.node]
        node.free_mb += instance.memory_mb
        node.pin(self.needs[instance.function], -1)
        del node.instances[instance.number]
        self.tenant_mb[self.setup.functions[instance.function].tenant] -= instance.memory_mb
        self.rows.append((kind, now, instance.number, 0))
        self.ask_if_waiting = True
