"""A configuration as TOML, so that what a report shows can be saved and run again."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def to_toml(config: Mapping[str, Any]) -> str:
    """TOML that reads back as the same values; keys without a value are left out."""
    return "\n".join(_table(config, ())) + "\n"


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
            pairs = (f"{_key(key)} = {_value(item)}" for key, item in value.items())
            return f"{{ {', '.join(pairs)} }}"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return repr(value)
