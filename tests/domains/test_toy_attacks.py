"""The attacks that are about no domain in particular, made by policies of the toy domain."""

import ast
from collections.abc import Iterator
from textwrap import dedent

import pytest

from sandbox.outcome import Evaluation, Outcome
from sandbox.trial import Payload, Sandbox
from simulator.domain import Domain
from simulator.suites import load_suite
from tests.attacks.attack import Attack, behind
from tests.attacks.confusing import CONFUSING
from tests.attacks.escaping import ESCAPING
from tests.attacks.exhausting import EXHAUSTING
from tests.attacks.peeking import PEEKING
from tests.attacks.test_attacks import QUICK, assert_bounded, assert_same_figures, assert_told
from tests.support.domains import toy

ABOUT_PIPELINES = {"s", "results", "pipelines"}
EVERY = 16
"""So many attacks come to one that always runs; the others run nightly."""


def _is_generic(attack: Attack) -> bool:
    names = {n.id for n in ast.walk(ast.parse(dedent(attack.body))) if isinstance(n, ast.Name)}
    return bool(attack.body) and "pipelines" not in attack.body and not names & ABOUT_PIPELINES


GENERIC = [
    attack for attack in (*PEEKING, *EXHAUSTING, *ESCAPING, *CONFUSING) if _is_generic(attack)
]


@pytest.fixture(scope="module")
def domain() -> Domain:
    return toy()


@pytest.fixture(scope="module")
def payload(domain: Domain) -> Payload:
    scenario = load_suite("small", domain).scenarios[0]
    return Payload(name=scenario.name, data=domain.cell.encode_scenario(scenario))


@pytest.fixture(scope="module")
def sandbox(domain: Domain) -> Iterator[Sandbox]:
    with Sandbox(QUICK, cell="process", domain=domain) as opened:
        yield opened


@pytest.fixture(scope="module")
def honest(sandbox: Sandbox, domain: Domain, payload: Payload) -> Evaluation:
    (evaluation,) = sandbox.try_policy(domain.policy_source("shortest"), [payload]).evaluations
    assert evaluation.outcome is Outcome.OK, evaluation
    return evaluation


def test_most_attacks_are_about_no_domain() -> None:
    assert len(GENERIC) > 90


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(attack, id=attack.name, marks=[pytest.mark.nightly] if number % EVERY else [])
        for number, attack in enumerate(GENERIC)
    ],
)
def test_an_attack_of_any_policy_is_contained(
    sandbox: Sandbox, domain: Domain, payload: Payload, honest: Evaluation, attack: Attack
) -> None:
    decorator = '@register_queue(key="shortest")\n'
    source = behind(domain.policy_source("shortest"), decorator, "queue", attack.body)

    (ended,) = sandbox.try_unscreened(source, [payload]).evaluations

    assert ended.outcome in attack.outcomes, ended
    assert_told(attack, ended)
    assert_bounded(ended)
    if ended.outcome is Outcome.OK and attack.honest:
        assert_same_figures(ended, honest)
