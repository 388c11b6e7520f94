"""Writes TOML that reads back as the same values; the one door to tomlkit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import AoT, Array, Item, Table

WIDTH = 100


def document(table: Mapping[str, Any]) -> str:
    """Return a TOML file: plain values first, then tables; keys without a value are omitted."""
    found = tomlkit.item(_plain(table))
    _break_lines(found)
    return str(found.as_string())


def value(found: Any) -> str:
    """Return what stands behind a key, on one line."""
    return _item(_plain(found)).as_string()


def _plain(found: Any) -> Any:
    """Return the same in types that TOML has, plain values before tables, without surrogates."""
    match found:
        case Mapping():
            present = {str(k): _plain(v) for k, v in found.items() if v is not None}
            return dict(sorted(present.items(), key=lambda pair: _is_table(pair[1])))
        case list() | tuple():
            return [_plain(each) for each in found if each is not None]
        case bool() | int() | float():
            return found
        case str() | Path():
            return str(found).encode("utf-8", "backslashreplace").decode()
    raise TypeError(f"TOML has no {type(found).__name__}: {found!r}")


def _break_lines(found: Item) -> None:
    """Put each value of a long list on its own line."""
    match found:
        case Table():
            for each in found.values():
                _break_lines(each)
        case AoT():
            for each in found.body:
                _break_lines(each)
        case Array() if len(found.as_string()) > WIDTH:
            found.multiline(True)


def _is_table(found: Any) -> bool:
    return isinstance(found, dict) or (
        isinstance(found, list) and bool(found) and all(isinstance(each, dict) for each in found)
    )


def _item(found: Any) -> Item:
    match found:
        case dict():
            table = tomlkit.inline_table()
            for name, each in found.items():
                table.append(name, _item(each))
            return table
        case list():
            array = tomlkit.array()
            for each in found:
                array.append(_item(each))
            return array
    item: Item = tomlkit.item(found)
    return item
