"""A configuration as TOML and as a command, so that what a report shows can be run again."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from flows.settings.search import SearchConfig


def to_toml(config: Mapping[str, Any]) -> str:
    """TOML that reads back as the same values; keys without a value are left out."""
    return "\n".join(_table(config, ())) + "\n"


def command_line(config: Mapping[str, Any]) -> str:
    """The command that runs the same search, with what differs from the defaults."""
    words = ["assay", "run"]
    usual = SearchConfig().model_dump(mode="json")
    for key, value in _different(config, usual, ""):
        text = "" if value is None else value if isinstance(value, str) else _value(value)
        words += ["--set", f"{key}={text}"]
    return shlex.join(words)


def _different(
    config: Mapping[str, Any], usual: Mapping[str, Any], path: str
) -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, dict) and isinstance(usual.get(key), dict):
            yield from _different(value, usual[key], f"{path}{key}.")
        elif key not in usual or value != usual[key]:
            yield f"{path}{key}", value


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    present = {key: value for key, value in table.items() if value is not None}
    for key, value in present.items():
        if not isinstance(value, dict):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in present.items():
        if isinstance(value, dict):
            yield ""
            yield f"[{'.'.join(_key(part) for part in (*path, key))}]"
            yield from _table(value, (*path, key))


def _key(key: str) -> str:
    plain = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if plain else _value(key)


def _value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{', '.join(_value(item) for item in value if item is not None)}]"
        case dict():
            present = ((key, item) for key, item in value.items() if item is not None)
            pairs = (f"{_key(key)} = {_value(item)}" for key, item in present)
            return f"{{ {', '.join(pairs)} }}"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return repr(value)
