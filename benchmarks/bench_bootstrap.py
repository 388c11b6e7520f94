"""How well checks tell right simulators from wrong ones, on the small platform of the examples.

Mutants of a right simulator, right simulators in several styles, simulators put together from parts
until one is accepted, and policies that were chosen on a simulator and then measured on the engine.
The mutants and the checks have one author, so the score flatters. All of it runs in this process.
"""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from statistics import median
from typing import Any

from benchmarks.measure import missed, sized
from simulator.bootstrap.check_spec import Check
from simulator.bootstrap.host import BootstrapHost
from simulator.bootstrap.mutants import mutants_of
from tests.support.systems import mutants_of_small_faas, system, verdict

GENERIC = 10
GENERIC_SEED = 1
SEEDS = range(sized(10, 1))
MOST_TRIED = sized(200, 3)
"""Assemblies that a search may try; one that accepts none counts as this many."""
LEAST_KILLED, LEAST_MUTANTS = 36, 40
STYLES = ("good", "scan", "processes")
RESTART = 60
"""Tries without gain after which hill climbing begins anew."""
POLICIES = sized(60, 2)
CHOSEN_ON, MEASURED_ON = range(201, 205), range(301, 305)

DEAR = ("causality", "reference", "analytic")
EXAMPLE = system("small-faas")
SHOWN = [each for each in EXAMPLE.checks if each.split == "shown"]
HELD = sorted(
    (each for each in EXAMPLE.checks if each.split == "held"),
    key=lambda each: (each.kind == "analytic", each.kind in DEAR, each.kind != "worked"),
)
"""The dear ones last: what fails a cheap one is not put to them."""
TIERS = [
    [each for each in HELD if each.kind != "analytic"],
    [each for each in HELD if each.kind == "analytic"],
]


def main() -> None:
    """Print all figures; end with an error if a right one is refused or too many mutants live."""
    measure_mutants()
    measure_right_ones()
    measure_assemblies()
    measure_policies()


# Mutants.


def measure_mutants() -> None:
    mutants = mutants_of_small_faas()
    good = EXAMPLE.source("simulators/good.py")
    for each in mutants_of(good, GENERIC, GENERIC_SEED):
        mutants[f"line {each.line}: {each.change}"] = each.source
    some = dict(list(mutants.items())[:: sized(1, 20)])
    killers = {name: list(_failing(HELD, source)) for name, source in some.items()}
    shown = sum(not _passes(SHOWN, source) for source in some.values())
    alone = sum(any(check.kind != "reference" for check in each) for each in killers.values())
    killed = sum(map(bool, killers.values()))
    print(f"mutants of a right simulator: {len(some)}")
    print(f"  killed by held checks        {killed}")
    print(f"  ... without the reference    {alone}")
    print(f"  killed by shown checks       {shown}")
    for name, checks in killers.items():
        if not checks:
            print(f"  survives: {name}")
    if killed < LEAST_KILLED or len(some) < LEAST_MUTANTS:
        missed(f"{killed} of {len(some)} mutants killed, at least {LEAST_KILLED}")


def _failing(checks: Sequence[Check], source: str) -> Iterator[Check]:
    """Yield the checks that a source fails, but no dear ones once a cheap one has."""
    found = False
    for check in checks:
        if found and check.kind == "analytic":
            return
        if verdict(EXAMPLE, check, source) == "fail":
            found = True
            yield check


def _passes(checks: Sequence[Check], source: str) -> bool:
    return all(verdict(EXAMPLE, check, source) != "fail" for check in checks)


# Right simulators.


def measure_right_ones() -> None:
    checks = [each for each in EXAMPLE.checks if each.split != "final"]
    refused = [
        f"{style}: {check.name}"
        for style in STYLES[: sized(3, 1)]
        for check in checks[:: sized(1, 8)]
        if verdict(EXAMPLE, check, EXAMPLE.source(f"simulators/{style}.py")) != "pass"
    ]
    print(f"right simulators in {len(STYLES)} styles: {len(refused)} false alarms")
    if refused:
        missed(f"right simulators are refused by {refused}")


# Simulators put together from parts.

SPACE: Any = BootstrapHost(EXAMPLE.root).space
Assembly = Any
Search = Callable[[Random, "Tries"], None]


class Accepted(Exception):
    """A search has ended."""


@cache
def shown_verdicts(assembly: Assembly) -> tuple[bool, ...]:
    """Return which shown checks an assembly passes."""
    source = SPACE.emit(assembly)
    return tuple(verdict(EXAMPLE, check, source) != "fail" for check in SHOWN)


