"""What the offline proposer does when the strategy says how, and what tuning looks at."""

import random
from collections.abc import Sequence

import pytest

from flows.attempt import Move, Proposal, ProposalRequest, SeenAttempt
from flows.history.records import LlmCallRow
from flows.judging.scoring import normalised_sha256
from flows.proposers.offline.proposer import OfflineProposer
from flows.proposers.offline.space import (
    NAMES,
    Genome,
    emit,
    from_source,
    random_genome,
    with_values,
)
from flows.proposers.offline.vary import Measured, measure, remedies, trailing
from sandbox.outcome import Evaluation
from simulator.domains.pipelines.library import policy_source
from tests.support.attempts import attempt, evaluation


def no_call(_: LlmCallRow) -> None:
    raise AssertionError("the offline proposer calls nobody")


def asked(
    move: Move,
    chosen: Sequence[SeenAttempt] = (),
    seen: Sequence[SeenAttempt] = (),
    iteration: int = 9,
) -> Proposal:
    return OfflineProposer().propose(
        ProposalRequest(
            experiment_id="e", seed=1, iteration=iteration, slot=0, prompt=None,
            attempts=tuple(seen) or tuple(chosen), best=None, record_call=no_call, move=move,
            chosen=tuple(chosen),
        )
    )  # fmt: skip


def of_genome(genome: Genome, iteration: int = 1, **changed: object) -> SeenAttempt:
    fields = {"origin": "offline", "operator": "seed", "source": emit(genome), **changed}
    return attempt(iteration, **fields)


def genome_of(proposal: Proposal) -> Genome:
    genome = from_source(proposal.source or "")
    assert genome is not None
    return genome


def drawn(seed: int) -> Genome:
    return random_genome(random.Random(seed))


def test_a_fresh_policy_has_no_parents_and_no_two_are_alike() -> None:
    proposals = [asked("fresh", iteration=n) for n in range(1, 41)]

    assert {(each.operator, each.parents) for each in proposals} == {("sample", ())}
    assert len({normalised_sha256(each.source or "") for each in proposals}) == 40


def test_a_varied_policy_is_near_the_chosen_parent_and_names_it() -> None:
    parent = of_genome(drawn(1), evaluations=(evaluation(oom_kills=40),))
    for iteration in range(2, 42):
        proposal = asked("vary", [parent], iteration=iteration)

        assert proposal.parents == (parent.candidate,)
        assert proposal.operator in ("tune", "mutate")
        genome = genome_of(proposal)
        changed = [name for name in NAMES if getattr(genome, name) != getattr(drawn(1), name)]
        assert 1 <= len(changed) <= 8  # up to three, and what became idle by it


def test_a_combined_policy_has_genes_of_both_parents() -> None:
    mother, father = of_genome(drawn(1), 1), of_genome(drawn(2), 2)
    for iteration in range(3, 33):
        proposal = asked("combine", [mother, father], iteration=iteration)

        assert set(proposal.parents) == {mother.candidate, father.candidate}
        genome = genome_of(proposal)
        for name in NAMES:
            known = {getattr(each, name) for each in (drawn(1), drawn(2), Genome())}
            assert getattr(genome, name) in known | {genome.cpus}  # least_cpus: at most cpus


def test_a_library_policy_that_is_like_none_of_ours_gives_way_to_a_sample() -> None:
    naive = attempt(origin="baseline", title="naive", source=policy_source("naive"))
    alike = attempt(origin="baseline", title="right-size", source=policy_source("right-size"))

    assert asked("vary", [naive]).operator == "sample"
    assert asked("vary", [alike]).parents == (alike.candidate,)


@pytest.mark.parametrize("move", ["vary", "combine"])
def test_barred_parents_are_not_followed_even_when_chosen(move: Move) -> None:
    barred = [of_genome(drawn(n), n, standing="barred") for n in (1, 2)]

    assert asked(move, barred).parents == ()


def test_a_proposal_asked_for_is_never_one_that_was_seen() -> None:
    parent = of_genome(Genome())
    seen = [parent]
    for iteration in range(2, 62):
        proposal = asked("vary", [parent], seen, iteration)
        seen.append(of_genome(genome_of(proposal), iteration))

    assert len({normalised_sha256(each.source or "") for each in seen}) == len(seen)


def measured(**changed: float) -> Measured:
    calm = {
        "kills_per_completed": 0.0, "kill_cost": 0.0, "cpu_allocated": 0.65, "waiting": 0.25,
        "memory_allocated": 0.5, "memory_used": 0.8, "query_wait": 0.2, "starved": 0.0,
    }  # fmt: skip
    return Measured(**{**calm, **changed})


@pytest.mark.parametrize(
    ("figure", "gene", "better"),
    [
        ({"kill_cost": 0.4}, "start_gb", {40, 64}),
        ({"kill_cost": 0.4}, "probe_gb", {2}),
        ({"kills_per_completed": 9.0}, "quick_growth", {1.5}),
        ({"memory_used": 0.3}, "start_gb", {28}),
        ({"memory_used": 0.3}, "kinds", {"all"}),
        ({"cpu_allocated": 0.95}, "cpus", {2, 3}),
        ({"cpu_allocated": 0.3}, "spread", {2}),
        ({"memory_allocated": 0.1}, "idle_share", {0.25}),
        ({"query_wait": 0.9}, "query_reserve", {0.05}),
        ({"starved": 0.3}, "order", {"shortest", "smallest", "weighted"}),
        ({"waiting": 0.7}, "look_ahead", {64}),
    ],
)
def test_tuning_follows_from_the_measurements(
    figure: dict[str, float], gene: str, better: set[object]
) -> None:
    calm = {getattr(genome, gene) for genome in remedies(Genome(), measured())}
    advised = {getattr(genome, gene) for genome in remedies(Genome(), measured(**figure))}

    assert advised - calm - {getattr(Genome(), gene)} == better


def test_nothing_is_advised_to_a_policy_without_weaknesses() -> None:
    assert remedies(with_values(Genome(), {"use_estimate": True}), measured()) == []


def test_the_cost_of_kills_is_measured_and_not_only_their_number() -> None:
    cheap = measure([evaluation(oom_kills=90, oom_wasted_cpu_seconds=1.0)])
    dear = measure([evaluation(oom_kills=90, oom_wasted_cpu_seconds=540.0)])

    assert cheap.kills_per_completed == dear.kills_per_completed == 5.0
    assert (round(cheap.kill_cost, 3), dear.kill_cost) == (0.009, 5.0)


def test_a_policy_trails_where_another_was_most_ahead_of_it() -> None:
    own, other = timed(a=10, b=90, c=50), timed(a=20, b=80, c=10)

    assert [each.scenario for each in trailing(own, [other])] == ["c"]
    assert trailing((), [other]) == []


def timed(**seconds: float) -> list[Evaluation]:
    return [evaluation(name, weighted_latency_seconds=seconds[name]) for name in seconds]
