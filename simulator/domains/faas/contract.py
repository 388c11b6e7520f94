"""The policy contract: what a policy registers, what it is shown, and how its answer is read.

The policy's side holds what observations told, and nothing else: it is built from ``Setup`` and
kept up to date by the rows of each ``Observation``. Nothing in the engine depends on it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Never

from simulator.contract import MOST, Contract, Dialogue, refuse, shown
from simulator.domains.faas.messages import (
    AS_RULED,
    FOREVER,
    Act,
    ActRow,
    Decision,
    Event,
    Observation,
    Setup,
)
from simulator.domains.faas.plan import KeepAlive, Plan, Prefetch, Reject, Run, Start, Stop
from simulator.domains.faas.policy_api import (
    US,
    Arrived,
    Completed,
    Evicted,
    Expired,
    Function,
    Image,
    Instance,
    Invocation,
    Node,
    Platform,
    Ready,
    Tenant,
    TimedOut,
    keep_us,
)
from simulator.driver import LocalPolicy

PACKAGE = "faas"
"""Policies may import the contract's names from a module of this name."""

SERVED, COMPLETED, FAILED = int(Event.SERVED), int(Event.COMPLETED), int(Event.FAILED)
"""The most frequent events, as numbers that are compared fast."""


ACTIONS = (Run, Start, Stop, KeepAlive, Reject, Prefetch)
EVENTS = (Arrived, Completed, Ready, Expired, Evicted, TimedOut)
OBJECTS = (Platform, Tenant, Image, Function, Node, Instance, Invocation)


