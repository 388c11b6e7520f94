"""The commands of the page about traces run as they are written."""

import shlex
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks, follows
from tests.support.import_files import SAMPLES
from tests.support.in_process import command

PAGE = DOCS / "traces.md"


def commands() -> list[list[str]]:
    """Take the commands of the page, as lists of arguments."""
    lines = [line for block in blocks(PAGE, "sh") for line in block.take().splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_the_page_shows_every_command_and_every_format() -> None:
    shown = {words[1] for words in commands()}
    imported = {words[2] for words in commands() if words[1] == "import"}

    assert shown == {"list", "describe", "generate", "check", "formats", "import", "suite"}
    assert imported == set(SAMPLES)


@follows(PAGE, "sh")
def test_the_commands_of_the_page_run_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for write_sample in SAMPLES.values():
        write_sample(tmp_path)
    (tmp_path / "params.toml").write_text("duration = 20\nnum_pipelines = 2\n", encoding="utf-8")

    for words in commands():
        done = command(capsys, *words)

        assert (done.code, done.err) == (0, ""), words
        assert done.out
