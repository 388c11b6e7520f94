"""The systemd units of docs/scale-out.md, read so that tests run what the page says."""

import shlex
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "scale-out.md"
UNITS = PurePosixPath("/etc/systemd/system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a unit starts, with which environment."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def unit(name: str, host: str) -> Unit:
    """Return the service of this name as ``host`` runs it."""
    settings = _settings(_file(UNITS / f"{name}.service"))
    assert settings["Restart"] == "always", name
    environment: dict[str, str] = {}
    for path in settings.get("EnvironmentFile", "").split():
        environment |= _settings(_file(PurePosixPath(path)))
    command = settings["ExecStart"].replace("%H", host)
    return Unit(name=name, command=tuple(shlex.split(command)), environment=environment)


def _file(path: PurePosixPath) -> list[str]:
    """Return the lines of a file that the page shows under its path."""
    named = f"# {path}\n"
    [block] = [each for each in blocks(PAGE, "ini") if each.text.startswith(named)]
    return block.take().replace("\\\n", " ").splitlines()


def _settings(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}