@cache
def held_passed(assembly: Assembly) -> int:
    """Return how many held checks an assembly passes; dear ones only after all that are cheaper."""
    source, passed = SPACE.emit(assembly), 0
    for tier in TIERS:
        good = sum(verdict(EXAMPLE, check, source) != "fail" for check in tier)
        passed += good
        if good < len(tier):
            break
    return passed


@dataclass
class Tries:
    """What one search has tried: a score for each, and which checks each assembly failed."""

    scores: dict[Assembly, int] = field(default_factory=dict)
    refused: int = 0
    """Assemblies that pass all that is shown and that held checks refuse."""

    def score(self, assembly: Assembly) -> int:
        """Return how many shown checks pass, and if all do, how many held ones do too."""
        if assembly not in self.scores:
            if len(self.scores) >= MOST_TRIED:
                raise Accepted
            passed = sum(shown_verdicts(assembly))
            if passed == len(SHOWN):
                held = held_passed(assembly)
                passed += held
                self.refused += held < len(HELD)
            self.scores[assembly] = passed
            if passed == len(SHOWN) + len(HELD):
                raise Accepted
        return self.scores[assembly]

    @property
    def accepted(self) -> bool:
        return len(SHOWN) + len(HELD) in self.scores.values()


def by_chance(rng: Random, tries: Tries) -> None:
    """Draw from the whole space."""
    while True:
        tries.score(SPACE.random_genome(rng))


def by_climbing(rng: Random, tries: Tries) -> None:
    """Change one to three parts, keep what is as good; begin anew when nothing helps."""
    while True:
        here, since = SPACE.sample(rng), 0
        height = tries.score(here)
        while since < RESTART:
            other = SPACE.mutate(rng, here)
            since += 1
            if tries.score(other) >= height:
                since = 0 if tries.score(other) > height else since
                here, height = other, tries.score(other)


def by_suspicion(rng: Random, tries: Tries) -> None:
    """Change one part at a time: the one that occurs most in assemblies that fail (Ochiai).

    When no part is left to change, go on from an equal one or begin anew.
    """
    while True:
        here = SPACE.sample(rng)
        been = {here}
        height = tries.score(here)
        while True:
            suspicion = suspicions(tries)
            around = sorted(_neighbours(here), key=lambda each: -_gain(here, each, suspicion))
            untried = [each for each in around if each not in tries.scores]
            equal = [each for each in around if tries.scores.get(each, -1) >= height]
            equal = [each for each in equal if each not in been]
            if not untried and not equal:
                break
            other = untried[0] if untried else rng.choice(equal)
            if tries.score(other) > height or not untried:
                here, height = other, tries.score(other)
                been.add(here)


def _neighbours(assembly: Assembly) -> list[Assembly]:
    """Return what differs in one part."""
    return [
        SPACE.genes.with_values(assembly, {name: option})
        for name in SPACE.genes.names
        for option in SPACE.genes.choices[name]
        if option != getattr(assembly, name)
    ]


def _gain(here: Assembly, other: Assembly, suspicion: Mapping[tuple[str, Any], float]) -> float:
    """Return how much less suspicious the other one's part is; what was never seen is not."""
    parts = [(name, getattr(here, name), getattr(other, name)) for name in SPACE.genes.names]
    ((name, old, new),) = [part for part in parts if part[1] != part[2]]
    return suspicion.get((name, old), 0.0) - suspicion.get((name, new), 0.0)


def suspicions(tries: Tries) -> Mapping[tuple[str, Any], float]:
    """Return how suspicious each option of each slot is: Ochiai over assemblies and checks.

    An assembly counts as failing by the share of all checks that it fails.
    """
    most = len(SHOWN) + len(HELD)
    failing: dict[tuple[str, Any], float] = {}
    count: dict[tuple[str, Any], int] = {}
    total = 0.0
    for assembly, score in tries.scores.items():
        share = 1.0 - score / most
        total += share
        for name in SPACE.genes.names:
            part = (name, getattr(assembly, name))
            failing[part] = failing.get(part, 0.0) + share
            count[part] = count.get(part, 0) + 1
    return {part: share / math.sqrt(total * count[part]) for part, share in failing.items()}


