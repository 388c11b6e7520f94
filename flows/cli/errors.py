"""How an error is shown: one message and its exit code."""

import io
import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill
from typing import TextIO

from flows.errors import OrchestratorUnavailable, UserError
from flows.untrusted import for_terminal

INTERNAL, BAD_INPUT, POLICY_FAILED, NO_SANDBOX, INTERRUPTED = 1, 2, 3, 4, 130
LOST = INTERNAL
"""A search ended early because attempts were lost to failures that are not a policy's."""


def leave_with(error: BaseException) -> int:
    """Print what ``error`` says and return the exit code; a traceback goes to a file only."""
    from flows.attempt import ProposerRefused
    from sandbox.errors import SandboxError
    from simulator.errors import InputError
    from simulator.textfile import refused_path

    match error:
        case SystemExit(__context__=BrokenPipeError()) | BrokenPipeError():
            _drop_output()
            return 0
        case SystemExit():
            return error.code if isinstance(error.code, int) else INTERNAL
        case KeyboardInterrupt():
            say("assay: interrupted")
            return INTERRUPTED
        case UserError() | InputError() | ProposerRefused():
            say(f"assay: {error}")
            return BAD_INPUT
        case OrchestratorUnavailable():
            say(f"assay: {error}")
            return INTERNAL
        case SandboxError():
            say(f"assay: {error}")
            return NO_SANDBOX
        case OSError() if (refused := refused_path(error)) is not None:
            say(f"assay: {refused}")
            return BAD_INPUT
        case OSError(filename=None) if _output_fails():
            say(f"assay: the output cannot be written: {error.strerror}")
            _drop_output()
            return INTERNAL
        case _:
            say(f"assay: internal error: {_first_line(error)}")
            say(f"please report it with {keep_traceback(error)}")
            return INTERNAL


def bear_any_terminal() -> None:
    """Print a substitute for what cannot be shown; where an output is closed, print nowhere."""
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(text: str) -> None:
    """Print to standard error; on a terminal lines are broken between words, commands are not."""
    if sys.stderr.isatty():
        with suppress(OSError):
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            text = "\n".join(_broken(line, width) for line in text.split("\n"))
    print(for_terminal(text), file=sys.stderr, flush=True)


def _broken(line: str, width: int) -> str:
    """Return a line broken at ``width``; one that is set in, a command, stays whole."""
    if width < 1 or line.startswith(" "):
        return line
    return fill(line, width, break_long_words=False, break_on_hyphens=False)


def _output_fails() -> bool:
    """Return whether standard output takes not even an empty line: what failed was to print."""
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        return True
    return False


def _drop_output() -> None:
    """Let what is left to print go nowhere, so that the interpreter's end does not complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _first_line(error: BaseException) -> str:
    lines = _without_secrets(str(error)).splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"


def _without_secrets(text: str) -> str:
    from flows.history.redact import redact
    from flows.settings.sources import variables_here

    variables: Mapping[str, str] = os.environ
    with suppress(UserError):
        variables = variables_here()
    keys = [value for name, value in variables.items() if name.endswith(("_KEY", "_TOKEN"))]
    return redact(text, keys)


def keep_traceback(error: BaseException) -> str:
    """Write a traceback, without keys, to a file, and return where; the text itself, if nowhere."""
    from flows.home import home_folder

    text = _without_secrets("".join(traceback.format_exception(error)))
    name = f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    for folder in (home_folder() / "logs", Path("/tmp")):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return str(folder / name)
    return "the text below\n" + text
