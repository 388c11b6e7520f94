"""A start for somebody who describes a system: a small queue, commented, whose checks bite."""

import re
from pathlib import Path

from flows.errors import UserError
from simulator.domain_spec import WORD
from simulator.whole_files import draft_folder

STARTER = Path(__file__).with_name("starter")
NAME = "NAME"


def write_starter(folder: Path, name: str) -> list[Path]:
    """Write the files of a start into a new folder and return them."""
    if not re.match(WORD, name):
        raise UserError(
            f"{name!r} cannot name a system: expected a small letter, and then small letters, "
            "digits, - and _, 60 at most"
        )
    if folder.exists():
        raise UserError(f"{folder} exists: choose another name, or remove it")
    written = []
    folder.parent.mkdir(parents=True, exist_ok=True)
    with draft_folder(folder.parent) as place:
        draft = place / folder.name
        for path in sorted(STARTER.rglob("*")):
            if path.is_file() and path.suffix in (".md", ".toml", ".py"):
                inside = path.relative_to(STARTER)
                text = path.read_text(encoding="utf-8").replace(NAME, name)
                (draft / inside).parent.mkdir(parents=True, exist_ok=True)
                (draft / inside).write_text(text, encoding="utf-8")
                written.append(folder / inside)
        draft.rename(folder)
    return written
