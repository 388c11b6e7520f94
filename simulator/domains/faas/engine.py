"""The simulation: time jumps from event to event, and rules answer what they can without a call.

Order within an instant: invocations end; packages arrive; instances begin to initialise; instances
become ready; keep-alives end; patience ends; invocations arrive; the policy is called with all of
it, and its actions are carried out in their order. Ties within a kind go by number. What happens at
this same instant because of the policy's actions comes next, and the policy may be called again.
"""

from collections.abc import Sequence
from hashlib import sha256
from heapq import heappop
from typing import Any, Never

from simulator.contract import Policy
from simulator.domains.faas.actions import Actions
from simulator.domains.faas.cluster import (
    ARRIVAL,
    BOUND,
    DONE,
    FAILED,
    KIND_MASK,
    KIND_SHIFT,
    NUMBER_MASK,
    PATIENCE,
    RUNNING,
    TIME_SHIFT,
    TIMED_OUT,
    WAITING,
    Cluster,
)
from simulator.domains.faas.messages import ActRow, Event, Observation
from simulator.domains.faas.nodes import GONE, INITIALISING, NEVER, ON, PULLING
from simulator.domains.faas.world import World
from simulator.errors import Failure, PolicyFailure

MAX_UNTOLD = 10_000
"""A policy is called at the latest when so many invocations have arrived or ended untold."""
TOLD_SERVED, TOLD_COMPLETED, TOLD_FAILED = (
    int(each) for each in (Event.SERVED, Event.COMPLETED, Event.FAILED)
)
"""The most frequent rows of observations, as plain numbers."""


