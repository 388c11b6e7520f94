"""Settings from the environment, from a ``.env`` file and from ``KEY=VALUE`` flags."""

import re
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.errors import ConfigError

PREFIX = "ASSAY_"
NESTING = "__"
NOT_SETTINGS = (
    "HOME",
    "SETUP_DIR",
    "VENV",
    "OFFICIAL_IMAGE",
    "DOCKER_RUN_DIR",
    "DOCKERD_LOG",
    "ENGINE_WAIT_S",
)
"""Names after the prefix that say where things are, not how a search goes."""
OTHER_PREFIXES = ("EVALUATOR_",)
DOTENV = ".env"
MAX_DOTENV_BYTES = 1 << 20

OWN, FILE, ENVIRONMENT, FLAGS = range(4)
"""The places where a setting can stand; the later one wins."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = re.compile(r"""'([^']*)'\s*(?:\#.*)?|"((?:[^"\\]|\\.)*)"\s*(?:\#.*)?""", re.VERBOSE)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a setting was made."""

    strength: int
    """One of the places above."""
    words: str
    """What an error about the setting begins with."""


def environment_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings in ``environment``: ``ASSAY_PROPOSER__MODEL`` is ``proposer.model``."""
    settings = {}
    for name, value in sorted(environment.items()):
        key = name.removeprefix(PREFIX)
        if key == name or key in NOT_SETTINGS or key.startswith(OTHER_PREFIXES) or not value:
            continue
        settings[key.lower().replace(NESTING, ".")] = parse_value(value)
    return settings


def user_file(environment: Mapping[str, str]) -> Path | None:
    """Return the user's own defaults where there are any, by the XDG base directories."""
    home = environment.get("HOME")
    folder = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    path = Path(folder) / "assay" / "config.toml"
    return path if Path(folder).is_absolute() and path.is_file() else None


def under(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``settings`` with what only ``defaults`` say, section by section."""
    merged = {**defaults, **settings}
    for key in defaults.keys() & settings.keys():
        if isinstance(defaults[key], dict) and isinstance(settings[key], dict):
            merged[key] = under(settings[key], defaults[key])
    return merged


def dotted_keys(settings: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Yield the keys of all values, as ``section.key``."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from dotted_keys(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"


def variable_name(dotted: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + dotted.upper().replace(".", NESTING)


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings of ``KEY=VALUE`` texts; nothing after the sign stands for no value."""
    settings = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise ConfigError(
                f"--set {text!r} is not KEY=VALUE: name a key of the configuration, as in "
                "--set guards.gap_percent=20"
            )
        settings[key.strip()] = parse_value(value.strip()) if value.strip() else None
    return settings


def parse_value(text: str) -> Any:
    """Return a list or table written as in TOML, anything else as it is."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def add_dotenv(environment: MutableMapping[str, str], folder: Path) -> None:
    """Add what ``.env`` in ``folder`` says and ``environment`` does not; no value is ever shown."""
    path = folder / DOTENV
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOTENV_BYTES)
        text = data.decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not a text file in UTF-8") from None
    for name, value in _read(text, path):
        environment.setdefault(name, value)


def _read(text: str, path: Path) -> list[tuple[str, str]]:
    """Return the assignments; a line that is none is an error only where it means a setting."""
    found = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip().removeprefix("export ").strip()
        if line.startswith("#"):
            continue
        name, sign, right = line.partition("=")
        value = _unquote(right.strip()) if sign and _NAME.fullmatch(name.strip()) else None
        if value is not None and "\0" not in value:
            found.append((name.strip(), value))
        elif PREFIX in line:
            raise ConfigError(
                f"{path}:{number}: is not NAME=VALUE on one line; mend that line or remove it"
            )
    return found


def _unquote(value: str) -> str | None:
    """Return what a value stands for; None for one whose quotation does not end."""
    if not value.startswith(("'", '"')):
        return re.split(r"(?:^|\s)#", value, maxsplit=1)[0].strip()
    quoted = _QUOTED.fullmatch(value)
    if quoted is None:
        return None
    if quoted[1] is not None:
        return quoted[1]
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), quoted[2])
