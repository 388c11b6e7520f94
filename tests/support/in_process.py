"""Runs the command line in this process: quicker than another one, for commands that only read."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from flows.cli.main import main
from tests.support.command import NO_ENGINE

WARNING = re.compile(r"^assay: WARNING: policies run without a container, .*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended and what it said."""

    code: object
    out: str
    err: str
    """Without the warning of embedded cells, which they always give."""


def command(capsys: pytest.CaptureFixture[str], *arguments: str | Path | int) -> Done:
    """Return what ``assay ARGUMENTS`` did."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return Done(code=left.value.code, out=printed.out, err=WARNING.sub("", printed.err))


def command_at(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Return what runs commands with this home folder and no setting, key or engine of the user."""
    for name in os.environ:
        if name.startswith(("PREFECT_", "OPENAI_", "ASSAY_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ASSAY_HOME", str(home))
    monkeypatch.setenv("ASSAY_PROGRESS", "no")
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    return partial(command, capsys)
