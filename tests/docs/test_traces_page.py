"""The commands of the page about traces run as they are written."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.import_files import SAMPLES
from tests.support.in_process import command

PAGE = Path(__file__).resolve().parents[2] / "docs" / "traces.md"
BLOCKS = re.findall(r"```sh\n(.+?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
COMMANDS = [shlex.split(line, comments=True)[1:] for block in BLOCKS for line in block.splitlines()]


def test_the_page_shows_every_command_and_every_format() -> None:
    shown = {words[1] for words in COMMANDS}
    imported = {words[2] for words in COMMANDS if words[1] == "import"}

    assert shown == {"list", "describe", "generate", "check", "formats", "import"}
    assert imported == set(SAMPLES)


def test_the_commands_of_the_page_run_in_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for write_sample in SAMPLES.values():
        write_sample(tmp_path)
    (tmp_path / "params.toml").write_text("duration = 20\nnum_pipelines = 2\n", encoding="utf-8")

    for words in COMMANDS:
        done = command(capsys, *words)

        assert (done.code, done.err) == (0, ""), words
        assert done.out
