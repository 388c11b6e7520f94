"""The actions of a decision: each is checked against the platform, then carried out."""

from collections.abc import Sequence
from typing import Never

from simulator.domains.faas.cluster import BOUND, PACKAGE, PULLED, READY, REJECTED, WAITING, Cluster
from simulator.domains.faas.messages import (
    AS_RULED,
    FOREVER,
    NO_LIMIT,
    Act,
    ActRow,
    Event,
    Evict,
    Function,
    Serve,
)
from simulator.domains.faas.nodes import GONE, INITIALISING, ON, Instance, NodeState
from simulator.domains.faas.world import US
from simulator.errors import Failure, PolicyFailure
from simulator.textfile import show

MAX_KEEP_ALIVE_US = 10**15
STATE_WORDS = (
    "has not arrived", "waits", "is bound to an instance", "runs already", "is done",
    "has failed", "has timed out", "was rejected",
)  # fmt: skip


class Actions:
    """Carries out the actions of one decision, each only after it was checked."""

    def __init__(self, cluster: Cluster, now: int) -> None:
        self._cluster = cluster
        self._now = now
        self._act: ActRow = (0, 0, 0, 0)
        self._place = 0

    def carry_out(self, act: ActRow, place: int) -> None:
        """Carry out the action number ``place`` of a decision, or refuse the decision."""
        self._act, self._place = act, place
        kind, first, second, third = act
        match kind:
            case Act.RUN:
                self._run(first, second)
            case Act.START:
                self._start(first, second, third)
            case Act.STOP:
                self._stop(first)
            case Act.KEEP_ALIVE:
                self._keep_alive(first, second)
            case Act.REJECT:
                self._reject(first)
            case Act.PREFETCH:
                self._prefetch(first, second)
            case Act.RULE_SERVE_WARM:
                self._rule_serve_warm(first, second)
            case Act.RULE_KEEP_ALIVE:
                self._cluster.keep_rule[self._function(first)] = self._keep_us(second)
            case Act.RULE_EVICT:
                if first not in list(Evict):
                    self._refuse(f"the rule of eviction {first} is unknown")
                self._cluster.evict_rule = first
            case _:
                self._refuse(f"the kind of action {kind} is unknown")

    def _run(self, number: int, instance_number: int) -> None:
        cluster = self._cluster
        self._check_waits(number, bound_too=False)
        instance = self._instance(instance_number)
        function = cluster.world.functions[number]
        facts = cluster.setup.functions[function]
        if instance.function != function:
            other = cluster.setup.functions[instance.function].name
            self._refuse(f"the invocation is of {show(facts.name)}, the instance of {show(other)}")
        if instance.in_use + len(instance.bound) >= facts.concurrency:
            self._refuse(f"the instance is full, its concurrency is {facts.concurrency}")
        if not cluster.below_quota(facts.tenant):
            tenant = cluster.setup.tenants[facts.tenant]
            self._refuse(
                f"tenant {show(tenant.name)} has {tenant.quota_concurrency} invocations that run "
                "or are bound, which is its quota_concurrency"
            )
        cluster.unqueue(number, function)
        if instance.state == ON:
            cluster.rows.append((Event.BEGAN, self._now, number, instance_number))
            cluster.begin(number, instance, self._now)
            return
        cluster.rows.append((Event.BOUND, self._now, number, instance_number))
        cluster.status[number] = BOUND
        cluster.runs_in[number] = instance
        instance.bound.append(number)
        cluster.tenant_in_use[facts.tenant] += 1

    def _start(self, function: int, node_number: int, keep_us: int) -> None:
        cluster, now = self._cluster, self._now
        facts = cluster.setup.functions[self._function(function)]
        node = self._node(node_number)
        if keep_us != AS_RULED:
            self._keep_us(keep_us)
        self._make_room(node, facts, cluster.needs[function])
        needs = cluster.needs[function]
        cluster.recorder.count_packages(node, needs)
        self._pull(node, node_number, needs)
        number = len(cluster.instances)
        instance = Instance(number, function, node_number, facts.memory_mb, now, keep_us)
        cluster.instances.append(instance)
        node.instances[number] = instance
        node.free_mb -= facts.memory_mb
        node.pin(needs, 1)
        cluster.tenant_mb[facts.tenant] += facts.memory_mb
        cluster.recorder.starting_mb += facts.memory_mb
        cluster.rows.append((Event.CREATED, now, function, node_number))
        if keep_us != AS_RULED:
            cluster.rows.append((Event.KEPT, now, number, keep_us))
        instance.initialises = node.all_there_at(needs, now)
        if instance.initialises > now:
            cluster.add(instance.initialises, PULLED, number)
        else:
            instance.state = INITIALISING
            cluster.rows.append((Event.INITIALISING, now, number, 0))
        cluster.add(instance.initialises + facts.init_us, READY, number)

    def _make_room(self, node: NodeState, facts: Function, needs: Sequence[int]) -> None:
        """Find quota and memory sufficient after evictions by the rule, which free the disk too."""
        cluster, needed = self._cluster, facts.memory_mb
        tenant = cluster.setup.tenants[facts.tenant]
        if tenant.quota_mb != NO_LIMIT and cluster.evict_rule != Evict.NONE:
            for each in self._idle(cluster.nodes):
                if cluster.tenant_mb[facts.tenant] + needed <= tenant.quota_mb:
                    break
                if cluster.setup.functions[each.function].tenant == facts.tenant:
                    self._evict(each)
        in_use_mb = cluster.tenant_mb[facts.tenant]
        if tenant.quota_mb != NO_LIMIT and in_use_mb + needed > tenant.quota_mb:
            self._refuse(
                f"tenant {show(tenant.name)} uses {in_use_mb} MB, so {needed} MB more exceed its "
                f"quota_mb {tenant.quota_mb}"
            )
        if node.free_mb < needed and cluster.evict_rule != Evict.NONE:
            for each in self._idle([node]):
                if node.free_mb >= needed:
                    break
                self._evict(each)
        if node.free_mb < needed:
            self._refuse(f"the node has {node.free_mb} MB free, {needed} MB are needed")
        if cluster.evict_rule != Evict.NONE and node.to_drop(needs) is None:
            for each in self._idle([node]):
                if node.to_drop(needs) is not None:
                    break
                self._evict(each)

    def _idle(self, nodes: Sequence[NodeState]) -> list[Instance]:
        """Return the idle instances of some nodes in the order in which the rule removes them."""
        largest = self._cluster.evict_rule == Evict.LARGEST
        idle = [
            each
            for node in nodes
            for each in node.instances.values()
            if each.state == ON and not each.in_use
        ]
        idle.sort(key=lambda each: (-each.memory_mb if largest else 0, each.since, each.number))
        return idle

    def _evict(self, instance: Instance) -> None:
        self._cluster.evicted += 1
        self._cluster.remove(instance, self._now, Event.EVICTED)

    def _stop(self, number: int) -> None:
        instance = self._instance(number)
        if instance.in_use or instance.bound:
            what = "run in it" if instance.in_use else "are bound to it"
            self._refuse(f"{instance.in_use or len(instance.bound)} invocations {what}")
        self._cluster.stopped += 1
        self._cluster.remove(instance, self._now, Event.STOPPED)

    def _keep_alive(self, number: int, keep_us: int) -> None:
        instance = self._instance(number)
        instance.keep_us = self._keep_us(keep_us)
        self._cluster.rows.append((Event.KEPT, self._now, number, keep_us))
        if instance.state == ON and not instance.in_use:
            self._cluster.keep(instance, self._now)

    def _reject(self, number: int) -> None:
        self._check_waits(number, bound_too=True)
        self._cluster.leave(number, self._now, REJECTED, Event.REJECTED)

    def _prefetch(self, node_number: int, image: int) -> None:
        node = self._node(node_number)
        if not 0 <= image < len(self._cluster.setup.images):
            self._refuse(f"there is no image {image}")
        self._pull(node, node_number, self._cluster.setup.images[image].packages)

    def _pull(self, node: NodeState, node_number: int, needs: Sequence[int]) -> None:
        """Queue what a node lacks of these packages, after making room for it on the disk."""
        cluster, now = self._cluster, self._now
        dropped = node.to_drop(needs)
        if dropped is None:
            self._refuse("the node's disk has no room for the packages, instances use the rest")
        for package in dropped:
            node.drop(package)
            cluster.rows.append((Event.DROPPED, now, node_number, package))
        for package in node.pull(needs, now):
            cluster.recorder.pulled_mb += cluster.setup.packages[package].size_mb
            cluster.rows.append((Event.PULLING, now, node_number, package))
            code = node_number * len(cluster.setup.packages) + package
            cluster.add(node.arrivals[package], PACKAGE, code)

    def _rule_serve_warm(self, function: int, rule: int) -> None:
        cluster = self._cluster
        if rule not in list(Serve):
            self._refuse(f"the rule of serving {rule} is unknown")
        cluster.serve_rule[self._function(function)] = rule
        cluster.serve(cluster.setup.functions[function].tenant, function, self._now)

    def _check_waits(self, number: int, *, bound_too: bool) -> None:
        arrived = self._cluster.arrived
        if not 0 <= number < arrived:
            self._refuse(f"there is no invocation {number}, {arrived} have arrived")
        state = self._cluster.status[number]
        if state != WAITING and not (bound_too and state == BOUND):
            self._refuse(f"the invocation {STATE_WORDS[state]}")

    def _instance(self, number: int) -> Instance:
        instances = self._cluster.instances
        if not 0 <= number < len(instances):
            self._refuse(f"there is no instance {number}, {len(instances)} were created")
        instance = instances[number]
        if instance.state == GONE:
            self._refuse(f"the instance is gone since {instance.gone / US:g} s")
        return instance

    def _function(self, number: int) -> int:
        if not 0 <= number < len(self._cluster.setup.functions):
            self._refuse(f"there is no function {number}")
        return number

    def _node(self, number: int) -> NodeState:
        if not 0 <= number < len(self._cluster.nodes):
            self._refuse(f"there is no node {number}")
        return self._cluster.nodes[number]

    def _keep_us(self, keep_us: int) -> int:
        if keep_us != FOREVER and not 0 <= keep_us <= MAX_KEEP_ALIVE_US:
            self._refuse(f"the keep-alive {keep_us} us is out of range, expected up to 10^9 s")
        return keep_us

    def _refuse(self, problem: str) -> Never:
        title = f"action {self._place}, {describe(self._act)}: {problem}"
        raise PolicyFailure(Failure(kind="invalid_decision", message=title, step=self._now))


def describe(act: ActRow) -> str:
    """Return an action as the policy would write it, with numbers for what it is about."""
    kind, first, second, third = act
    match kind:
        case Act.RUN:
            return f"Run(invocation {first}, instance {second})"
        case Act.START:
            return f"Start(function {first}, node {second}, keep_alive {_keep_text(third)})"
        case Act.STOP:
            return f"Stop(instance {first})"
        case Act.KEEP_ALIVE:
            return f"KeepAlive(instance {first}, {_keep_text(second)})"
        case Act.REJECT:
            return f"Reject(invocation {first})"
        case Act.PREFETCH:
            return f"Prefetch(node {first}, image {second})"
        case Act.RULE_SERVE_WARM:
            return f"serve_warm(function {first}, {second})"
        case Act.RULE_KEEP_ALIVE:
            return f"keep_alive(function {first}, {_keep_text(second)})"
        case Act.RULE_EVICT:
            return f"evict({first})"
        case _:
            return f"action of kind {kind}"


def _keep_text(keep_us: int) -> str:
    return {FOREVER: "forever", AS_RULED: "as ruled"}.get(keep_us) or f"{keep_us / US:g} s"
