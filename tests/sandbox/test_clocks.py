"""No limit depends on the system clock: when it jumps, nothing changes."""

import itertools
import time
from pathlib import Path

import pytest

from sandbox.outcome import Outcome
from sandbox.reaper import reap
from sandbox.trial import Sandbox
from tests.sandbox.callers import cells_of
from tests.support.cells import HONEST, ROOT, TIGHT, small_scenario

SMALL = small_scenario()
WEEK_SECONDS = 7 * 86_400.0
SETTABLE = ("time.time(", "time.time_ns(", "datetime.now", "datetime.today", "CLOCK_REALTIME")
READS_THE_TIME_OF_DAY = {"sandbox/reaper.py"}
"""For the deadline of cells whose owner runs on another machine."""


@pytest.fixture
def jumping_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time of day that is a week ahead and a week back, by turns."""
    jumps = itertools.cycle([WEEK_SECONDS, -WEEK_SECONDS, 0.0])
    true_time = time.time
    monkeypatch.setattr(time, "time", lambda: true_time() + next(jumps))


def test_only_the_reaper_asks_for_the_time_of_day() -> None:
    files = [*(ROOT / "sandbox").glob("*.py"), *(ROOT / "simulator/cell").glob("*.py")]

    asking = {path for path in files if any(word in path.read_text("utf-8") for word in SETTABLE)}

    assert {_name(path) for path in asking} == READS_THE_TIME_OF_DAY


@pytest.mark.parametrize("cell", [pytest.param("docker", marks=pytest.mark.docker), "process"])
def test_a_jump_of_the_clock_fails_no_trial_and_spares_no_attack(
    jumping_clock: None, cell: str
) -> None:
    with Sandbox(TIGHT, cell=cell) as box:
        outcomes = [box.try_policy(HONEST, [SMALL]).outcome for _ in range(4)]
        spun = box.try_unscreened("while True: pass\n", [SMALL]).outcome

    assert outcomes == [Outcome.OK] * 4
    assert spun is Outcome.CALL_TIMEOUT


@pytest.mark.docker
def test_a_jump_of_the_clock_makes_no_cell_of_a_living_caller_stale(jumping_clock: None) -> None:
    with Sandbox(TIGHT) as box:
        box.prepare(1)
        box.settle()
        waiting = cells_of()

        removed = {cell for _ in range(3) for cell in reap().removed}

        assert waiting
        assert not removed & waiting


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
