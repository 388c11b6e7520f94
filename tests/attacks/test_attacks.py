"""Every attack in a real cell: its outcome, in time, with nothing forged, left or passed on."""

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.daemon import Daemon
from sandbox.hardening import LABEL, OWNER_LABEL
from sandbox.outcome import Evaluation, Outcome
from sandbox.trial import Sandbox
from tests.attacks.attack import Attack
from tests.attacks.confusing import CONFUSING
from tests.attacks.escaping import ESCAPING
from tests.attacks.exhausting import EXHAUSTING
from tests.attacks.forging import FORGING
from tests.attacks.peeking import PEEKING
from tests.support.cells import HONEST, TIGHT, small_scenario

ATTACKS = (*FORGING, *PEEKING, *EXHAUSTING, *ESCAPING, *CONFUSING)
BATCH = 12
SMALL = small_scenario()

SETUPS: dict[str, dict[str, Any]] = {
    "docker-full": {"cell": "docker"},
    "docker-one-uid": {"cell": "docker", "isolation": "one-uid"},
    "process": {"cell": "process"},
}
"""The embedded cell is attacked behind all walls that this machine grants, never behind fewer."""

KINDS = [
    pytest.param(name, marks=[pytest.mark.docker] if setup["cell"] == "docker" else [])
    for name, setup in SETUPS.items()
]


@pytest.fixture(scope="module", params=KINDS)
def setup(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SETUPS[request.param]


@pytest.fixture(scope="module")
def sandbox(setup: dict[str, Any]) -> Iterator[Sandbox]:
    with Sandbox(TIGHT, **setup) as opened:
        yield opened


@pytest.fixture(scope="module")
def impatient(setup: dict[str, Any]) -> Iterator[Sandbox]:
    """Cells for attacks that use no CPU time, which only the wall limit ends."""
    with Sandbox(TIGHT.model_copy(update={"wall_seconds": 3.0}), **setup) as opened:
        yield opened


@pytest.fixture(scope="module")
def honest(sandbox: Sandbox) -> Evaluation:
    (evaluation,) = sandbox.try_policy(HONEST, [SMALL]).evaluations
    assert evaluation.outcome is Outcome.OK, evaluation
    return evaluation


@pytest.fixture(scope="module")
def attempts(setup: dict[str, Any]) -> list[str]:
    """Names of the attacks made so far, to look at the honest policy after each batch."""
    return []


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_contained(
    sandbox: Sandbox,
    impatient: Sandbox,
    honest: Evaluation,
    attempts: list[str],
    attack: Attack,
) -> None:
    cells = impatient if Outcome.WALL_LIMIT in attack.outcomes else sandbox
    started = time.monotonic()

    trial = cells.try_unscreened(attack.source, [SMALL])

    (ended,) = trial.evaluations
    assert ended.outcome in attack.outcomes, ended
    assert time.monotonic() - started < attack.max_seconds
    assert_told(attack, ended)
    assert_bounded(ended)
    if ended.outcome is not Outcome.OK:
        assert (ended.stats, ended.metrics, ended.decision_sha256) == (None, None, None)
    elif attack.honest:
        assert_same_figures(ended, honest)
    attempts.append(attack.name)
    if len(attempts) % BATCH == 0:
        assert_same_figures(sandbox.try_policy(HONEST, [SMALL]).evaluations[0], honest)


def test_after_all_attacks_an_honest_policy_scores_what_it_scores_alone(
    sandbox: Sandbox, honest: Evaluation
) -> None:
    (again,) = sandbox.try_policy(HONEST, [SMALL]).evaluations

    assert_same_figures(again, honest)


def test_a_scenario_finds_nothing_of_the_one_before(setup: dict[str, Any]) -> None:
    (attack,) = [one for one in PEEKING if one.name == "find-what-an-earlier-scenario-left"]
    scenarios = [small_scenario("first"), small_scenario("second"), small_scenario("third")]

    with Sandbox(TIGHT, ready=False, **setup) as own:
        ended = own.try_unscreened(attack.source, scenarios).evaluations

    assert [one.prints.strip() for one in ended] == ["left None"] * 3


@pytest.mark.docker
def test_no_container_is_left() -> None:
    daemon = Daemon()
    before = our_cells(daemon)

    with Sandbox(TIGHT) as own:
        own.try_unscreened("while True: pass\n", [SMALL])
        started = our_cells(daemon) - before

    assert started
    assert our_cells(daemon) & started == set()
    daemon.close()


def test_the_list_of_attacks_is_long_and_has_no_name_twice() -> None:
    names = [attack.name for attack in ATTACKS]

    assert len(names) == len(set(names))
    assert len(names) >= 100


def our_cells(daemon: Daemon) -> set[str]:
    listed = daemon.containers_with(LABEL)
    mine = f"{os.getpid()}:"
    return {one.id for one in listed if one.labels.get(OWNER_LABEL, "").startswith(mine)}


def assert_told(attack: Attack, ended: Evaluation) -> None:
    message = ended.problem.message if ended.problem else ""
    told = f"{message}\n{ended.prints}"
    assert attack.says in told, told[:500]
    assert not attack.never_says or attack.never_says not in told


def assert_bounded(ended: Evaluation) -> None:
    assert len(ended.prints) <= TIGHT.print_bytes + 200
    assert ended.problem is None or len(ended.problem.message) <= TIGHT.failure_text_chars + 100
    assert ended.policy_cpu_seconds <= TIGHT.policy_cpu_seconds + 1.0


def assert_same_figures(ended: Evaluation, honest: Evaluation) -> None:
    assert ended.metrics == honest.metrics
    assert ended.stats == honest.stats
    assert ended.decision_sha256 == honest.decision_sha256
