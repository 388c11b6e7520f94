"""A second simulator of the same specification: slow, plain, and without a line of the first.

It scans everything at every step, keeps what happened as lists, and adds up at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator.domains.faas.messages import Decision, Observation
from simulator.domains.faas.world import World

Decide = Callable[[Observation], Decision]
FAR = 10**18


@dataclass
class Call:
    number: int
    function: int
    at: int
    run: int
    done: bool
    state: str = "unseen"
    began: int = FAR
    instance: "Copy | None" = None


@dataclass
class Copy:
    number: int
    function: int
    node: int
    created: int
    pulled: int
    ready: int
    keep: int
    state: str = "pulling"
    bound: list[Call] = field(default_factory=list)
    running: list[Call] = field(default_factory=list)
    order: int = 0
    since: int = 0
    expires: int = FAR
    gone: int | None = None
    spans: list[tuple[str, int, int]] = field(default_factory=list)


class Naive:
    """Runs ``decide`` on a scenario; ``seen`` has every observation, ``figures()`` the sums."""

    def __init__(self, world: World, decide: Decide) -> None:
        setup = world.setup
        self.setup = setup
        self.decide = decide
        self.end = world.duration_us + max(each.patience_us for each in setup.functions)
        self.calls = []
        for number, at in enumerate(world.times):
            function, service = world.functions[number], world.services[number]
            timeout = setup.functions[function].timeout_us
            call = Call(number, function, at, min(service, timeout), service <= timeout)
            self.calls.append(call)
        self.copies: list[Copy] = []
        self.disks: list[list[list[int]]] = [[] for _ in setup.nodes]
        """Per node: [package, when it is there], the least recently needed first."""
        self.links = [0 for _ in setup.nodes]
        self.serve_rule = [1 for _ in setup.functions]
        self.keep_rule = [600_000_000 for _ in setup.functions]
        self.evict_rule = 0
        self.wake = 0
        self.rows: list[tuple[int, int, int, int]] = []
        self.told_own = 0
        self.counter = 0
        self.ended_or_arrived = 0
        self.trigger = False
        self.seen: list[Observation] = []
        self.decisions: list[tuple[int, list[tuple[int, int, int, int]]]] = []

    # The facts, by looking at everything.

    def living(self) -> list[Copy]:
        return [each for each in self.copies if each.state != "gone"]

    def waiting(self) -> list[Call]:
        return [each for each in self.calls if each.state == "waiting"]

    def needs(self, function: int) -> tuple[int, ...]:
        return self.setup.images[self.setup.functions[function].image].packages

    def tenant_of(self, function: int) -> int:
        return self.setup.functions[function].tenant

    def in_use(self, tenant: int) -> int:
        states = ("running", "bound")
        return sum(
            each.state in states and self.tenant_of(each.function) == tenant for each in self.calls
        )

    def below_quota(self, function: int) -> bool:
        tenant = self.tenant_of(function)
        quota = self.setup.tenants[tenant].quota_concurrency
        return quota == 0 or self.in_use(tenant) < quota

    def free_mb(self, node: int) -> int:
        used = sum(
            self.setup.functions[each.function].memory_mb
            for each in self.living()
            if each.node == node
        )
        return self.setup.nodes[node].memory_mb - used

    def room(self, copy: Copy) -> int:
        most = self.setup.functions[copy.function].concurrency
        return most - len(copy.running) - len(copy.bound)

    # Time.

    def run(self) -> None:
        while True:
            now = self.next_time()
            if now >= self.end:
                break
            before = len(self.rows)
            for call in self.calls:
                if call.state == "running" and call.began + call.run == now:
                    self.finish(call, now)
            for node, disk in enumerate(self.disks):
                for package, there in sorted(disk):
                    if there == now:
                        self.tell(16, now, node, package)
            for copy in self.copies:
                if copy.state == "pulling" and copy.pulled == now:
                    copy.state = "initialising"
                    self.tell(9, now, copy.number, 0)
            for copy in self.copies:
                if copy.state == "initialising" and copy.ready == now:
                    self.become_ready(copy, now)
            for copy in self.copies:
                if copy.state == "on" and not copy.running and copy.expires == now:
                    self.remove(copy, now, 12)
            for call in self.calls:
                patience = self.setup.functions[call.function].patience_us
                if call.state in ("waiting", "bound") and call.at + patience == now:
                    self.leave(call, "timed_out", now, 6)
                    self.trigger = True
            for call in self.calls:
                if call.state == "unseen" and call.at == now:
                    self.arrive(call, now)
            happened = len(self.rows) > self.told_own if self.told_own else len(self.rows) > 0
            assert len(self.rows) >= before
            every = self.setup.calls == "every_event"
            if (
                (self.trigger and self.waiting())
                or self.wake <= now
                or self.ended_or_arrived >= 10_000
                or (every and happened)
            ):
                self.ask(now)
            self.trigger = False
            for disk in self.disks:
                for entry in disk:
                    if entry[1] == now:
                        entry[1] = -1

    def next_time(self) -> int:
        times = [FAR, self.wake]
        for call in self.calls:
            if call.state == "running":
                times.append(call.began + call.run)
            if call.state == "unseen":
                times.append(call.at)
            if call.state in ("waiting", "bound"):
                times.append(call.at + self.setup.functions[call.function].patience_us)
        for copy in self.copies:
            if copy.state == "pulling":
                times.append(copy.pulled)
            if copy.state == "initialising":
                times.append(copy.ready)
            if copy.state == "on" and not copy.running:
                times.append(copy.expires)
        times += [there for disk in self.disks for _, there in disk if there >= 0]
        return min(times)

    def tell(self, kind: int, now: int, first: int, second: int) -> None:
        self.rows.append((kind, now, first, second))

    # Events.

    def arrive(self, call: Call, now: int) -> None:
        self.ended_or_arrived += 1
        call.state = "waiting"
        copy = self.can_serve(call)
        if copy is None:
            self.tell(0, now, call.number, call.function)
            self.trigger = True
            return
        self.tell(1, now, call.number, copy.number)
        self.begin(call, copy, now)

    def can_serve(self, call: Call) -> Copy | None:
        rule = self.serve_rule[call.function]
        copies = [
            each
            for each in self.copies
            if each.function == call.function and each.state == "on" and self.room(each) > 0
        ]
        if not rule or not copies or not self.below_quota(call.function):
            return None
        copies.sort(key=lambda each: each.order)
        return copies[-1] if rule == 1 else copies[0]

    def serve(self, now: int) -> None:
        again = True
        while again:
            again = False
            for call in self.waiting():
                copy = self.can_serve(call)
                if copy is not None:
                    self.tell(2, now, call.number, copy.number)
                    self.begin(call, copy, now)
                    again = True
                    break

    def begin(self, call: Call, copy: Copy, now: int) -> None:
        if not copy.running:
            copy.spans.append(("idle", copy.since, now))
            copy.since = now
        call.state, call.began, call.instance = "running", now, copy
        copy.running.append(call)

    def finish(self, call: Call, now: int) -> None:
        copy = call.instance
        assert copy is not None
        call.state = "done" if call.done else "failed"
        self.ended_or_arrived += 1
        self.tell(4 if call.done else 5, now, call.number, call.run)
        copy.running.remove(call)
        self.touch(copy)
        self.trigger = True
        if not copy.running:
            copy.spans.append(("busy", copy.since, now))
            self.rest(copy, now)
        self.serve(now)

    def touch(self, copy: Copy) -> None:
        self.counter += 1
        copy.order = self.counter

    def rest(self, copy: Copy, now: int) -> None:
        copy.since = now
        keep = self.keep_rule[copy.function] if copy.keep == -2 else copy.keep
        copy.expires = FAR if keep == -1 else now + keep

    def become_ready(self, copy: Copy, now: int) -> None:
        copy.state = "on"
        copy.spans.append(("init", copy.pulled, now))
        copy.spans.append(("pull", copy.created, copy.pulled))
        self.tell(10, now, copy.number, 0)
        self.touch(copy)
        self.rest(copy, now)
        bound, copy.bound = copy.bound, []
        for call in bound:
            self.tell(2, now, call.number, copy.number)
            self.begin(call, copy, now)
        self.serve(now)
        self.trigger = True

    def leave(self, call: Call, state: str, now: int, kind: int) -> None:
        if call.state == "bound":
            assert call.instance is not None
            call.instance.bound.remove(call)
            call.instance = None
        call.state = state
        self.tell(kind, now, call.number, 0)
        self.serve(now)

    def remove(self, copy: Copy, now: int, kind: int) -> None:
        self.close(copy, now)
        copy.state, copy.gone = "gone", now
        self.tell(kind, now, copy.number, 0)
        self.trigger = True

    def close(self, copy: Copy, now: int) -> None:
        if copy.state == "on":
            copy.spans.append(("busy" if copy.running else "idle", copy.since, now))
        elif copy.state != "gone":
            copy.spans.append(("pull", copy.created, min(now, copy.pulled)))
            copy.spans.append(("init", min(now, copy.pulled), now))

    # Decisions; the tests give only such as the specification allows.

    def ask(self, now: int) -> None:
        observation = Observation(now, now, self.rows)
        self.seen.append(observation)
        self.rows, self.ended_or_arrived = [], 0
        decision = self.decide(observation)
        self.wake = FAR if decision.wake is None else max(decision.wake, now + 1)
        if decision.acts:
            self.decisions.append((now, decision.acts))
        for act in decision.acts:
            self.act(now, *act)
            self.serve(now)
        self.told_own = len(self.rows)

    def act(self, now: int, kind: int, a: int, b: int, c: int) -> None:
        if kind == 0:
            call, copy = self.calls[a], self.copies[b]
            assert call.state == "waiting" and call.function == copy.function
            assert copy.state != "gone" and self.room(copy) > 0 and self.below_quota(call.function)
            if copy.state == "on":
                self.tell(2, now, a, b)
                self.begin(call, copy, now)
            else:
                self.tell(3, now, a, b)
                call.state, call.instance = "bound", copy
                copy.bound.append(call)
        elif kind == 1:
            self.start(a, b, c, now)
        elif kind == 2:
            assert not self.copies[a].running and not self.copies[a].bound
            self.remove(self.copies[a], now, 14)
        elif kind == 3:
            copy = self.copies[a]
            copy.keep = b
            self.tell(11, now, a, b)
            if copy.state == "on" and not copy.running:
                copy.expires = FAR if b == -1 else now + b
        elif kind == 4:
            assert self.calls[a].state in ("waiting", "bound")
            self.leave(self.calls[a], "rejected", now, 7)
        elif kind == 5:
            self.pull(a, self.setup.images[b].packages, now)
        elif kind == 6:
            self.serve_rule[a] = b
        elif kind == 7:
            self.keep_rule[a] = b
        else:
            self.evict_rule = a

    def start(self, function: int, node: int, keep: int, now: int) -> None:
        facts = self.setup.functions[function]
        tenant = facts.tenant
        quota = self.setup.tenants[tenant].quota_mb
        while quota and self.tenant_mb(tenant) + facts.memory_mb > quota:
            own = [each for each in self.idle() if self.tenant_of(each.function) == tenant]
            self.evict(own, now)
        while self.free_mb(node) < facts.memory_mb:
            self.evict([each for each in self.idle() if each.node == node], now)
        while self.evict_rule and not self.fits_disk(node, function, now):
            idle = [each for each in self.idle() if each.node == node]
            if not idle:
                break
            self.evict(idle, now)
        self.pull(node, self.needs(function), now)
        there = [entry[1] for entry in self.disks[node] if entry[0] in self.needs(function)]
        pulled = max([now, *there])
        copy = Copy(len(self.copies), function, node, now, pulled, pulled + facts.init_us, keep)
        self.copies.append(copy)
        self.tell(8, now, function, node)
        if keep != -2:
            self.tell(11, now, copy.number, keep)
        if pulled == now:
            copy.state = "initialising"
            self.tell(9, now, copy.number, 0)

    def fits_disk(self, node: int, function: int, now: int) -> bool:
        most = self.setup.nodes[node].disk_mb
        kept = {package for package, there in self.disks[node] if there > now}
        kept |= set(self.needs(function))
        for copy in self.living():
            if copy.node == node:
                kept |= set(self.needs(copy.function))
        return most == 0 or sum(self.setup.packages[each].size_mb for each in kept) <= most

    def idle(self) -> list[Copy]:
        return [each for each in self.copies if each.state == "on" and not each.running]

    def tenant_mb(self, tenant: int) -> int:
        return sum(
            self.setup.functions[each.function].memory_mb
            for each in self.living()
            if self.tenant_of(each.function) == tenant
        )

    def evict(self, idle: list[Copy], now: int) -> None:
        assert self.evict_rule
        size = {each.number: self.setup.functions[each.function].memory_mb for each in idle}
        first = {each.number: -size[each.number] if self.evict_rule == 2 else 0 for each in idle}
        victim = min(idle, key=lambda each: (first[each.number], each.since, each.number))
        self.remove(victim, now, 13)

    def pull(self, node: int, needed: tuple[int, ...], now: int) -> None:
        disk, facts = self.disks[node], self.setup.nodes[node]
        size = [each.size_mb for each in self.setup.packages]
        present = {entry[0] for entry in disk}
        missing = [each for each in needed if each not in present]
        used = {
            each
            for copy in self.living()
            if copy.node == node
            for each in self.needs(copy.function)
        }
        for entry in list(disk):
            total = sum(size[each] for each, _ in disk) + sum(size[each] for each in missing)
            if facts.disk_mb == 0 or total <= facts.disk_mb:
                break
            on_its_way = entry[1] > now
            if not on_its_way and entry[0] not in used and entry[0] not in needed:
                disk.remove(entry)
                self.tell(17, now, node, entry[0])
        total = sum(size[each] for each, _ in disk) + sum(size[each] for each in missing)
        assert facts.disk_mb == 0 or total <= facts.disk_mb
        for package in needed:
            entries = [entry for entry in disk if entry[0] == package]
            if entries:
                disk.remove(entries[0])
                disk.append(entries[0])
                continue
            duration = -(-size[package] * 1_000_000 // facts.pull_mb_per_second)
            self.links[node] = max(self.links[node], now) + duration
            disk.append([package, self.links[node]])
            self.tell(15, now, node, package)

    # The sums.

    def figures(self) -> dict[str, Any]:
        """Return sums over everything that happened, by the names of the statistics."""
        for copy in self.living():
            self.close(copy, self.end)
        sums = dict.fromkeys(("pull", "init", "idle", "busy"), 0)
        for copy in self.copies:
            for what, start, end in copy.spans:
                sums[what] += (end - start) * self.setup.functions[copy.function].memory_mb
        for call in self.calls:
            if call.state == "running":
                call.state = "done" if call.done else "failed"
        fates = ("done", "failed", "timed_out", "rejected")
        begun = [each for each in self.calls if each.began != FAR]
        return {
            **{f"{what}_mb_us": value for what, value in sums.items()},
            **{fate: sum(each.state == fate for each in self.calls) for fate in fates},
            "cold": sum(
                each.instance is not None and each.at < each.began == each.instance.ready
                for each in begun
            ),
            "delay_begun_us": sum(each.began - each.at for each in begun),
            "instances": len(self.copies),
        }