def measure_assemblies() -> None:
    size = math.prod(len(options) for options in SPACE.genes.choices.values())
    print(f"assemblies: {size:,} of {len(SPACE.genes.names)} parts, {len(SEEDS)} seeds")
    searches = {"chance": by_chance, "climbing": by_climbing, "suspicion": by_suspicion}
    for name, search in searches.items():
        found = []
        for seed in SEEDS:
            found.append(_searched(search, seed))
            last = found[-1]
            print(
                f"    {name}, seed {seed}: {'accepted' if last.accepted else 'none accepted'} "
                f"after {len(last.scores)}, {last.refused} refused by held checks alone",
                flush=True,
            )
        tried = sorted(len(each.scores) for each in found)
        print(
            f"  {name:10} accepted {sum(each.accepted for each in found)} of {len(found)}; tried: "
            f"median {median(tried):.0f}, {tried[0]} to {tried[-1]}; refused after all that is "
            f"shown: {sum(each.refused for each in found)}"
        )
        sys.stdout.flush()


def _searched(search: Search, seed: int) -> Tries:
    tries = Tries()
    with contextlib.suppress(Accepted):
        search(Random(f"assemblies/{seed}"), tries)
    return tries


# Policies that are chosen on a simulator.

KNOBS: Mapping[str, Sequence[Any]] = {
    "KEEP_ALIVE": (0, 1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000),
    "SPARES": (0, 1, 2),
    "MOST_FREE_FIRST": (False, True),
    "WAITING_FOR_ONE_START": (1, 2, 3),
    "REJECT_AFTER": (0, 2_000_000, 5_000_000),
}
"""What a policy of the search may be; REJECT_AFTER 0 rejects nothing."""
POLICY = """
@register_policy(key="searched")
def decide(state):
    free = {
        node.number: node.memory - state.gauge("memory", node) + state.gauge("idle_memory", node)
        for node in state.rows("nodes")
    }
    decisions, wanted = [], {}
    for call in state.rows("invocations", "waiting"):
        if REJECT_AFTER and state.now - call.arrival > REJECT_AFTER:
            decisions.append(reject(invocation=call))
        else:
            wanted[call.function] = wanted.get(call.function, 0) + 1
    for function in wanted:
        wanted[function] = -(-wanted[function] // WAITING_FOR_ONE_START) + SPARES
    for slot in state.rows("slots", "starting"):
        if slot.function in wanted:
            wanted[slot.function] -= 1
    cold = state.rows("slots", "cold")
    if MOST_FREE_FIRST:
        cold.sort(key=lambda slot: (-free[slot.node], slot.number))
    for slot in cold:
        memory = state.row("functions", slot.function).memory
        if wanted.get(slot.function, 0) > 0 and free[slot.node] >= memory:
            wanted[slot.function] -= 1
            free[slot.node] -= memory
            decisions.append(start(slot=slot, keep_alive=KEEP_ALIVE))
    return decisions
"""


def measure_policies() -> None:
    rng = Random("policies")
    drawn = [{name: rng.choice(knob) for name, knob in KNOBS.items()} for _ in range(POLICIES)]
    policies = ["".join(f"{k} = {v!r}\n" for k, v in each.items()) + POLICY for each in drawn]
    reference = EXAMPLE.source("reference.py")
    almost = _code_of(EXAMPLE.source("replies/almost.md"))
    own = [_cost(reference, policy, CHOSEN_ON) for policy in policies]
    best = min(range(POLICIES), key=own.__getitem__)
    print(f"the best of {POLICIES} policies by the cost on a simulator, then on the engine:")
    for name, source in (
        ("accepted", EXAMPLE.source("simulators/scan.py")),
        ("passes only what is shown", almost),
    ):
        costs = [_cost(source, policy, CHOSEN_ON) for policy in policies]
        winner = min(range(POLICIES), key=costs.__getitem__)
        fresh = _cost(reference, policies[winner], MEASURED_ON)
        fresh_best = _cost(reference, policies[best], MEASURED_ON)
        print(
            f"  {name}: {costs[winner] / 1e6:.4f} s there, {own[winner] / 1e6:.4f} s on the "
            f"engine; loss against the engine's own choice {own[winner] / own[best] - 1:.2%}, on "
            f"fresh seeds {fresh / fresh_best - 1:.2%}"
        )


def _cost(simulator: str, policy: str, seeds: Sequence[int]) -> float:
    runs = [EXAMPLE.play(EXAMPLE.scenario("mixed", seed), simulator, policy) for seed in seeds]
    return math.fsum(float(each.run.metrics["cost"]) for each in runs) / len(runs)


def _code_of(reply: str) -> str:
    return reply.split("```python\n")[1].split("```", maxsplit=1)[0]


if __name__ == "__main__":
    main()
