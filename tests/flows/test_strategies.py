"""Strategies: what an iteration tries, what proposals see, and who their parents are."""

from collections import Counter
from itertools import product
from random import Random
from typing import Any

from flows.attempt import SeenAttempt
from flows.history.records import Row
from flows.search.loop import run_search
from flows.search.strategies import (
    Plan,
    front,
    make_strategy,
    other_parents,
    pick_by_rank,
    population,
)
from tests.support.search_fakes import (
    DOMAIN,
    FakeJournal,
    FakeProposer,
    better_each_time,
    config,
    evaluation,
    services,
)

BY = DOMAIN.spec.objective()
STRATEGIES = ("refine", "best_of_n", "evolve")


def attempt(iteration: int, score: float, **changes: Any) -> SeenAttempt:
    """Return a good attempt whose latencies follow from its score."""
    latencies = changes.pop("latencies", (50 / score, 50 / score))
    fields: dict[str, Any] = {
        "iteration": iteration,
        "slot": 0,
        "candidate": f"{iteration:064x}",
        "origin": "offline" if iteration else "baseline",
        "operator": "seed",
        "source": f"latency = {iteration}",
        "outcome": "ok",
        "score": score,
        "evaluations": tuple(
            evaluation(name, each) for name, each in zip(("one", "two"), latencies, strict=True)
        ),
        **changes,
    }
    return SeenAttempt(**fields)


PAST = [attempt(n, 1.0 + n / 10) for n in range(6)]


def plans(strategy: str, **settings: Any) -> list[Plan]:
    made = make_strategy(config(strategy=strategy, **settings), {})
    return [made.plan(PAST, 6, slot) for slot in range(200)]


def iterations(attempts: Any) -> list[int]:
    return [each.iteration for each in attempts]


def test_refine_shows_everything_earlier_and_leaves_the_rest_to_the_proposer() -> None:
    plan = make_strategy(config(), {}).plan(PAST, 3, 0)

    assert iterations(plan.visible) == [0, 1, 2]
    assert (plan.move, plan.chosen) == ("free", ())


def test_independent_samples_see_the_baselines_alone() -> None:
    for plan in plans("best_of_n"):
        assert iterations(plan.visible) == [0]
        assert (plan.move, plan.chosen) == ("fresh", ())


def test_evolve_makes_its_moves_in_the_configured_shares() -> None:
    found = plans("evolve", evolve__crossover=0.3, evolve__fresh=0.2)
    moves = Counter(plan.move for plan in found)

    assert 25 <= moves["fresh"] <= 60
    assert 40 <= moves["combine"] <= 85
    assert {len(plan.chosen) for plan in found if plan.move == "combine"} == {2}
    assert {len(plan.chosen) for plan in found if plan.move == "vary"} == {1}
    assert all(plan.chosen[0] is not plan.chosen[1] for plan in found if plan.move == "combine")


def test_evolve_plans_the_same_for_the_same_seed_and_place() -> None:
    assert plans("evolve", seed=4) == plans("evolve", seed=4)
    assert plans("evolve", seed=4) != plans("evolve", seed=5)


def test_evolve_without_anyone_fit_starts_afresh() -> None:
    plan = make_strategy(config(strategy="evolve"), {}).plan([attempt(0, 1.0, outcome="x")], 1, 0)

    assert (plan.move, plan.chosen) == ("fresh", ())


def test_better_attempts_have_more_descendants() -> None:
    people, rng = population(PAST, 6, BY), Random(1)
    counts = Counter(pick_by_rank(people, rng).iteration for _ in range(2000))

    assert [iteration for iteration, _ in counts.most_common()] == [5, 4, 3, 2, 1, 0]


def test_the_barred_the_failed_and_the_repeated_have_no_descendants() -> None:
    unfit = [
        attempt(7, 9.0, standing="barred"),
        attempt(8, 9.0, outcome="policy_error"),
        attempt(9, 9.0, duplicate_of="1/0"),
        attempt(10, 9.0, source=None),
    ]

    assert iterations(population([*PAST, *unfit], 20, BY)) == [5, 4, 3, 2, 1, 0]
    assert iterations(population([*PAST, attempt(7, 9.0, standing="refused")], 2, BY)) == [7, 5]


def test_a_population_holds_what_differs_before_what_is_alike() -> None:
    twins = [attempt(n, 2.0 - n / 1e5, latencies=(25.0, 25.0)) for n in range(4)]
    other = attempt(9, 1.2, latencies=(10.0, 90.0))

    assert iterations(population([*twins, other], 3, BY)) == [0, 9, 1]


def test_the_other_parent_is_better_somewhere_where_there_is_one() -> None:
    first = attempt(1, 2.0, latencies=(20.0, 30.0))
    worse = attempt(2, 1.0, latencies=(50.0, 50.0))
    better_on_two = attempt(3, 1.5, latencies=(60.0, 20.0))
    people = [(first, 1), (worse, 1), (better_on_two, 1)]

    assert other_parents(people, first, BY) == [(better_on_two, 1)]
    assert other_parents(people[:2], first, BY) == [(worse, 1)]
    assert other_parents(people[:1], first, BY) == []


def test_the_front_holds_who_is_best_in_a_family_of_scenarios_as_often_as_it_is() -> None:
    everywhere = attempt(1, 2.0, latencies=(20.0, 30.0))
    on_two = attempt(2, 1.5, latencies=(60.0, 20.0))
    nowhere = attempt(3, 1.9, latencies=(21.0, 31.0))
    barred = attempt(4, 9.0, latencies=(1.0, 1.0), standing="barred")
    attempts = [everywhere, on_two, nowhere, barred]

    assert front(attempts, {"one": "a", "two": "b"}, BY) == [(everywhere, 1), (on_two, 1)]
    assert front(attempts, {"one": "a", "two": "a"}, BY) == [(everywhere, 1), (on_two, 1)]
    assert front([everywhere, nowhere], {"one": "a", "two": "b"}, BY) == [(everywhere, 2)]


def test_parents_from_the_front_are_drawn_by_the_families_they_lead() -> None:
    settings = config(strategy="evolve", evolve__parents="front")
    made = make_strategy(settings, {"one": "a", "two": "b"})
    past = [*PAST, attempt(6, 1.2, latencies=(10.0, 90.0))]

    found = [made.plan(past, 7, slot) for slot in range(200)]

    firsts = Counter(plan.chosen[0].iteration for plan in found if plan.chosen)
    assert set(firsts) == {5, 6}


def test_the_same_configuration_gives_the_same_search() -> None:
    def rows(strategy: str, slots: int) -> list[Row]:
        journal = FakeJournal()
        proposer = FakeProposer(better_each_time)
        settings = config(strategy=strategy, slots=slots, budget__candidates=7)
        run_search(settings, services(proposer, journal=journal))
        requests = [(r.iteration, r.slot, r.move, r.chosen, r.best) for r in proposer.requests]
        assert len(requests) == 7
        return journal.rows

    for strategy, slots in product(STRATEGIES, (1, 3)):
        assert rows(strategy, slots) == rows(strategy, slots)


def test_samples_are_told_of_the_best_baseline_only() -> None:
    proposer = FakeProposer(better_each_time)

    run_search(config(strategy="best_of_n"), services(proposer))

    assert {(r.best.iteration if r.best else None, r.move) for r in proposer.requests} == {
        (0, "fresh")
    }
