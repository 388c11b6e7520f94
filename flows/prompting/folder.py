"""The templates of the prompts: those that are shipped, or a user's copy of them."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flows.errors import ConfigError, UserError

SHIPPED = Path(__file__).with_name("prompt_templates")
SYSTEM, USER = "system.md.j2", "user.md.j2"
SUFFIX = ".j2"
MOST_BYTES = 400_000
"""Of one template; a prompt of that length would not fit into any budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """The templates of one folder: ``name`` and ``sha256`` say in the history which wording."""

    name: str
    texts: Mapping[str, str]
    sha256: str


@lru_cache(maxsize=32)
def load_templates(folder: Path | None) -> Templates:
    """Return the templates in ``folder``, the shipped ones for None.

    They are read once in a process, so that the wording stays what it is while a search runs;
    :func:`forget_templates` makes the next search read them again.
    """
    place = folder or SHIPPED
    if not place.is_dir():
        raise ConfigError(
            f"feedback.prompts: {place} is not a folder: make one with "
            f"`assay prompts copy {place}` and change what it holds"
        )
    texts = {path.name: _read(path) for path in sorted(place.glob(f"*{SUFFIX}"))}
    for name in (SYSTEM, USER):
        if name not in texts:
            raise ConfigError(
                f"feedback.prompts: {place} has no {name}: copy the shipped one from "
                f"{SHIPPED / name}"
            )
    name = "shipped" if folder is None else place.resolve().name
    return Templates(name=name, texts=texts, sha256=text_sha256(*_named(texts)))


def forget_templates() -> None:
    """Let the next search read its templates again."""
    load_templates.cache_clear()


def copy_templates(folder: Path) -> list[Path]:
    """Copy the shipped templates into ``folder``; refuse to overwrite what is there."""
    sources = sorted(SHIPPED.glob(f"*{SUFFIX}"))
    targets = [folder / source.name for source in sources]
    present = next((target for target in targets if target.exists()), None)
    if present is not None:
        raise UserError(f"{present} exists already: name another folder, or remove the file")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in zip(sources, targets, strict=True):
            shutil.copyfile(source, target)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror}") from None
    return targets


def text_sha256(*texts: str) -> str:
    """Return one hash for several texts."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "backslashreplace")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _named(texts: Mapping[str, str]) -> list[str]:
    return [part for name, text in texts.items() for part in (name, text)]


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"feedback.prompts: {path} is larger than {MOST_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"feedback.prompts: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"feedback.prompts: {path} is not a text file in UTF-8") from None
