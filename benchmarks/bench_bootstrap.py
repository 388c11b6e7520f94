"""How well checks tell right simulators from wrong ones, on the small platform of the examples.

Mutants of a right simulator, right simulators in several styles, simulators put together from parts
until one is accepted, and policies that were chosen on a simulator and then measured on the engine.
The mutants and the checks have one author, so the score flatters. Checks run without cells, in as
many processes as there are processors.
"""

import hashlib
import math
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from random import Random
from statistics import median
from typing import Any, TypeVar

from benchmarks.measure import LEAST, missed, sized
from flows.attempt import ProposalRequest, SeenAttempt
from flows.judging.guards import PROMOTED, REFUSED
from flows.proposers.offline.proposer import OfflineProposer
from sandbox.outcome import Evaluation, Outcome
from simulator.bootstrap.check_spec import Check
from simulator.bootstrap.domain_spec import bootstrap_spec
from simulator.bootstrap.host import BootstrapHost
from simulator.bootstrap.mutants import mutants_of
from tests.support.systems import examined, mutants_of_small_faas, system, verdict

GENERIC = 10
GENERIC_SEED = 1
SEEDS = range(sized(4, 1))
MOST_TRIED = sized(200, 3)
"""Assemblies that a search may try."""
MOST_SECONDS = sized(120, 10)
"""CPU seconds after which a search tries no more; it counts as one that accepted nothing."""
DRAWN = sized(200, 2)
"""Assemblies that are drawn by chance."""
TIMES, LEAST_SECONDS = 10.0, 1.0
"""What never ends is stopped after a multiple of what a right simulator takes."""
LEAST_KILLED, LEAST_MUTANTS = 36, 40
STYLES = ("good", "scan", "processes")
POLICIES = sized(60, 2)
CHOSEN_ON, MEASURED_ON = range(201, 205), range(301, 305)

EXAMPLE = system("small-faas")
SHOWN = [each for each in EXAMPLE.checks if each.split == "shown"]
HELD = sorted(
    (each for each in EXAMPLE.checks if each.split == "held"),
    key=lambda each: (each.kind == "analytic", each.kind == "reference", each.kind != "worked"),
)
"""The dear ones last: what fails a cheap one is not put to them."""

Item = TypeVar("Item")
Found = TypeVar("Found")


def main() -> None:
    """Print all figures; end with an error if a right one is refused or too many mutants live."""
    for measure in (
        measure_mutants,
        measure_right_ones,
        measure_assemblies,
        measure_policies,
        measure_broker,
    ):
        began = time.monotonic()
        measure()
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)


