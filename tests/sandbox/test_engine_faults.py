"""Faults between caller and engine are errors of ours: never scored, and no cell is left."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.daemon import Daemon
from sandbox.errors import CellFailed, SandboxError, SandboxUnavailable
from sandbox.outcome import Outcome
from sandbox.reaper import reap
from sandbox.trial import Sandbox
from tests.sandbox.callers import PREPARED, Caller, cells_of, until
from tests.sandbox.own_engine import MACHINES_ENGINE
from tests.support.cells import HONEST, TIGHT, small_scenario
from tests.support.engine_proxy import EngineProxy, Fate, Rule

SMALL = small_scenario()

pytestmark = pytest.mark.docker


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineProxy]:
    with EngineProxy(tmp_path, MACHINES_ENGINE) as between:
        monkeypatch.setenv("DOCKER_HOST", between.address)
        yield between


@pytest.fixture
def box(proxy: EngineProxy) -> Iterator[Sandbox]:
    """Cells whose every request goes through the proxy; none may be left of them."""
    before = cells_of()
    with Sandbox(TIGHT, ready=False) as opened:
        yield opened
    assert cells_of() <= before


@pytest.mark.parametrize("fate", [Fate.CUT, Fate.LOSE_ANSWER], ids=lambda fate: fate.name)
@pytest.mark.parametrize("request_", ["/containers/create", "/attach", "/start"])
def test_a_connection_that_breaks_while_a_cell_starts_is_our_error_and_leaves_none(
    proxy: EngineProxy, box: Sandbox, fate: Fate, request_: str
) -> None:
    proxy.meddle(Rule(text=request_, fate=fate))

    with pytest.raises(SandboxError):
        box.try_policy(HONEST, [SMALL])

    assert proxy.met.is_set()
    assert box.try_policy(HONEST, [SMALL]).outcome is Outcome.OK


def test_a_cell_with_lost_answers_to_create_and_remove_goes_at_the_next_start(
    proxy: EngineProxy, box: Sandbox
) -> None:
    before = cells_of()
    proxy.meddle(
        Rule(text="/containers/create", fate=Fate.LOSE_ANSWER), Rule(text="DELETE ", fate=Fate.CUT)
    )

    with pytest.raises(SandboxUnavailable):
        box.try_policy(HONEST, [SMALL])
    left = cells_of() - before
    box.try_policy(HONEST, [SMALL])

    assert len(left) == 1
    assert not left & cells_of()


def test_a_lost_removal_is_retried(proxy: EngineProxy, box: Sandbox) -> None:
    proxy.meddle(Rule(text="DELETE ", fate=Fate.CUT))

    assert box.try_policy(HONEST, [SMALL]).outcome is Outcome.OK
    box.settle()

    assert proxy.met.is_set()


def test_a_stream_that_goes_silent_meets_the_hosts_deadline(proxy: EngineProxy) -> None:
    quick = {"wall_seconds": 1.0, "scenario_grace_seconds": 0.0, "start_seconds": 2.0}
    before = cells_of()
    with Sandbox(TIGHT.model_copy(update=quick), ready=False) as box:
        proxy.meddle(Rule(text="/attach", fate=Fate.LOSE_STREAM))

        with pytest.raises(CellFailed, match="before the host's deadline"):
            box.try_policy(HONEST, [SMALL])

    assert until(lambda: cells_of() <= before)  # two seconds may be too few for a removal too


def test_a_slow_engine_changes_no_figure(proxy: EngineProxy, box: Sandbox) -> None:
    (fast,) = box.try_policy(HONEST, [SMALL]).evaluations
    proxy.meddle(Rule(text="/containers/", fate=Fate.SLOW, times=6, seconds=0.2))

    (slow,) = box.try_policy(HONEST, [SMALL]).evaluations

    assert proxy.met.is_set()
    assert (slow.metrics, slow.decision_sha256) == (fast.metrics, fast.decision_sha256)


def test_an_engine_that_hangs_is_unavailable_after_a_timeout(proxy: EngineProxy) -> None:
    daemon = Daemon(timeout_seconds=0.5)
    proxy.meddle(Rule(text="/info", fate=Fate.HOLD))

    with pytest.raises(SandboxUnavailable, match=r"no Docker engine answers .*timed out"):
        daemon.facts()

    daemon.close()


def test_a_caller_killed_between_create_and_start_leaves_a_cell_that_the_next_one_removes(
    proxy: EngineProxy,
) -> None:
    proxy.meddle(Rule(text="/start", fate=Fate.HOLD))
    with Caller(PREPARED) as caller:
        assert proxy.met.wait(240)
        created = cells_of(caller.pid)
        caller.end(signal.SIGKILL)

        reap()  # unless another caller on this engine was quicker

    assert len(created) == 1
    assert until(lambda: cells_of(caller.pid) == set())
