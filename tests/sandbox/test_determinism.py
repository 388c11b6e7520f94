"""Chance in a policy: shut out, made to repeat by the cell, or found by a second try."""

from collections.abc import Iterator

import pytest

from flows.judging.objectives import Reference
from flows.judging.scoring import judge
from sandbox.outcome import Outcome
from sandbox.trial import Sandbox
from tests.support.cells import HONEST, TIGHT, small_scenario

SMALL = small_scenario()
OTHERS = [small_scenario("other"), small_scenario("third", duration=8)]
REFERENCES = {
    name: Reference(weighted_latency_seconds=1.0, duration_seconds=10.0)
    for name in ("small", "other", "third")
}
REACH = "import enum\nsys = enum.sys\n"
OBJECTS = "things = [object() for _ in range(9)]\n"

RESTLESS = {
    "the time of day": "sys.modules['time'].time_ns()",
    "a stopwatch": "sys.modules['time'].perf_counter_ns()",
    "its own cpu time": "sys.modules['time'].process_time_ns()",
    "the address of an object": "id(things[0]) >> 4",
    "the hash of an object": "hash(things[0])",
    "the order of addresses": "sorted(range(9), key=lambda n: id(things[n]))[0] * 7",
    "the order of a set of objects": "things.index(next(iter(set(things)))) * 7 + id(things[0])",
}
REPEATING = {
    "random numbers": "__import__('random').randrange(1 << 30)",
    "a generator without a seed of its own": "__import__('random').gauss(500, 100)",
    "the hash of a text": "hash('a text')",
    "the order of a set of texts": "['x', 'y', 'z'].index(next(iter({'x', 'y', 'z'})))",
    "the hash of a tuple": "hash((1, 'b', 2.5))",
}
SHUT_OUT = {
    "noise of the kernel": "sys.modules['os'].urandom(2)[0]",
    "random numbers of the system": "__import__('random').SystemRandom().randrange(1 << 30)",
    "a file of noise": "open('/dev/urandom', 'rb').read(1)[0]",
}
KINDS = [pytest.param("docker", marks=pytest.mark.docker), "process"]


@pytest.fixture(scope="module", params=KINDS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(TIGHT, cell=request.param) as opened:
        yield opened


def leaning_on(value: str) -> str:
    """Return the honest policy, but for the memory of a container, which follows ``value``."""
    source = HONEST.replace("Assignment([op], 1, 4,", "Assignment([op], 1, 4 + extra,")
    source = source.replace(
        "    for p in s", f"    extra = int({value}) % 997 / 4096\n    for p in s"
    )
    return REACH + OBJECTS + source.replace("ram >= 4", "ram >= 5")


@pytest.mark.parametrize("value", RESTLESS.values(), ids=RESTLESS)
def test_a_policy_that_leans_on_chance_is_found_by_the_second_try(
    sandbox: Sandbox, value: str
) -> None:
    trial = sandbox.try_unscreened(leaning_on(value), [SMALL, *OTHERS, SMALL])

    verdict = judge(trial, REFERENCES)

    assert {one.outcome for one in trial.evaluations} == {Outcome.OK}
    assert verdict.outcome is Outcome.NONDETERMINISTIC


@pytest.mark.parametrize("value", REPEATING.values(), ids=REPEATING)
def test_chance_that_the_cell_seeds_repeats_in_every_cell(sandbox: Sandbox, value: str) -> None:
    source = leaning_on(value)

    trials = [sandbox.try_unscreened(source, [SMALL, SMALL]) for _ in range(2)]

    hashes = {one.decision_sha256 for trial in trials for one in trial.evaluations}
    assert {trial.outcome for trial in trials} == {Outcome.OK}
    assert len(hashes) == 1
    assert judge(trials[0], REFERENCES).outcome is Outcome.OK


@pytest.mark.parametrize("value", SHUT_OUT.values(), ids=SHUT_OUT)
def test_chance_from_the_system_is_out_of_reach(sandbox: Sandbox, value: str) -> None:
    (ended,) = sandbox.try_unscreened(leaning_on(value), [SMALL]).evaluations

    assert ended.outcome is Outcome.POLICY_ERROR
    assert ended.problem is not None
    assert "Error: " in ended.problem.message
    assert "Operation not permitted" in ended.problem.message