def side_by_side(call: Callable[[Item], Found], items: Iterable[Item]) -> Iterator[Found]:
    """Yield what a function returns for each item, in their order, from several processes."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        yield from pool.map(call, items)


# Mutants.


def measure_mutants() -> None:
    mutants = mutants_of_small_faas()
    good = EXAMPLE.source("simulators/good.py")
    for each in mutants_of(good, GENERIC, GENERIC_SEED):
        mutants[f"line {each.line}: {each.change}"] = each.source
    some = dict(list(mutants.items())[:: sized(1, 20)])
    noticed = dict(zip(some, side_by_side(noticed_by, some.values()), strict=True))
    alone = sum(held not in ("", "reference") for _, held in noticed.values())
    killed = sum(held != "" for _, held in noticed.values())
    print(f"mutants of a right simulator: {len(some)}")
    print(f"  killed by held checks        {killed}")
    print(f"  ... without the reference    {alone}")
    print(f"  killed by shown checks       {sum(shown for shown, _ in noticed.values())}")
    for name, (_, held) in noticed.items():
        if not held:
            print(f"  survives: {name}")
    if killed < LEAST_KILLED or len(some) < LEAST_MUTANTS:
        missed(f"{killed} of {len(some)} mutants killed, at least {LEAST_KILLED}")


def noticed_by(source: str) -> tuple[bool, str]:
    """Return whether shown checks notice a mutant, and the kind of the held check that does.

    The reference is asked last, so it is named only where no other check notices.
    """
    last = sorted(HELD, key=lambda each: each.kind == "reference")
    held = next((check.kind for check in last if _fails(check, source)), "")
    return any(_fails(check, source) for check in SHOWN), held


def _fails(check: Check, source: str) -> bool:
    return verdict(EXAMPLE, check, source, _seconds_for(check.name)) == "fail"


@cache
def _seconds_for(name: str) -> float:
    """Return the CPU seconds after which a check is failed: 10 times those of a right simulator."""
    (check,) = (each for each in (*SHOWN, *HELD) if each.name == name)
    began = time.process_time()
    examined(EXAMPLE, check, EXAMPLE.source("simulators/good.py"))
    return max(LEAST_SECONDS, TIMES * (time.process_time() - began))


# Right simulators.


def measure_right_ones() -> None:
    checks = [each for each in EXAMPLE.checks if each.split != "final"][:: sized(1, 8)]
    asked = [(style, check) for style in STYLES[: sized(3, 1)] for check in checks]
    refused = [each for each in side_by_side(_refusal, asked) if each]
    print(f"right simulators in {len(STYLES)} styles: {len(refused)} false alarms")
    if refused:
        missed(f"right simulators are refused by {refused}")


def _refusal(asked: tuple[str, Check]) -> str:
    style, check = asked
    passes = verdict(EXAMPLE, check, EXAMPLE.source(f"simulators/{style}.py")) == "pass"
    return "" if passes else f"{style}: {check.name}"


# Simulators put together from parts.

SPACE: Any = BootstrapHost(EXAMPLE.root).space


@dataclass(frozen=True, kw_only=True)
class Searched:
    """How a search for an assembly went."""

    seed: int
    tried: int
    accepted: bool
    refused: int
    """Assemblies that pass all that is shown and that held checks refuse."""
    seconds: float


def measure_assemblies() -> None:
    size = math.prod(len(options) for options in SPACE.genes.choices.values())
    print(f"assemblies: {size:,} of {len(SPACE.genes.names)} parts")
    drawn = list(side_by_side(_drawn, range(DRAWN)))
    print(
        f"  of {DRAWN} drawn by chance, {sum(shown for shown, _ in drawn)} pass what is shown and "
        f"{sum(held for _, held in drawn)} what is held too"
    )
    found = []
    for each in side_by_side(search, SEEDS):
        found.append(each)
        how = "accepted" if each.accepted else "none accepted"
        print(
            f"    seed {each.seed}: {how} after {each.tried}, {each.seconds:.0f} CPU s, "
            f"{each.refused} passed all that is shown and were refused by held checks",
            flush=True,
        )
    tries = [each.tried for each in found if each.accepted] or [0]
    print(
        f"  accepted with {sum(each.accepted for each in found)} of {len(found)} seeds, after "
        f"{median(tries):.0f} tries in the median, {min(tries)} to {max(tries)}; refused by held "
        f"checks after all that is shown: {sum(each.refused for each in found)}"
    )


def _drawn(number: int) -> tuple[bool, bool]:
    source = SPACE.emit(SPACE.random_genome(Random(f"drawn/{number}")))
    shown = not any(_fails(check, source) for check in SHOWN)
    return shown, shown and not any(_fails(check, source) for check in HELD)


def search(seed: int) -> Searched:
    """Search as ``assay bootstrap`` does: shown checks guide, held checks promote or refuse."""
    proposer = OfflineProposer(SPACE, bootstrap_spec(EXAMPLE.spec).objective())
    began, refused = time.process_time(), 0
    attempts: list[SeenAttempt] = []
    most, passed_before = 0, frozenset[str]()
    while len(attempts) < MOST_TRIED and time.process_time() - began < MOST_SECONDS:
        proposal = proposer.propose(_request(seed, attempts))
        source = proposal.source or ""
        shown = [shown_evaluation(check.name, source) for check in SHOWN]
        count = sum((each.metrics or {})["passed"] for each in shown)
        standing = ""
        if count >= most:  # as the search itself does: only then held checks are tried
            held = _held(source, passed_before, count > most)
            standing = REFUSED
            if held is not None:
                standing, most, passed_before = PROMOTED, count, held
            refused += count == len(SHOWN) and (held is None or len(held) < len(HELD))
        attempts.append(_attempt(len(attempts) + 1, source, proposal.title, shown, standing))
        if most == len(SHOWN) and len(passed_before) == len(HELD):
            break
    return Searched(
        seed=seed,
        tried=len(attempts),
        accepted=most == len(SHOWN) and len(passed_before) == len(HELD),
        refused=refused,
        seconds=time.process_time() - began,
    )


@cache
def shown_evaluation(name: str, source: str) -> Evaluation:
    """Return how a simulator did on a shown check."""
    (check,) = (each for each in SHOWN if each.name == name)
    result = examined(EXAMPLE, check, source, _seconds_for(name))
    return Evaluation(scenario=name, outcome=Outcome.OK, metrics=result.metrics)


@cache
def _passes_held(name: str, source: str) -> bool:
    (check,) = (each for each in HELD if each.name == name)
    return not _fails(check, source)


def _held(source: str, before: frozenset[str], gained: bool) -> frozenset[str] | None:
    """Return which held checks pass, None where a simulator is refused by them.

    That is where one fails that passed before, or none passes that did not and nothing is
    ``gained`` on shown ones. What is cheap is asked first.
    """
    cheap = {each.name for each in HELD if each.kind != "analytic"}
    if not all(_passes_held(each.name, source) for each in HELD if each.name in before & cheap):
        return None
    new = {
        each.name for each in HELD if each.name not in before and _passes_held(each.name, source)
    }
    if not new and not gained:
        return None
    dear = (each.name for each in HELD if each.name in before - cheap)
    return before | new if all(_passes_held(name, source) for name in dear) else None


def _request(seed: int, attempts: Sequence[SeenAttempt]) -> ProposalRequest:
    return ProposalRequest(
        experiment_id="",
        seed=seed,
        iteration=len(attempts) + 1,
        slot=0,
        prompt=None,
        attempts=tuple(attempts),
        best=None,
        record_call=lambda _: None,
    )


def _attempt(
    number: int, source: str, title: str, shown: Sequence[Evaluation], standing: str
) -> SeenAttempt:
    return SeenAttempt(
        iteration=number,
        slot=0,
        candidate=hashlib.sha256(source.encode()).hexdigest(),
        title=title,
        origin="offline",
        operator="tune",
        source=source,
        outcome="ok",
        score=2.0 ** (sum((each.metrics or {})["passed"] for each in shown) / len(shown)),
        evaluations=tuple(shown),
        standing=standing,
    )


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
    own = list(side_by_side(partial(_cost, reference, seeds=CHOSEN_ON), policies))
    best = min(range(POLICIES), key=own.__getitem__)
    print(f"the best of {POLICIES} policies by the cost on a simulator, then on the engine:")
    for name, source in (
        ("accepted", EXAMPLE.source("simulators/scan.py")),
        ("passes only what is shown", almost),
    ):
        costs = list(side_by_side(partial(_cost, source, seeds=CHOSEN_ON), policies))
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


# What the broker costs.


def measure_broker() -> None:
    """Print what ``python -m benchmarks broker`` prints; it binds its process to one processor."""
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "benchmarks", "broker"], check=not LEAST)


if __name__ == "__main__":
    main()
