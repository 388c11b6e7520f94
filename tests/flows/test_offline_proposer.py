"""The offline proposer as a search: repeatable, without repeats, finding better policies."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from flows.attempt import Proposal, ProposalRequest, SeenAttempt
from flows.history.records import LlmCallRow
from flows.judging.scoring import normalised_sha256
from flows.proposers.offline.proposer import offline_proposer
from sandbox.outcome import Evaluation, Outcome
from sandbox.screen import screen
from simulator.domain import Run, find_domain
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import load_suite, policy_source
from simulator.domains.pipelines.offline import random_genome
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario import Scenario
from tests.support.attempts import evaluation
from tests.support.offline import emit


def no_call(_: LlmCallRow) -> None:
    raise AssertionError("the offline proposer calls nobody")


def propose(
    attempts: Sequence[SeenAttempt], iteration: int, seed: int = 1, slot: int = 0
) -> Proposal:
    return offline_proposer(find_domain()).propose(
        ProposalRequest(
            experiment_id="e", seed=seed, iteration=iteration, slot=slot, prompt=None,
            attempts=tuple(attempts), best=None, record_call=no_call,
        )
    )  # fmt: skip


def attempted(
    proposal: Proposal, iteration: int, score: float, evaluations: Sequence[Evaluation] = ()
) -> SeenAttempt:
    return SeenAttempt(
        iteration=iteration, slot=0, candidate=f"{iteration:064d}", title=proposal.title,
        origin=proposal.origin, operator=proposal.operator, parents=proposal.parents,
        source=proposal.source, outcome="ok", score=score, evaluations=tuple(evaluations),
    )  # fmt: skip


def played(candidates: int, seed: int = 1) -> list[SeenAttempt]:
    """Return a search whose scores are drawn, as no measuring is needed."""
    rng, attempts = random.Random(seed), list[SeenAttempt]()
    for iteration in range(1, candidates + 1):
        proposal = propose(attempts, iteration, seed)
        measured = (evaluation(oom_kills=40, cpu_allocated_percent=30.0),)
        attempts.append(attempted(proposal, iteration, rng.random(), measured))
    return attempts


@cache
def scenarios() -> tuple[Scenario, ...]:
    """Return one scenario of each family of the smallest suite."""
    families: dict[str, Scenario] = {}
    for scenario in load_suite("smoke").split("train"):
        families.setdefault(scenario.family, scenario)
    return tuple(families.values())


def latency(source: str, scenario: Scenario) -> tuple[float, Run]:
    run = simulate(scenario.workload, scenario.params, local_policy(source))
    return float(run.metrics["weighted_latency_seconds"]), run


def scored(source: str, baseline: Sequence[float]) -> tuple[float, list[Evaluation]]:
    """Return the score of a policy and its evaluations."""
    logs, evaluations = 0.0, []
    for scenario, other in zip(scenarios(), baseline, strict=True):
        seconds, run = latency(source, scenario)
        logs += math.log(other / seconds)
        evaluations.append(
            Evaluation(scenario=scenario.name, outcome=Outcome.OK, metrics=run.metrics)
        )
    return math.exp(logs / len(baseline)), evaluations


def test_the_same_request_gives_the_same_proposal() -> None:
    attempts = played(12)

    assert propose(attempts, 13) == propose(attempts, 13)
    assert propose(attempts, 13) != propose(attempts, 13, slot=1)
    assert propose(attempts, 13) != propose(attempts, 13, seed=2)


def test_no_policy_is_proposed_twice() -> None:
    sources = [attempt.source or "" for attempt in played(60)]

    assert len({normalised_sha256(source) for source in sources}) == 60


def test_slots_of_one_iteration_propose_different_policies() -> None:
    for attempts in ([], played(8), played(20)):
        proposals = [propose(attempts, 30, slot=slot) for slot in range(8)]

        assert len({normalised_sha256(proposal.source or "") for proposal in proposals}) == 8


def test_a_search_begins_with_seeds_and_goes_on_with_descendants() -> None:
    attempts = played(40)

    assert {attempt.operator for attempt in attempts[:6]} == {"seed"}
    assert {attempt.operator for attempt in attempts[6:]} == {"tune", "mutate", "crossover"}
    for attempt in attempts[6:]:
        assert len(attempt.parents) == (2 if attempt.operator == "crossover" else 1)
        assert all(int(parent) < attempt.iteration for parent in attempt.parents)


def test_parents_are_the_best_and_failures_never_are() -> None:
    attempts = played(30)
    bad = [attempted(propose([], 1), n, 99.0) for n in (31, 32)]
    failed = [
        SeenAttempt(iteration=bad[0].iteration, slot=0, candidate="f" * 64, origin="offline",
                operator="seed", source=bad[0].source, outcome="cpu_limit", score=99.0),
        SeenAttempt(iteration=bad[1].iteration, slot=0, candidate="d" * 64, origin="offline",
                operator="seed", source=bad[1].source, outcome="ok", score=99.0,
                duplicate_of="1/0"),
    ]  # fmt: skip
    best = max(attempts, key=lambda attempt: attempt.score or 0)

    chosen = [propose([*attempts, *failed], n).parents for n in range(33, 133)]

    counts = [sum(parent in parents for parents in chosen) for parent in ("f" * 64, "d" * 64)]
    assert counts == [0, 0]
    assert sum((best.candidate or "") in parents for parents in chosen) > 30


def test_a_barred_policy_has_no_descendants() -> None:
    attempts = played(20)
    best = max(attempts, key=lambda attempt: attempt.score or 0)
    barred = [replace(a, standing="barred") if a is best else a for a in attempts]

    chosen = [parent for n in range(21, 81) for parent in propose(barred, n).parents]

    assert best.candidate not in chosen
    assert any(best.candidate in propose(attempts, n).parents for n in range(21, 81))


def test_a_model_s_policy_without_a_genome_is_not_disturbing() -> None:
    stranger = SeenAttempt(
        iteration=1, slot=0, candidate="a" * 64, origin="model", operator="sample",
        source="x = (", outcome="ok", score=9.0,
    )  # fmt: skip

    assert propose([stranger], 2).operator == "seed"


@pytest.mark.parametrize(
    "seed",
    [pytest.param(seed, marks=pytest.mark.nightly if seed % 2 else ()) for seed in range(40)],
)
def test_policies_run_without_failing_whatever_their_genes(seed: int) -> None:
    source = emit(random_genome(random.Random(seed)))
    scenario = scenarios()[seed % len(scenarios())]
    harder = Params.from_mapping(
        {
            **scenario.params.to_mapping(),
            "multi_operator_containers": seed % 3 != 0,
            "max_job_seconds": 40 if seed % 2 else 0,
            "estimator_algo": "noisy" if seed % 5 < 2 else "",
            "noisy_estimator_sigma": 0.5,
            "allow_memory_overcommit": seed % 7 == 0,
            "policy_calls": "every_tick" if seed % 11 == 0 else "on_change",
        }
    )

    run = simulate(scenario.workload, harder, local_policy(source))

    assert run.metrics["pipelines_completed"] > 0
    assert screen(source) == ()


def test_policies_run_on_tiny_and_fractional_clusters() -> None:
    scenario = scenarios()[0]
    for seed in range(12):
        params = Params.from_mapping(
            {**scenario.params.to_mapping(), "cpus_per_pool": 2.5, "ram_gb_per_pool": 40.7}
        )
        source = emit(random_genome(random.Random(seed)))

        run = simulate(scenario.workload, params, local_policy(source))

        assert run.metrics["pipelines_completed"] > 0


@pytest.mark.nightly
def test_twenty_candidates_beat_naive_clearly_and_priority() -> None:
    naive = [latency(policy_source("naive"), scenario)[0] for scenario in scenarios()]
    priority, _ = scored(policy_source("priority"), naive)
    attempts: list[SeenAttempt] = []

    for iteration in range(1, 21):
        proposal = propose(attempts, iteration, seed=5)
        score, evaluations = scored(proposal.source or "", naive)
        attempts.append(attempted(proposal, iteration, score, evaluations))

    best = max(attempt.score or 0 for attempt in attempts)
    seeds = max(attempt.score or 0 for attempt in attempts[:6])
    assert best > 2
    assert best > priority
    assert best > seeds
