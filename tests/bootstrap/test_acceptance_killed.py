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

pytestmark = pytest.mark.nightly

RIGHT = Path(__file__).parent / "policies" / "right.py"
MUTANTS = 5
KEPT = ("short runs", "random decisions that", "the same run twice", "a job that ends")
FIGURES = "\n".join(
    ["generator,seed,policy,figure,value,spread"]
    + [f"busy,{seed},fifo,mean_delay,{900_000 + 100_000 * seed},0" for seed in range(1, 5)]
)
Stage = tuple[str, int, signal.Signals]
"""The step, how much of it is done, and what is sent then."""
MUTANT_STEP = "mutants tried"
STAGES: list[Stage] = [
    (MUTANT_STEP, 3, signal.SIGKILL),
    (MUTANT_STEP, 1, signal.SIGINT),
    ("generations of parameters tried", 2, signal.SIGKILL),
    ("generations of parameters tried", 3, signal.SIGINT),
    ("final checks tried", 0, signal.SIGKILL),
    ("final checks tried", 0, signal.SIGINT),
]
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


def stopped_after(stage: Stage, folder: Path, home: Path) -> tuple[list[str], int]:
    """Send the command a signal as soon as it says that so much of a step is done.

    Return what it said, and its exit code.
    """
    step, done, number = stage
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "OPENAI_", "ASSAY_"))
    }
    said = []
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *BOOTSTRAP, "--json"],
        cwd=folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**inherited, "ASSAY_HOME": str(home), "DOCKER_HOST": NO_ENGINE},
        start_new_session=True,
    ) as program:
        assert program.stdout is not None
        for line in program.stdout:
            event = json.loads(line)
            said.append(f"{event.get('what', event['event'])} {event.get('done', '')}".strip())
            if (event.get("what"), event.get("done")) == (step, done):
                os.killpg(program.pid, number)
    return said, program.returncode


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_what_is_stopped_in_any_stage_tries_nothing_again_that_it_recorded(
    stage: Stage,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    calibrates = stage[0] != MUTANT_STEP
    if calibrates:
        (folder / "figures.csv").write_text(FIGURES)
    said, code = stopped_after(stage, folder, home)
    assert f"{stage[0]} {stage[1]}" in said
    assert code == (-signal.SIGKILL if stage[2] == signal.SIGKILL else 130)
    assert not (folder / "certificate.json").exists()

    assay = command_at(home, monkeypatch, capsys)
    monkeypatch.chdir(tmp_path)
    done = assay(*BOOTSTRAP, "--json")

    assert done.code == 0, done.err + done.out
    *_, accepted, ended = map(json.loads, done.out.splitlines())
    assert (accepted["event"], accepted["mutants"], ended["event"]) == (
        "accepted",
        MUTANTS,
        "ended",
    )
    assert accepted["certificate"] == str(folder / "certificate.json")
    (experiment,) = {path.name.rsplit(".", 3)[0] for path in journal_files(home)}
    steps = [row for row in read_rows(home, experiment) if isinstance(row, EventRow)]
    found = [row.detail for row in steps if row.kind == "acceptance_step"]
    for step in ("mutant", "generation") if calibrates else ("mutant",):
        numbers = [each["number"] for each in found if each["step"] == step]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))  # each once
    again = assay("domains", "verify", "queue/certificate.json", "--cell", "process")
    assert again.code == 0, again.out
