"""Long work says how far it is: a bar on a terminal, elsewhere lines; short work says nothing."""

import inspect
import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from flows.cli import progress
from flows.cli.main import assay
from flows.cli.progress import bytes_read, working
from flows.cli.watching import watching
from flows.search.progress import Began, Preparing, Working
from flows.settings.search import load_config
from tests.support.terminal import on_terminal

ALONE = {
    **dict.fromkeys(("run", "demo", "sweep", "bootstrap"), "has a live view of its own"),
    **dict.fromkeys(("serve", "mcp", "view"), "serves until it is stopped"),
    **dict.fromkeys(("init", "prompts copy", "domains new", "completion"), "writes a few texts"),
    **dict.fromkeys(
        (
            "docs",
            "policies list",
            "policies show",
            "policies check",
            "domains list",
            "domains show",
        ),
        "reads a folder of small files",
    ),
    **dict.fromkeys(("prompts show", "prompts check", "traces formats"), "renders texts"),
}
"""Commands that show no bar, and why."""
SHOWN = """
import os, signal
from flows.cli import progress
signal.signal(signal.SIGINT, signal.default_int_handler)
progress.BAR_AFTER_SECONDS = 0.0
with progress.working("counting") as told:
    told("counting sheep", 3, 12)
    os.read(0, 1)
"""


def commands(group: click.Group, *path: str) -> dict[str, click.Command]:
    """Every command by what one types."""
    found: dict[str, click.Command] = {}
    for name, each in group.commands.items():
        words = (*path, name)
        if isinstance(each, click.Group):
            found |= commands(each, *words)
        else:
            found[" ".join(words)] = each
    return found


def test_every_command_that_may_take_long_shows_how_far_it_is() -> None:
    sources = {
        name: inspect.getsource(inspect.unwrap(each.callback))
        for name, each in commands(assay).items()
        if each.callback is not None
    }

    silent = {
        name for name, text in sources.items() if not re.search(r"(working|_reading)\(", text)
    }
    assert silent == ALONE.keys()


def test_lines_say_what_goes_on_how_far_it_is_and_for_how_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = io.StringIO()  # a capture of pytest's may lose what another thread prints while it reads
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.delenv("ASSAY_PROGRESS", raising=False)
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.001)

    with working("counting") as told:
        told("counting sheep", 3, 12)
        while "sheep" not in said.getvalue():
            pass

    assert "assay: counting sheep: 3 of 12, 0 s\n" in said.getvalue()


def test_work_that_ends_soon_or_is_told_to_be_silent_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ASSAY_PROGRESS", raising=False)
    with working("nothing"):
        pass
    monkeypatch.setenv("ASSAY_PROGRESS", "no")
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    with working("nothing"):
        pass

    assert capfd.readouterr().err == ""


def test_a_search_that_is_silent_for_long_says_what_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said, printed = io.StringIO(), io.StringIO()  # see above
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(sys, "stdout", printed)
    monkeypatch.delenv("ASSAY_PROGRESS", raising=False)
    monkeypatch.setattr(progress, "SILENCE_SECONDS", 0.001)
    config = load_config(None, {"suite": "smoke"})

    with watching() as shown:
        shown(Preparing(step="loading Prefect"))
        while "loading Prefect: " not in said.getvalue():
            pass
        shown(Began(experiment_id="night", config=config, scenarios=3))
        shown(Working(iteration=1, slot=0, hop="try", title="brisk-otter"))
        while "try brisk-otter" not in said.getvalue():
            pass

    at_work = r"assay: 0 of 24 candidates tried after \d+ s, now 1/0 try brisk-otter\n"
    assert re.search(at_work, said.getvalue())
    assert "assay:" not in printed.getvalue()


def test_how_much_of_files_is_read_is_seen_from_outside(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for path in files:
        path.write_bytes(b"x" * 100)

    with files[1].open("rb", buffering=0) as file:
        file.read(30)
        within = bytes_read(files)

    assert within == (130, 300)
    assert bytes_read(files) is None
    assert bytes_read(()) is None


@pytest.mark.parametrize("ended", ["well", "by Ctrl-C"])
def test_a_terminal_has_a_bar_that_goes_when_the_work_ends(ended: str) -> None:
    def answer(shown: str, program: subprocess.Popen[bytes], keys: int) -> None:
        if "3 of 12" in shown and ended == "well":
            os.write(keys, b"\n")
        elif "3 of 12" in shown:
            program.send_signal(signal.SIGINT)

    variables = {**os.environ, "TERM": "xterm-256color"}
    variables.pop("ASSAY_PROGRESS", None)

    shown = on_terminal([sys.executable, "-c", SHOWN], variables, answer, (0, 1, -signal.SIGINT))

    assert "counting sheep: 3 of 12" in shown
    assert "━" in shown
    assert "\x1b[?25h" in shown.partition("3 of 12")[2]  # the cursor is back
