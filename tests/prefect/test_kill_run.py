"""A run through Prefect whose whole process group is killed goes on with the same command."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import assay
from tests.support.histories import essence, lines_of
from tests.support.prefect_machine import ROOT, Machine, awaited, end_group
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(1200)]
SEED = 7
ITERATIONS = 1
"""Of two candidates, which is what a search of two is compared in."""
WITHOUT_END = ("--candidates", "1000")
"""Raises the budget of the search that is killed, so that no kill comes too late."""


def command(tmp_path: Path) -> list[str]:
    """Return a short search in embedded cells."""
    settings = tmp_path / "search.toml"
    settings.write_text(
        f'name = "killed"\nsuite = "{write_suite(tmp_path)}"\nbaselines = ["naive"]\n'
        'cell = "process"\nslots = 2\n[budget]\ncandidates = 2\n',
        encoding="utf-8",
    )
    return ["run", "--config", str(settings)]


def beginning(home: Path, experiment: str) -> dict[Any, Any]:
    """Return what is recorded of the first two candidates, and of the baselines."""
    rows = essence(home, experiment)
    return {key: row for key, row in rows.items() if key[1] <= ITERATIONS}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    arguments = command(folder)
    done = assay(*arguments, "--direct", home=folder / "home")
    assert done.returncode == 0, done.stderr
    [experiment] = [path.name for path in (folder / "home" / "experiments").iterdir()]
    return arguments, experiment, beginning(folder / "home", experiment)


def test_killed_at_a_random_moment_the_same_command_goes_on(
    server: Machine, undisturbed: tuple[list[str], str, object], tmp_path: Path
) -> None:
    arguments, experiment, whole = undisturbed
    home, moment = tmp_path / "home", random.Random(SEED).randint(3, 15)
    environment = {**os.environ, **server.environment, "ASSAY_HOME": str(home)}

    killed = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *arguments, *WITHOUT_END],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    kinds = ("evaluation", "candidate", "event")
    awaited(
        lambda: sum(len(lines_of(home, kind)) for kind in kinds) >= moment or None,
        f"{moment} lines of the journal",
    )
    end_group(killed, signal.SIGKILL)
    again = assay(*arguments, home=home, programs=server.programs, PREFECT_API_URL=server.url)

    assert again.returncode == 0, again.stderr
    assert "finished: all 2 candidates were tried" in again.stdout
    assert beginning(home, experiment) == whole
    criteria = {"flow_runs": {"name": {"any_": ["killed"]}}}
    states = [(run["state"]["type"], run["state"]["name"]) for run in server.runs(**criteria)]
    assert sorted(states) == [("COMPLETED", "Finished"), ("CRASHED", "Crashed")]
