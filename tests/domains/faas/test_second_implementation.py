"""A second, naive simulator agrees with the engine on random scenarios, row by row."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.metrics import compute_stats
from simulator.domains.faas.world import World
from tests.domains.faas.naive import Naive
from tests.domains.faas.random_worlds import random_policy, worlds
from tests.domains.faas.support import Played
from tests.support.examples import at_night

Step = Callable[..., list[Any]]


def check_same(world: World, make_step: Callable[[], Step]) -> None:
    """Run both and compare every observation, every decision and every sum."""
    played = Played(make_step())
    simulation = Simulation(world, played)
    simulation.run()
    stats = compute_stats(simulation)
    second = Played(make_step())
    second.start(world.setup)
    naive = Naive(world, lambda observation: second.decide(observation, lambda _: None))
    naive.run()

    for mine, other in zip(played.seen, naive.seen, strict=False):
        assert mine == other
    assert len(played.seen) == len(naive.seen) == simulation.policy_calls
    expected = naive.figures()
    assert {key: stats[key] for key in expected} == expected
    digest = sha256()
    for now, acts in naive.decisions:
        rows = " ".join(",".join(str(int(each)) for each in act) for act in acts)
        digest.update(f"{now} {rows}\n".encode())
    assert simulation.digest.hexdigest() == digest.hexdigest()


@settings(max_examples=at_night(150))
@given(worlds(), st.integers(0, 1000))
def test_both_agree_on_random_scenarios_and_policies(world: World, seed: int) -> None:
    check_same(world, lambda: random_policy(seed))


@pytest.mark.nightly
@settings(max_examples=3000)
@given(worlds(most=45), st.integers(0, 10**6))
def test_both_agree_on_many_larger_scenarios(world: World, seed: int) -> None:
    check_same(world, lambda: random_policy(seed))
