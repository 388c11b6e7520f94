"""Runs the command line in this process: quicker than another one, for commands that only read."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.cli.main import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended and what it said."""

    code: object
    out: str
    err: str


def command(capsys: pytest.CaptureFixture[str], *arguments: str | Path | int) -> Done:
    """Return what ``assay ARGUMENTS`` did."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return Done(code=left.value.code, out=printed.out, err=printed.err)