class Mirror:
    """A copy of what is visible of the platform, and the typing of a policy's answers."""

    def __init__(self, setup: Setup, key: str = "") -> None:
        self.state = Platform(setup)
        self.step: int | None = None
        self._setup = setup
        self._waiting, self._instances = self.state._registers()
        self._invocations: dict[int, Invocation] = {}
        """Those that wait, are bound, or run."""
        self._images = {each.number: each for each in self.state.images}
        self._created = 0
        self._started: deque[Start] = deque()
        """The starts of the last decision: instances are made of them, in order."""

    def decide(
        self,
        step: Callable[..., Any],
        observation: Observation,
        answer: Callable[[Any], Any],
    ) -> Decision:
        """Show the policy what happened, call it, and return its actions as a message."""
        self.step = observation.step
        events = self.apply(observation)
        return self.decision(step(self.state, events))

    def apply(self, observation: Observation) -> list[Any]:
        """Bring the mirror up to date; return the events that the policy is told."""
        self.state._advance(observation.step)
        events: list[Any] = []
        for kind, us, first, second in observation.events:
            if kind == SERVED:
                instance = self._instances[second]
                invocation = Invocation(first, instance.function, us)
                self._invocations[first] = invocation
                self._begin(invocation, instance, us)
                events.append(Arrived(us / US, invocation))
            elif kind in (COMPLETED, FAILED):
                events.append(self._end(first, us, second, kind == FAILED))
            else:
                event = self._apply(kind, us, first, second)
                if event is not None:
                    events.append(event)
        self._started.clear()
        return events

    def decision(self, answer: Any) -> Decision:
        """Return the answer of the policy's step as a message; refuse what is not one."""
        if not isinstance(answer, list | tuple):
            self._refuse(f"step returned {shown(answer)}, expected a list of actions")
        assert self.step is not None
        acts = [self._rule(rule) for rule in self.state._take_rules()]
        started: dict[int, int] = {}
        for action in answer:
            acts += self._typed(action, started)
        return Decision(step=self.step, calls=1, acts=acts, wake=self.state._wake())

    def _arrive(self, number: int, function: int, us: int) -> Arrived:
        invocation = Invocation(number, self.state.functions[function], us)
        self._invocations[number] = self._waiting[number] = invocation
        invocation.function._waiting[number] = invocation
        return Arrived(us / US, invocation)

    def _begin_waiting(self, number: int, instance_number: int, us: int) -> None:
        invocation, instance = self._invocations[number], self._instances[instance_number]
        if invocation.state == "bound":
            instance._bound -= 1
            invocation.function.tenant.running -= 1
        else:
            self._unqueue(invocation)
        self._begin(invocation, instance, us)

    def _begin(self, invocation: Invocation, instance: Instance, us: int) -> None:
        invocation.state = "running"
        invocation.instance = instance
        invocation._began_us = us
        instance.in_use += 1
        instance.uses += 1
        tenant = instance.function.tenant
        tenant.running += 1
        tenant.served += 1

    def _end(self, number: int, us: int, ran_us: int, failed: bool) -> Completed:
        invocation = self._invocations.pop(number)
        instance = invocation.instance
        assert instance is not None
        invocation.state = "failed" if failed else "done"
        instance.in_use -= 1
        instance.function.tenant.running -= 1
        if not instance.in_use:
            self._rest(instance, us)
        began = invocation._began_us
        was_cold = invocation._us < began == instance._ready_us
        return Completed(us / US, invocation, instance, ran_us / US, was_cold, failed)

    def _rest(self, instance: Instance, us: int) -> None:
        """Note that an instance became idle, and when it will expire."""
        instance._idle_us = us
        keep = instance._keep_us
        if keep is None:
            keep = instance.function._keep_us
        instance._expires_us = FOREVER if keep == FOREVER else us + keep

    def _leave(self, number: int, state: str) -> Invocation:
        invocation = self._invocations.pop(number)
        if invocation.state == "bound":
            assert invocation.instance is not None
            invocation.instance._bound -= 1
            invocation.instance = None
            invocation.function.tenant.running -= 1
        else:
            self._unqueue(invocation)
        invocation.state = state
        return invocation

    def _unqueue(self, invocation: Invocation) -> None:
        del self._waiting[invocation.number]
        del invocation.function._waiting[invocation.number]

    def _create(self, function_number: int, node_number: int, us: int) -> None:
        function, node = self.state.functions[function_number], self.state.nodes[node_number]
        instance = Instance(self._created, function, node, us)
        self._created += 1
        if self._started:
            self._started.popleft().instance = instance
        self._instances[instance.number] = instance
        function._instances[instance.number] = instance
        node._instances[instance.number] = instance
        node.free_mb -= function.memory_mb
        function.tenant.memory_mb += function.memory_mb

    def _remove(self, number: int) -> Instance:
        instance = self._instances.pop(number)
        function, node = instance.function, instance.node
        del function._instances[number]
        del node._instances[number]
        node.free_mb += function.memory_mb
        function.tenant.memory_mb -= function.memory_mb
        instance._on = False
        instance._state = "gone"
        return instance

    def _apply(self, kind: int, us: int, first: int, second: int) -> Any:
        """Note something that is not a warm hit or an end; return what the policy is told of it."""
        match kind:
            case Event.ARRIVED:
                return self._arrive(first, second, us)
            case Event.BEGAN:
                self._begin_waiting(first, second, us)
            case Event.READY:
                instance = self._instances[first]
                instance._on = True
                instance._ready_us = us
                self._rest(instance, us)
                return Ready(us / US, instance)
            case Event.EXPIRED:
                return Expired(us / US, self._remove(first))
            case Event.EVICTED:
                return Evicted(us / US, self._remove(first))
            case Event.TIMED_OUT:
                return TimedOut(us / US, self._leave(first, "timed_out"))
            case _:
                self._apply_own(kind, us, first, second)
        return None

    def _apply_own(self, kind: int, us: int, first: int, second: int) -> None:
        """Note what came of the policy's own actions, and packages."""
        match kind:
            case Event.CREATED:
                self._create(first, second, us)
            case Event.BOUND:
                invocation, instance = self._invocations[first], self._instances[second]
                self._unqueue(invocation)
                invocation.state = "bound"
                invocation.instance = instance
                instance._bound += 1
                invocation.function.tenant.running += 1
            case Event.STOPPED:
                self._remove(first)
            case Event.REJECTED:
                self._leave(first, "rejected")
            case Event.INITIALISING:
                self._instances[first]._state = "initialising"
            case Event.KEPT:
                instance = self._instances[first]
                instance._keep_us = second
                if instance.state == "idle":
                    instance._expires_us = FOREVER if second == FOREVER else us + second
            case Event.PULLING:
                node = self.state.nodes[first]
                node._on_disk[second] = False
                node._used_mb += node._sizes[second]
            case Event.CACHED:
                self.state.nodes[first]._on_disk[second] = True
            case Event.DROPPED:
                node = self.state.nodes[first]
                del node._on_disk[second]
                node._used_mb -= node._sizes[second]

    def _rule(self, rule: tuple[str, Any, Any]) -> ActRow:
        name, function, value = rule
        if name == "evict":
            return (Act.RULE_EVICT, value, 0, 0)
        kind = Act.RULE_SERVE_WARM if name == "serve_warm" else Act.RULE_KEEP_ALIVE
        return (kind, self._number(function, Function, f"p.{name}"), value, 0)

    def _typed(self, action: Any, started: dict[int, int]) -> list[ActRow]:
        if isinstance(action, Run):
            number = self._number(action.invocation, Invocation, "Run")
            instance = self._instance_number(action.instance, started, "Run")
            return [(Act.RUN, number, instance, 0)]
        if isinstance(action, Start):
            return self._typed_start(action, started)
        if isinstance(action, Stop):
            return [(Act.STOP, self._instance_number(action.instance, {}, "Stop"), 0, 0)]
        if isinstance(action, KeepAlive):
            instance = self._instance_number(action.instance, started, "KeepAlive")
            return [(Act.KEEP_ALIVE, instance, self._keep_us(action.seconds, "KeepAlive"), 0)]
        if isinstance(action, Reject):
            return [(Act.REJECT, self._number(action.invocation, Invocation, "Reject"), 0, 0)]
        if isinstance(action, Prefetch):
            node = self._number(action.node, Node, "Prefetch")
            function = self._number(action.function, Function, "Prefetch")
            return [(Act.PREFETCH, node, self._setup.functions[function].image, 0)]
        return self._refuse(f"the actions hold {shown(action)}, expected Run, Start, Stop, ...")

    def _typed_start(self, action: Start, started: dict[int, int]) -> list[ActRow]:
        function = self._number(action.function, Function, "Start")
        node = self._number(action.node, Node, "Start")
        keep = AS_RULED
        if action.keep_alive is not None:
            keep = self._keep_us(action.keep_alive, "Start")
        if id(action) in started or action.instance is not None:
            self._refuse("the same Start was returned twice, make a new one")
        number = self._created + len(self._started)
        self._started.append(action)
        started[id(action)] = number
        acts: list[ActRow] = [(Act.START, function, node, keep)]
        if action.invocation is not None:
            invocation = self._number(action.invocation, Invocation, "Start")
            acts.append((Act.RUN, invocation, number, 0))
        return acts

    def _instance_number(self, value: object, started: Mapping[int, int], action: str) -> int:
        if isinstance(value, Start):
            if id(value) in started:
                return started[id(value)]
            if value.instance is None:
                self._refuse(f"{action} has a Start that does not come before it in this list")
            value = value.instance
        return self._number(value, Instance, action)

    def _number(self, value: object, kind: type[Any], action: str) -> int:
        number = getattr(value, "number", None)
        if type(value) is not kind or type(number) is not int or abs(number) > MOST:
            name = kind.__name__
            article = "an" if name[0] in "AEIOU" else "a"
            self._refuse(f"{action} has {shown(value)}, expected {article} {name}")
        return number

    def _keep_us(self, seconds: object, action: str) -> int:
        try:
            return keep_us(seconds)
        except ValueError as error:
            return self._refuse(f"{action}: keep-alive {error}")

    def _refuse(self, message: str) -> Never:
        refuse(message, self.step)


def contract_names() -> dict[str, Any]:
    """Return the names that are there without an import."""
    return {each.__name__: each for each in (*ACTIONS, Plan, *EVENTS, *OBJECTS)}


def contract_modules(names: Mapping[str, Any]) -> Mapping[str, ModuleType]:
    """Return the one module that a policy may import, which has all of the names."""
    module = ModuleType(PACKAGE)
    module.__dict__.update(names)
    module.__dict__["__all__"] = list(names)
    return {PACKAGE: module}


CONTRACT = Contract(
    dialogue=Dialogue(setup=Setup, observation=Observation, decision=Decision),
    init="register_platform_init",
    step="register_platform",
    names=contract_names,
    modules=contract_modules,
    mirror=Mirror,
)


def local_policy(source: str, filename: str = "policy.py") -> LocalPolicy:
    """Return a trusted policy that runs in this process."""
    return LocalPolicy(CONTRACT, source, filename)
