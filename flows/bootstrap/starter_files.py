"""A start for somebody who describes a system: a small queue, commented, whose checks bite."""

from pathlib import Path

from flows.errors import UserError

STARTER = Path(__file__).with_name("starter")
NAME = "NAME"


def write_starter(folder: Path, name: str) -> list[Path]:
    """Write the files of a start into a new folder and return them."""
    if folder.exists():
        raise UserError(f"{folder} exists: choose another name, or remove it")
    written = []
    for path in sorted(STARTER.rglob("*")):
        if path.is_file() and path.suffix in (".md", ".toml", ".py"):
            into = folder / path.relative_to(STARTER)
            into.parent.mkdir(parents=True, exist_ok=True)
            into.write_text(path.read_text(encoding="utf-8").replace(NAME, name), encoding="utf-8")
            written.append(into)
    return written
