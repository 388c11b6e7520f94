"""Simulators put together from parts, one for each slot: what is tried where no model writes them.

Nearly two million assemblies; a few are right. Which is which, only the checks can tell.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from simulator.genes import Genes, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """One option for each slot; the defaults are what somebody in a hurry might write."""

    turn: str = "number"
    """Who of those that wait is looked at first."""
    choice: str = "lowest"
    """Which idle slot serves."""
    quota: str = "none"
    start: str = "init"
    """How long a start takes."""
    clock: str = "freed"
    """When the keep-alive begins."""
    cancel: str = "none"
    """Whether use ends a keep-alive that runs."""
    boundary: str = "before"
    """Keep-alives that end at an instant: before or after arrivals of the same instant."""
    victim: str = "lowest"
    """What is evicted first."""
    evicted: str = "needed"
    timeout: str = "ignored"
    patience: str = "none"
    serving: str = "arrivals"
    """After which events waiting invocations are served."""
    ties: str = "slot"
    end: str = "drain"


CHOICES: Mapping[str, tuple[Value, ...]] = {
    "turn": ("number", "reverse", "head"),
    "choice": ("lowest", "freed_first", "freed_last"),
    "quota": ("none", "below", "at_most"),
    "start": ("none", "init", "twice"),
    "clock": ("freed", "started", "first_freed"),
    "cancel": ("none", "on_use"),
    "boundary": ("before", "after"),
    "victim": ("lowest", "newest", "oldest", "largest"),
    "evicted": ("needed", "all"),
    "timeout": ("ignored", "finished", "failed"),
    "patience": ("none", "arrival", "twice"),
    "serving": ("arrivals", "ends", "all"),
    "ties": ("slot", "instance"),
    "end": ("drain", "inclusive", "cut"),
}

PARTS: Mapping[str, Mapping[str, str]] = {
    "turn": {
        "number": "return waiting",
        "reverse": "return waiting[::-1]",
        "head": "return waiting[:1]",
    },
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
    "start": {"none": "return 0", "init": "return init", "twice": "return 2 * init"},
    "clock": {
        "freed": "return now + keep_alive[slot]",
        "started": "return max(now, started[slot] + keep_alive[slot])",
        "first_freed": "return max(now, first_freed[slot] + keep_alive[slot])",
    },
    "cancel": {"none": "return True", "on_use": "return expires[slot] == now"},
    "boundary": {"before": "ENDS, READY, EXPIRES, GIVES_UP, ARRIVES = range(5)",
                 "after": "ENDS, READY, GIVES_UP, ARRIVES, EXPIRES = range(5)"},
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
        "failed": 'whole = row.service <= timeout\n        '
        'return min(row.service, timeout), "finished" if whole else "failed"',
    },
    "patience": {
        "none": "return None",
        "arrival": "return patience",
        "twice": "return 2 * patience",
    },
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

HEAD = '''"""Put together from parts.

genome: {genome}
"""

import heapq

{boundary}
'''

BODY = """

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

SUSPECTS: Mapping[str, tuple[str, ...]] = {
    "a start takes": ("start",),
    "keep-alive": ("clock", "cancel"),
    "timed out": ("patience", "serving"),
    "patience": ("patience", "serving"),
    "timeout": ("timeout",),
    "for its service": ("timeout",),
    "running": ("quota",),
    "horizon": ("end",),
    "memory": ("evicted",),
    "begin": ("choice", "turn", "serving"),
}
"""Words of a law that was broken, and the slots that it speaks of."""


class Assemblies:
    """The space, as ``simulator.domain_host.Space`` wants it."""

    SEEDS: Sequence[Mapping[str, Value]] = (
        {},
        {"quota": "below", "cancel": "on_use", "serving": "all"},
        {"timeout": "failed", "patience": "arrival", "serving": "all", "end": "cut"},
    )

    def __init__(self) -> None:
        self.genes = Genes(Assembly(), CHOICES, lambda _: {})
        self.from_source = self.genes.from_source
        self.random_genome = self.genes.random_genome
        self.mutate = self.genes.mutate
        self.crossover = self.genes.crossover

    def seed_genome(self, number: int) -> Assembly:
        found: Assembly = self.genes.with_values(Assembly(), self.SEEDS[number])
        return found

    def sample(self, rng: Random) -> Assembly:
        seeds = [self.seed_genome(number) for number in range(len(self.SEEDS))]
        found: Assembly = self.genes.near(rng, seeds, 5)
        return found

    def advice(self, genome: Assembly, metrics: Sequence[Mapping[str, Any]]) -> list[Assembly]:
        """Return what differs in a slot that a broken law speaks of."""
        broken = [str(each.get("law", "")) for each in metrics if not each.get("passed")]
        slots = [
            slot
            for words, suspects in SUSPECTS.items()
            for law in broken
            if words in law
            for slot in suspects
        ]
        return [
            self.genes.with_values(genome, {slot: option})
            for slot in dict.fromkeys(slots)
            for option in CHOICES[slot]
            if option != getattr(genome, slot)
        ]

    def nearest_genome(self, policy: str) -> Assembly | None:
        return None

    def emit(self, genome: Assembly, render: Any = None) -> str:
        """Return the source of the simulator."""
        source = HEAD.replace("{genome}", self.genes.to_text(genome)) + BODY
        for slot, parts in PARTS.items():
            source = source.replace("{" + slot + "}", parts[getattr(genome, slot)])
        return re.sub(r"\n{4,}", "\n\n\n", source)

    def title(self, genome: Assembly) -> str:
        plain = Assembly()
        changed = [
            name for name in self.genes.names if getattr(genome, name) != getattr(plain, name)
        ]
        return ", ".join(f"{name} {getattr(genome, name)}" for name in changed) or "as in a hurry"


RIGHT = Assembly(
    choice="freed_last", quota="below", cancel="on_use", victim="oldest", timeout="failed",
    patience="arrival", serving="all", ties="instance", end="cut",
)  # fmt: skip
"""What the specification says; only tests know it, no search does."""

space = Assemblies()
