"""The actions that a policy returns, and a plan that keeps several of them possible together."""

from typing import Any

from simulator.domains.faas.policy_api import Function, Instance, Invocation, Node, Platform, Tenant


class Run:
    """Run a waiting invocation on an instance of its function that has room.

    It begins at once on a ready instance, and when the instance becomes ready on one that starts.
    ``instance`` may be a ``Start`` that comes before it in the same list.
    """

    def __init__(self, invocation: Invocation, instance: "Instance | Start") -> None:
        self.invocation = invocation
        self.instance = instance


class Start:
    """Start an instance of a function on a node, to run an invocation or ahead of need.

    ``keep_alive``: seconds, ``math.inf`` for ever, None for the rule of the function. After the
    next call ``instance`` is the instance that came of it.
    """

    def __init__(
        self,
        function: Function,
        node: Node,
        invocation: Invocation | None = None,
        keep_alive: float | None = None,
    ) -> None:
        self.function = function
        self.node = node
        self.invocation = invocation
        self.keep_alive = keep_alive
        self.instance: Instance | None = None


class Stop:
    """Remove an instance in which nothing runs and to which nothing is bound."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance


class KeepAlive:
    """Let an instance expire ``seconds`` from now if it is idle, else after it becomes idle.

    It holds until the next ``KeepAlive`` of the instance and goes before the function's rule.
    """

    def __init__(self, instance: "Instance | Start", seconds: float) -> None:
        self.instance = instance
        self.seconds = seconds


class Reject:
    """End an invocation that has not begun; it counts like one whose patience ended."""

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation


class Prefetch:
    """Pull the missing packages of a function's image to a node."""

    def __init__(self, node: Node, function: Function) -> None:
        self.node = node
        self.function = function


class Plan:
    """A list of actions that counts what each of them takes, so that the next is still possible.

    Make one in a call, add to it, and return its ``actions``.
    """

    def __init__(self, p: Platform) -> None:
        self.actions: list[Any] = []
        self._evicts = p._evicts
        self._free_mb: dict[Node, int] = {}
        self._taken_mb: dict[Node, int] = {}
        self._tenant_mb: dict[Tenant, int] = {}
        self._tenant_runs: dict[Tenant, int] = {}
        self._places: dict[Instance | Start, int] = {}
        self._stopped: set[Instance] = set()
        self._starts: dict[Function, list[Start]] = {}
        self._images: dict[Node, set[int]] = {}

    def free_mb(self, node: Node) -> int:
        """Return the free memory of a node; idle instances count as free if a rule evicts them."""
        free_mb = self._free_mb.get(node)
        if free_mb is None:
            free_mb = node.free_mb + (node._idle_mb() if self._evicts else 0)
            self._free_mb[node] = free_mb
        return free_mb - self._taken_mb.get(node, 0)

    def below_quota(self, tenant: Tenant) -> bool:
        """Tell whether one more invocation of a tenant may run or be bound."""
        quota = tenant.quota_concurrency
        return quota is None or tenant.running + self._tenant_runs.get(tenant, 0) < quota

    def below_quota_mb(self, function: Function) -> bool:
        """Tell whether a tenant's quota of memory allows one more instance of a function."""
        tenant = function.tenant
        if tenant.quota_mb is None:
            return True
        held_mb = tenant.memory_mb + self._tenant_mb.get(tenant, 0)
        if self._evicts:
            held_mb -= sum(
                each.function.memory_mb
                for other in tenant.functions
                for each in other._instances.values()
                if each._on and not each.in_use and each not in self._places
            )
        return held_mb + function.memory_mb <= tenant.quota_mb

    def can_start(self, function: Function, node: Node) -> bool:
        """Tell whether a start is possible after the actions of the plan."""
        return (
            self.free_mb(node) >= function.memory_mb
            and self.below_quota_mb(function)
            and (node.disk_mb is None or self._has_disk(function, node))
        )

    def needs_no_eviction(self, function: Function, node: Node) -> bool:
        """Tell whether a node has memory and disk for a start beside its idle instances."""
        free_mb = node.free_mb - self._taken_mb.get(node, 0)
        return free_mb >= function.memory_mb and (
            node.disk_mb is None or node._has_disk(self._needed(function, node), self._stopped)
        )

    def _has_disk(self, function: Function, node: Node) -> bool:
        needed = self._needed(function, node)
        if not self._evicts:
            return node._has_disk(needed, self._stopped)
        return node._has_disk(needed, [each for each in node.idle if each not in self._places])

    def _needed(self, function: Function, node: Node) -> set[int]:
        """Return the packages of a function and of the plan's starts on a node."""
        return self._images.get(node, set()) | set(function.image._packages)

    def start(
        self,
        function: Function,
        node: Node,
        invocation: Invocation | None = None,
        keep_alive: float | None = None,
    ) -> Start:
        """Add a ``Start`` and return it."""
        action = Start(function, node, invocation, keep_alive)
        self.actions.append(action)
        self._taken_mb[node] = self._taken_mb.get(node, 0) + function.memory_mb
        tenant = function.tenant
        self._tenant_mb[tenant] = self._tenant_mb.get(tenant, 0) + function.memory_mb
        self._images.setdefault(node, set()).update(function.image._packages)
        self._starts.setdefault(function, []).append(action)
        self._places[action] = function.concurrency
        if invocation is not None:
            self._take_place(invocation, action)
        return action

    def room(self, instance: "Instance | Start") -> int:
        """Return how many more invocations an instance or a planned start can take."""
        if isinstance(instance, Instance):
            return 0 if instance in self._stopped else self._places.get(instance, instance.room)
        if instance not in self._places:
            raise ValueError("the Start is not of this plan, expected one that its start returned")
        return self._places[instance]

    def place_for(self, invocation: Invocation) -> "Instance | Start | None":
        """Return an instance that starts already, or a planned start, with room for it, or None."""
        function = invocation.function
        for start in self._starts.get(function, []):
            if self.room(start) > 0:
                return start
        for instance in function._instances.values():
            if not instance._on and self.room(instance) > 0:
                return instance
        return None

    def run(self, invocation: Invocation, instance: "Instance | Start") -> None:
        """Add a ``Run``; of an idle instance before starts for which a rule might evict it."""
        room = self.room(instance)
        self.actions.append(Run(invocation, instance))
        if isinstance(instance, Instance) and instance not in self._places:
            self._places[instance] = room
            if self._evicts and instance.state == "idle":
                node = instance.node
                self._taken_mb[node] = self._taken_mb.get(node, 0) + instance.function.memory_mb
        self._take_place(invocation, instance)

    def stop(self, instance: Instance) -> None:
        """Add a ``Stop`` of an idle instance, whose memory later starts of the plan may use."""
        self.actions.append(Stop(instance))
        self._stopped.add(instance)
        function, node = instance.function, instance.node
        if not self._evicts:
            self._taken_mb[node] = self._taken_mb.get(node, 0) - function.memory_mb
            tenant = function.tenant
            self._tenant_mb[tenant] = self._tenant_mb.get(tenant, 0) - function.memory_mb

    def _take_place(self, invocation: Invocation, instance: "Instance | Start") -> None:
        self._places[instance] -= 1
        tenant = invocation.function.tenant
        self._tenant_runs[tenant] = self._tenant_runs.get(tenant, 0) + 1
