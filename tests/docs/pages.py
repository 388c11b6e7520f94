"""Runs a page of the documentation as its reader would: saves its files, types its commands."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE_NAME = re.compile(r"# ([\w./-]+\.(?:py|toml|csv|sql))\n")
SECONDS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The file that a reader saves it as, named by its first line."""
        named = FILE_NAME.match(self.text)
        return named[1] if named else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Commands of a page with what they printed."""

    commands: str
    output: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    return [Block(language=m[1], text=m[2]) for m in FENCE.finditer(text)]


def follow(
    page: Path, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Shown]:
    """Yield what each block of commands prints; fail at the first that does not exit with 0."""
    for block in blocks(page):
        if block.file_name is not None:
            path = folder / block.file_name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            yield Shown(commands=block.text, output=_type(block.text, folder, environment or {}))


def _type(commands: str, folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**_environment(folder), **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of a reader who has activated the virtual environment."""
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return kept | {"PATH": binaries, "ASSAY_HOME": str(folder / ".assay"), "NO_COLOR": "1"}
