"""Killed after any line of its journal, an evaluation of a folder goes on to the same history."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.history.journal import journal_files, read_rows
from flows.history.records import CandidateRow, ExperimentRow, ScenarioRow
from flows.home import experiment_folder
from tests.support.folders import Fake, evaluate, write
from tests.support.histories import essence, lines_of

LINES = 16
"""The experiment twice, two scenarios, and three policies with three evaluations each."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder whose policies are tried: one is good, one fails; and the experiment's name."""
    folder = tmp_path_factory.mktemp("folder")
    write(folder, a=20, b=30)
    (folder / "policies" / "b.py").write_text("fails")
    return folder, evaluate(folder, Fake()).experiment_id


@pytest.mark.parametrize("claims", ["noted", "not noted", "gone"])
@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(kept, marks=pytest.mark.nightly if kept % 2 else ())
        for kept in range(1, LINES + 1)
    ],
)
def test_killed_after_any_line_the_next_run_tries_what_is_missing_and_nothing_else(
    calm: tuple[Path, str], tmp_path: Path, kept: int, claims: str
) -> None:
    (folder, name), home = calm, tmp_path / "home"
    shutil.copytree(folder / "home", home)
    cut(home, name, kept)
    recorded = candidates(home, name)
    leave_claims(experiment_folder(home, name) / "claims", recorded, claims)

    result = evaluate(folder, sandbox := Fake(), home)

    assert facts(home, name) == facts(folder / "home", name)
    assert len(lines_of(home, "candidate")) == 3
    assert len(sandbox.trials) == result.tried_here == 3 - len(recorded)
    assert (result.status, len(result.candidates)) == ("finished", 3)


def cut(home: Path, name: str, kept: int) -> None:
    """Leave the first lines of the only journal."""
    [journal] = journal_files(home, name)
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) == LINES
    journal.write_text("".join(lines[:kept]), encoding="utf-8")


def leave_claims(folder: Path, recorded: list[str], claims: str) -> None:
    """Leave what a process held that was killed right after, or right before, its last note."""
    if claims == "gone":
        shutil.rmtree(folder)
        return
    pieces = [path for path in folder.iterdir() if path.read_text(encoding="ascii") == "done"]
    assert len(pieces) == 3
    for piece in pieces:
        done = piece.name in (recorded if claims == "noted" else recorded[:-1])
        piece.write_text("done" if done else "begun", encoding="ascii")


def candidates(home: Path, name: str) -> list[str]:
    """Return the policies that are recorded, in their order."""
    rows = (row for row in read_rows(home, name) if isinstance(row, CandidateRow))
    return [str(row.candidate) for row in rows]


def facts(home: Path, name: str) -> dict[Any, Any]:
    """Return everything that is recorded, without times."""
    kept = essence(home, name)
    for row in read_rows(home, name):
        if isinstance(row, ScenarioRow):
            kept["scenario", row.scenario] = row
        elif isinstance(row, ExperimentRow):
            kept["experiment"] = replace(row, created_at="", finished_at=None)
    return kept
