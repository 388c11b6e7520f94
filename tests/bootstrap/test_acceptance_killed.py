"""What follows a search for a simulator is killed, and goes on where it was."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flows.bootstrap.starter_files import write_starter
from flows.history.journal import journal_files, read_rows
from flows.history.records import EventRow
from tests.support.command import NO_ENGINE
from tests.support.in_process import command_at

pytestmark = pytest.mark.slow

RIGHT = Path(__file__).parent / "policies" / "right.py"
MUTANTS = 5
KEPT = ("short runs", "random decisions that", "the same run twice", "a job that ends")
BOOTSTRAP = ("bootstrap", "queue", "--direct", "--cell", "process", "--baseline", "right")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A system with a few quick checks, one of them final, and a right simulator."""
    found = tmp_path / "queue"
    write_starter(found, "queue")
    shutil.copy(RIGHT, found / "simulators")
    head, *checks = (found / "laws.toml").read_text().split("[[checks]]\n")
    kept = [each for each in checks if any(f'name = "{name}' in each for name in KEPT)]
    kept[2] = kept[2].replace('split = "held"', 'split = "final"')
    laws = "[[checks]]\n".join([f"mutants = {MUTANTS}\n{head}", *kept])
    (found / "laws.toml").write_text(laws)
    return found


def killed_after(step: str, done: int, folder: Path, home: Path) -> list[str]:
    """Kill the command as soon as it says that so much of a step is done; return what it said."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "OPENAI_", "ASSAY_"))
    }
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *BOOTSTRAP, "--json"],
        cwd=folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**inherited, "ASSAY_HOME": str(home), "DOCKER_HOST": NO_ENGINE},
        start_new_session=True,
    ) as program:
        said = []
        assert program.stdout is not None
        for line in program.stdout:
            event = json.loads(line)
            said.append(f"{event.get('what', event['event'])} {event.get('done', '')}".strip())
            if (event.get("what"), event.get("done")) == (step, done):
                os.killpg(program.pid, signal.SIGKILL)
                break
    return said


def test_what_is_killed_between_two_mutants_tries_none_of_them_again(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    said = killed_after("mutants tried", 3, folder, home)
    assert [each for each in said if each.startswith("mutants")] == [
        f"mutants tried {done}" for done in range(4)
    ]
    assert not (folder / "certificate.json").exists()

    assay = command_at(home, monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    done = assay(*BOOTSTRAP, "--json")

    assert done.code == 0, done.err + done.out
    *_, accepted, ended = map(json.loads, done.out.splitlines())
    assert f'"mutants tried", "done": {MUTANTS}, "total": {MUTANTS}' in done.out
    assert (accepted["event"], accepted["mutants"], ended["event"]) == (
        "accepted",
        MUTANTS,
        "ended",
    )
    assert accepted["certificate"] == str(folder / "certificate.json")
    certificate = json.loads((folder / "certificate.json").read_text())
    (experiment,) = {path.name.rsplit(".", 3)[0] for path in journal_files(home)}
    steps = [row for row in read_rows(home, experiment) if isinstance(row, EventRow)]
    numbers = [row.detail["number"] for row in steps if row.kind == "acceptance_step"]
    assert numbers == list(range(1, MUTANTS + 1))  # each was recorded once
    assert certificate["mutants"]["made"] == MUTANTS
    again = assay("domains", "verify", "queue/certificate.json", "--cell", "process")
    assert again.code == 0, again.out
