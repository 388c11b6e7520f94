"""What the offline proposer does when the strategy says how, and what tuning looks at."""

import random
from collections.abc import Sequence

import pytest

from flows.attempt import Move, Proposal, ProposalRequest, SeenAttempt
from flows.history.records import LlmCallRow
from flows.judging.scoring import normalised_sha256
from flows.proposers.offline.proposer import offline_proposer, trailing
from sandbox.outcome import Evaluation
from simulator.domain import find_domain
from simulator.domains.pipelines.library import policy_source
from simulator.domains.pipelines.offline.space import GENES, Genome
from tests.support.attempts import attempt, evaluation
from tests.support.offline import emit

NAMES = GENES.names
from_source = GENES.from_source
random_genome = GENES.random_genome

LATENCY = find_domain("pipelines").spec.objective("weighted_latency")


def no_call(_: LlmCallRow) -> None:
    raise AssertionError("the offline proposer calls nobody")


def asked(
    move: Move,
    chosen: Sequence[SeenAttempt] = (),
    seen: Sequence[SeenAttempt] = (),
    iteration: int = 9,
) -> Proposal:
    return offline_proposer(find_domain()).propose(
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


def test_a_policy_trails_where_another_was_most_ahead_of_it() -> None:
    own, other = timed(a=10, b=90, c=50), timed(a=20, b=80, c=10)

    assert [each.scenario for each in trailing(own, [other], LATENCY)] == ["c"]
    assert trailing((), [other], LATENCY) == []


def test_where_more_is_better_the_smaller_figure_trails() -> None:
    own = [
        evaluation(name, pipelines_completed_per_hour=n)
        for name, n in zip("abc", (9, 5, 7), strict=True)
    ]
    goodput = find_domain("pipelines").spec.objective("goodput")

    other = [evaluation(name, pipelines_completed_per_hour=10.0) for name in "abc"]
    assert [each.scenario for each in trailing(own, [other], goodput)] == ["b"]


def timed(**seconds: float) -> list[Evaluation]:
    return [evaluation(name, weighted_latency_seconds=seconds[name]) for name in seconds]