class Simulation(Cluster):
    """One run of a policy on a scenario: ``run`` it, then read what it recorded."""

    def __init__(self, world: World, policy: Policy) -> None:
        super().__init__(world)
        self.policy = policy
        self.policy_calls = 0
        self.decisions = 0
        self.digest = sha256()
        self._untold = 0
        self._own_rows = 0
        """How many rows come of the policy's own last actions."""
        self._wake = 0

    def run(self) -> None:
        """Run to the end; raise :class:`PolicyFailure` if the policy fails."""
        self.policy.start(self.setup)
        heap, times = self.heap, self.world.times
        every_event = self.setup.calls == "every_event"
        handlers = (
            self._end, self._package, self._pulled, self._ready, self._expiry, self._patience,
        )  # fmt: skip
        recorder, end_us, count = self.recorder, self.end_us, len(times)
        next_arrival = times[0] if count else NEVER
        while True:
            now = min(next_arrival, self._wake)
            if heap and heap[0] >> TIME_SHIFT < now:
                now = heap[0] >> TIME_SHIFT
            if now >= end_us:
                break
            if now >= recorder.next_sample:
                recorder.sample(now, self.num_waiting)
            before_arrivals = (now << TIME_SHIFT) | (ARRIVAL << KIND_SHIFT)
            while heap and heap[0] < before_arrivals:
                key = heappop(heap)
                handlers[key >> KIND_SHIFT & KIND_MASK](key & NUMBER_MASK, now)
            while next_arrival == now:
                self._arrive(self.arrived, now)
                self.arrived += 1
                next_arrival = times[self.arrived] if self.arrived < count else NEVER
            if (
                (self.ask_if_waiting and self.num_waiting)
                or self._wake <= now
                or self._untold >= MAX_UNTOLD
                or (every_event and len(self.rows) > self._own_rows)
            ):
                self._ask(now)
            else:
                self.ask_if_waiting = False
        self.recorder.sample(end_us - 1, self.num_waiting)
        self._close()

    # What happens by itself.

    def _arrive(self, number: int, now: int) -> None:
        function = self.world.functions[number]
        facts = self.setup.functions[function]
        self._untold += 1
        free = self.free[function]
        if free and self.serve_rule[function] and self.below_quota(facts.tenant):
            instance = self.pick(function)
            self.rows.append((TOLD_SERVED, now, number, instance.number))
            self.begin(number, instance, now)
            return
        self.rows.append((Event.ARRIVED, now, number, function))
        self.status[number] = WAITING
        self.waiting[function][number] = None
        self.queued[facts.tenant].add(function)
        self.num_waiting += 1
        self.add(now + facts.patience_us, PATIENCE, number)
        self.ask_if_waiting = True

    def _end(self, number: int, now: int) -> None:
        instance = self.runs_in[number]
        assert instance is not None
        done = self.world.services[number] == self.run_us[number]
        self.status[number] = DONE if done else FAILED
        kind = TOLD_COMPLETED if done else TOLD_FAILED
        self.rows.append((kind, now, number, self.run_us[number]))
        self._untold += 1
        function = instance.function
        instance.in_use -= 1
        tenant = self.setup.functions[function].tenant
        self.tenant_in_use[tenant] -= 1
        if instance.in_use == 0:
            self.recorder.busy_to_idle(instance.memory_mb, now - instance.since)
            instance.since = now
        free = self.free[function]
        free[instance.number] = instance
        free.move_to_end(instance.number)
        if self.num_waiting:
            self.serve(tenant, function, now)
            self.ask_if_waiting = True
        if instance.in_use == 0:
            self.keep(instance, now)

    def _package(self, code: int, now: int) -> None:
        node, package = divmod(code, len(self.setup.packages))
        self.nodes[node].arrive(package)
        self.rows.append((Event.CACHED, now, node, package))

    def _pulled(self, number: int, now: int) -> None:
        instance = self.instances[number]
        if instance.state == PULLING:
            instance.state = INITIALISING
            self.rows.append((Event.INITIALISING, now, number, 0))

    def _ready(self, number: int, now: int) -> None:
        instance = self.instances[number]
        if instance.state == GONE:
            return
        instance.state = ON
        instance.ready = instance.since = now
        self.rows.append((Event.READY, now, number, 0))
        self.account_for_start(instance, now)
        self.recorder.starting_to_idle(instance.memory_mb)
        function = instance.function
        self.free[function][number] = instance
        bound, instance.bound = instance.bound, []
        tenant = self.setup.functions[function].tenant
        self.tenant_in_use[tenant] -= len(bound)
        for each in bound:
            self.rows.append((Event.BEGAN, now, each, number))
            self.begin(each, instance, now)
        self.serve(tenant, function, now)
        if instance.in_use == 0:
            self.keep(instance, now)
        self.ask_if_waiting = True

    def _expiry(self, number: int, now: int) -> None:
        instance = self.instances[number]
        if instance.entry <= now:
            instance.entry = NEVER
        if instance.state != ON or instance.in_use:
            return
        if instance.expires == now:
            self.expired += 1
            self.remove(instance, now, Event.EXPIRED)
        else:
            self.enter_expiry(instance)

    def _patience(self, number: int, now: int) -> None:
        if self.status[number] in (WAITING, BOUND):
            self.leave(number, now, TIMED_OUT, Event.TIMED_OUT)
            self.ask_if_waiting = True

    def _close(self) -> None:
        """Close all accounts at the end; what still runs ends as it will."""
        for number in range(self.arrived):
            if self.status[number] == RUNNING:
                done = self.world.services[number] == self.run_us[number]
                self.status[number] = DONE if done else FAILED
        for instance in self.instances:
            if instance.state == ON:
                self.recorder.close(instance, self.end_us - instance.since)
            elif instance.state != GONE:
                self.account_for_start(instance, self.end_us)

    # What the policy decides.

    def _ask(self, now: int) -> None:
        rows, self.rows = self.rows, []
        self._untold, self.ask_if_waiting = 0, False
        decision = self.policy.decide(Observation(now, now, rows), _no_answer)
        if decision.step != now or decision.calls != 1:
            message = f"decision for the time {decision.step}, {decision.calls} calls, at {now}"
            raise PolicyFailure(Failure(kind="protocol_error", message=message, step=now))
        self.policy_calls += 1
        self._wake = NEVER if decision.wake is None else max(decision.wake, now + 1)
        if decision.acts:
            self._carry_out(decision.acts, now)
        self._own_rows, self.ask_if_waiting = len(self.rows), False

    def _carry_out(self, acts: Sequence[ActRow], now: int) -> None:
        self.decisions += len(acts)
        text = " ".join(f"{kind},{a},{b},{c}" for kind, a, b, c in acts)
        self.digest.update(f"{now} {text}\n".encode())
        actions = Actions(self, now)
        for place, act in enumerate(acts, start=1):
            actions.carry_out(act, place)


def _no_answer(_: Any) -> Never:
    raise RuntimeError("policies of this domain ask nothing between observations")
