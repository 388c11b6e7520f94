"""Settings from the environment, from a ``.env`` file and from ``KEY=VALUE`` flags."""

import io
import os
import tomllib
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream

from flows.errors import ConfigError

PREFIX = "ASSAY_"
NESTING = "__"
NOT_SETTINGS = (
    "HOME",
    "FOLDER",
    "HOST",
    "SETUP_DIR",
    "VENV",
    "OFFICIAL_IMAGE",
    "DOCKER_RUN_DIR",
    "DOCKERD_LOG",
    "ENGINE_WAIT_S",
    "EVERY_S",
    "MCP_TOKEN",
    "PROGRESS",
    "VIEW_TOKEN",
)
"""Names after the prefix that say where things are or what is shown, not how a search goes."""
OTHER_PREFIXES = ("EVALUATOR_",)
DOTENV_FILE = ".env"
MAX_DOTENV_BYTES = 1 << 20
SDK_BASE_URL = "OPENAI_BASE_URL"
"""The variable that sets the openai package's default server."""
WHERE_CODE_RUNS = ("cell", "runner")

OWN, FILE, DOTENV, ENVIRONMENT, FLAGS = range(5)
"""The places where a setting can stand; the later one wins."""


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


def read_dotenv(folder: Path = Path()) -> dict[str, str]:
    """Return the assignments in ``.env`` of ``folder``; no value is ever shown.

    The folder may be anybody's, so none of this goes into the environment of this process or of
    another. Settings and keys are looked up here by their names, and nothing else is.
    """
    path = folder / DOTENV_FILE
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DOTENV_BYTES)
        text = data.decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not a text file in UTF-8") from None
    found = {}
    for each in parse_stream(io.StringIO(text)):
        if each.key is not None and each.value is not None and "\0" not in each.value:
            found[each.key] = each.value
        elif PREFIX in each.original.string and not each.original.string.lstrip().startswith("#"):
            line = each.original.line + _blank_lines_before(each.original.string)
            raise ConfigError(f"{path}:{line}: is not NAME=VALUE: correct that line or remove it")
    return found


def decides_what_runs(setting: str, value: object) -> bool:
    """Return whether a setting says where a policy's code runs, or is a folder with more code.

    A file that came with a folder never decides that.
    """
    is_folder = setting == "domain" and ("/" in str(value) or str(value) in (".", ".."))
    return setting.partition(".")[0] in WHERE_CODE_RUNS or is_folder


def variables_here() -> Mapping[str, str]:
    """Return where to look up a variable by its name: the environment, then ``.env`` here."""
    return ChainMap(os.environ, read_dotenv())


def _blank_lines_before(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count("\n")
