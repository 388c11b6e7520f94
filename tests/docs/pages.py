"""Runs a page of the documentation as its reader would: saves its files, types its commands.

A test says with ``follows`` which blocks of a page it executes, and fails when it leaves out one.
``test_every_page.py`` fails for a page with a block that no test executes.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from tests.docs.left_out import LEFT_OUT
from tests.support.warm import folder_with_assay

P = ParamSpec("P")

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.rglob("*.md")),
    *sorted((ROOT / ".github").rglob("*.md")),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE_NAME = re.compile(r"# ([\w./-]+\.(?:py|toml|csv|sql))\n")
IN_CELLS = re.compile(r"^assay (?:compare|evaluate)\b", re.MULTILINE)
SHOWN = "text"
"""The language of blocks that show what is printed, or a drawing: nothing to execute."""
NOT_THE_READERS = ("ASSAY_", "PREFECT_", "OPENAI_")
SECONDS = 1200


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page: its language and its text."""

    page: Path
    place: int
    language: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The file that a reader saves it as, named by its first line."""
        named = FILE_NAME.match(self.text)
        return named[1] if named else None

    def take(self) -> str:
        """Return the text, to be executed now."""
        _taken.add(self)
        return self.text

    def lines(self) -> list[str]:
        """Return its commands, one a line, without comments."""
        joined = self.text.replace("\\\n", " ")
        lines = [line.split(" #")[0].strip() for line in joined.splitlines()]
        return [line for line in lines if line and not line.startswith("#")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a test executes of a page: the blocks in some languages that hold a text."""

    page: Path
    languages: tuple[str, ...]
    holding: str

    def blocks(self) -> list[Block]:
        """Return these blocks in order."""
        found = blocks(self.page, *self.languages)
        return [block for block in found if self.holding in block.text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Commands of a page with what they printed."""

    commands: str
    output: str


FOLLOWED: set[Part] = set()
"""Every part of a page that some test executes; complete once all tests are imported."""

_taken: set[Block] = set()


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the fenced blocks of a page in order, of all languages or of some."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(page=page, place=match.start(), language=match[1], text=match[2])
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def follows(
    page: Path, *languages: str, holding: str = ""
) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Say that a test executes these blocks of a page, each of them; see to it that it does."""
    part = Part(page=page, languages=languages, holding=holding)

    def decorated(test: Callable[P, None]) -> Callable[P, None]:
        FOLLOWED.add(part)

        @wraps(test)
        def checked(*arguments: P.args, **named: P.kwargs) -> None:
            _taken.clear()
            test(*arguments, **named)
            assert part.blocks()
            assert [block.text for block in part.blocks() if block not in _taken] == []

        return checked

    return decorated


def follow(
    page: Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    *,
    changes: Mapping[str, str] | None = None,
    embedded: bool = False,
) -> Iterator[Shown]:
    """Save the files of a page; yield what each block of commands or Python prints, in order.

    Fails at the first that does not exit with 0. ``changes`` are made to what is typed, such as an
    address that is another one here; what is to be changed must stand on the page. With
    ``embedded`` policies are evaluated and compared in embedded cells, where a page is not about
    containers.
    """
    text = page.read_text(encoding="utf-8")
    assert [each for each in changes or {} if each not in text] == []
    for block in blocks(page, "sh", "python", "toml", "csv"):
        if block.file_name is not None:
            path = folder / block.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.take(), encoding="utf-8")
        elif block.language == "sh":
            commands = typed(block, changes or {})
            if embedded:
                commands = IN_CELLS.sub(r"\g<0> --cell process", commands)
            if commands:
                yield Shown(commands=commands, output=type_in(commands, folder, environment or {}))
        elif block.language == "python":
            program = block.take()
            yield Shown(commands=program, output=run_python(program, folder))


def typed(block: Block, changes: Mapping[str, str]) -> str:
    """Take a block of commands and return what is typed of it, without what is left out."""
    lines = block.take().splitlines(keepends=True)
    kept = "".join(line for line in lines if line.split(" #")[0].strip() not in LEFT_OUT)
    for old, new in changes.items():
        kept = kept.replace(old, new)
    return kept


def type_in(commands: str, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Return what commands print that are typed in a folder."""
    return _output(["bash", "-euo", "pipefail", "-c", commands], folder, environment or {})


def run_python(program: str, folder: Path) -> str:
    """Return what a program prints that is run in a folder."""
    return _output([sys.executable, "-c", program], folder, {})


def _output(command: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**reader(folder), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def reader(folder: Path) -> dict[str, str]:
    """Return the environment of a reader who has activated the virtual environment."""
    folders = (folder_with_assay(), Path(sys.executable).parent, os.environ["PATH"])
    binaries = os.pathsep.join(map(str, folders))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(NOT_THE_READERS)}
    return kept | {"PATH": binaries, "ASSAY_HOME": str(folder / ".assay"), "NO_COLOR": "1"}
