"""Claims on work and marks of life, held by processes that may die at any moment."""

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from flows.orchestration.folder import Claim, Claims

SPAWN = multiprocessing.get_context("spawn")
RUN = "0b9ad4e2-7f1c-4f6e-9a55-3d1f2f8c7e10"


def hold(folder: Path, held: Event) -> None:
    """Hold a claim and a mark until somebody ends this process."""
    from flows.orchestration.runs import marked

    with Claims(folder / "claims").claim("a", wait=False), marked(folder, RUN):
        held.set()
        signal.pause()


@pytest.fixture
def holder(tmp_path: Path) -> multiprocessing.context.SpawnProcess:
    """Another process that holds claim and mark."""
    held = SPAWN.Event()
    process = SPAWN.Process(target=hold, args=(tmp_path, held), daemon=True)
    process.start()
    assert held.wait(240)
    return process


def kill(process: multiprocessing.context.SpawnProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)


def test_what_another_process_has_is_taken_until_it_dies(
    tmp_path: Path, holder: multiprocessing.context.SpawnProcess
) -> None:
    claims = Claims(tmp_path / "claims")

    with claims.claim("a", wait=False) as while_alive:
        pass
    with claims.claim("b", wait=False) as other:
        pass
    kill(holder)
    with claims.claim("a", wait=True) as after_death:
        claims.done("a")
    with claims.claim("a", wait=False) as at_last:
        pass

    assert (while_alive, other) == (Claim.TAKEN, Claim.FRESH)
    assert (after_death, at_last) == (Claim.LEFT, Claim.DONE)


def test_a_run_counts_as_abandoned_once_its_process_is_dead(
    tmp_path: Path, holder: multiprocessing.context.SpawnProcess
) -> None:
    from flows.orchestration.runs import abandoned, forget

    while_alive = abandoned(tmp_path)
    kill(holder)
    after_death = abandoned(tmp_path)
    forget(tmp_path, RUN)

    assert (while_alive, after_death, abandoned(tmp_path)) == ([], [RUN], [])


def test_a_run_that_ends_leaves_no_mark(tmp_path: Path) -> None:
    from flows.orchestration.runs import abandoned, marked

    with marked(tmp_path, RUN):
        assert abandoned(tmp_path) == []

    assert [*(tmp_path / "flow-runs").iterdir()] == []


def test_numbers_stay_when_the_folder_grows_or_its_notes_are_lost(tmp_path: Path) -> None:
    first = Claims(tmp_path / "claims").number(["x", "y"], {})
    grown = Claims(tmp_path / "claims").number(["a", "x", "y"], {})
    without_notes = Claims(tmp_path / "other").number(["a", "x", "y"], grown)

    assert first == {"x": 1, "y": 2}
    assert grown == {"a": 3, "x": 1, "y": 2} == without_notes


def test_numbers_that_a_killed_process_had_half_written_do_no_harm(tmp_path: Path) -> None:
    first = Claims(tmp_path / "claims").number(["x", "y"], {})
    (tmp_path / "claims" / "numbers.new").write_text('{"x": 1, "y')

    again = Claims(tmp_path / "claims").number(["x", "y", "z"], {})

    assert again == {**first, "z": 3}
