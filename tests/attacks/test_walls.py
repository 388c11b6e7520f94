"""Which wall stops what: the same attacks in a container whose policy has no seal of its own."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sandbox.docker_cells import DockerCells
from sandbox.errors import CellFailed
from sandbox.outcome import Evaluation, Outcome
from sandbox.trial import Sandbox
from simulator.cell.seal import UNSEALED
from tests.attacks.attack import Attack
from tests.attacks.test_attacks import ATTACKS
from tests.support.cells import HONEST, TIGHT, small_scenario

SMALL = small_scenario()
BY_NAME = {attack.name: attack for attack in ATTACKS}

pytestmark = pytest.mark.docker


class UnsealedCells(DockerCells):
    """Containers without filter and users of their own, whose report is taken all the same."""

    def protections(self) -> Mapping[str, Any]:
        return {"asked": UNSEALED}


@pytest.fixture(scope="module")
def unsealed() -> Iterator[Sandbox]:
    limits = TIGHT.model_copy(update={"blocked_seconds": 1.0})
    with Sandbox(limits, cell=UnsealedCells(limits, UNSEALED)) as opened:
        yield opened


@pytest.fixture(scope="module")
def honest(unsealed: Sandbox) -> Evaluation:
    (evaluation,) = unsealed.try_policy(HONEST, [SMALL]).evaluations
    assert evaluation.outcome is Outcome.OK, evaluation
    return evaluation


@pytest.mark.parametrize(
    "name",
    [
        "make-memory-executable",
        "make-own-code-executable",
        "replace-the-program",
        "sleep",
        "ask-for-the-parent",
        "unblock-the-pipe-of-prints",
    ],
)
def test_the_filter_alone_stops_this(unsealed: Sandbox, name: str) -> None:
    attack = BY_NAME[name]

    (ended,) = unsealed.try_unscreened(attack.source, [SMALL]).evaluations

    assert attack.says not in told(ended), "it is stopped without the filter too"


@pytest.mark.parametrize(
    "name",
    [
        "connect-to-the-world",
        "sockets-of-every-family",
        "become-root",
        "raise-own-limits",
        "make-a-memory-file",
    ],
)
def test_the_container_stops_this_by_itself(
    unsealed: Sandbox, honest: Evaluation, name: str
) -> None:
    attack = BY_NAME[name]

    (ended,) = unsealed.try_unscreened(attack.source, [SMALL]).evaluations

    assert attack.says in told(ended), ended
    assert same_figures(ended, honest)


@pytest.mark.parametrize("name", ["write-to-the-root", "read-the-memory-of-pid-1", "fork"])
def test_the_limits_of_the_worker_stop_this_by_themselves(unsealed: Sandbox, name: str) -> None:
    (ended,) = unsealed.try_unscreened(BY_NAME[name].source, [SMALL]).evaluations

    assert "held: " in told(ended), ended


@pytest.mark.parametrize(
    "attack",
    [BY_NAME[name] for name in ("answers-sent-ahead", "print-a-result-and-exit-quietly")],
    ids=lambda attack: attack.name,
)
def test_the_protocol_needs_no_seal(unsealed: Sandbox, attack: Attack) -> None:
    (ended,) = unsealed.try_unscreened(attack.source, [SMALL]).evaluations

    assert ended.outcome in attack.outcomes
    assert attack.says in told(ended)


def test_the_report_of_an_unsealed_cell_is_refused() -> None:
    with (
        Sandbox(TIGHT, ready=False, cell=DockerCells(TIGHT, UNSEALED)) as opened,
        pytest.raises(CellFailed, match=r"weaker than asked \(none\): own_filter is False"),
    ):
        opened.try_policy(HONEST, [SMALL])


def told(ended: Evaluation) -> str:
    return f"{ended.problem.message if ended.problem else ''}\n{ended.prints}"


def same_figures(ended: Evaluation, honest: Evaluation) -> bool:
    return (ended.metrics, ended.decision_sha256) == (honest.metrics, honest.decision_sha256)
