"""Reading and writing small files of text with errors that name the file and what to do."""

import json
from pathlib import Path
from typing import Any

from simulator.errors import InputError

MAX_TOML_BYTES = 1 << 24
MAX_TOML_LINE_CHARS = 4000
"""A key stands on one line, and reading takes the square of the number of its parts in time."""


def read_text(path: Path, error: type[InputError], max_bytes: int) -> str:
    """Return the UTF-8 text of a file of at most ``max_bytes``; raise ``error`` with one line."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as problem:
        raise error(f"{path}: cannot be read: {_reason(problem)}") from None
    if len(data) > max_bytes:
        raise error(f"{path}: larger than {max_bytes} bytes, expected a smaller file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(f"{path}: byte {problem.start} is not UTF-8, save the file as UTF-8") from None


def read_json(path: Path, error: type[InputError], max_bytes: int) -> dict[str, Any]:
    """Return the object in a JSON file; raise ``error`` with one line on anything else."""
    return parse_json(read_text(path, error, max_bytes), str(path), error)


def parse_json(text: str, where: str, error: type[InputError]) -> dict[str, Any]:
    """Return the object in a JSON text; raise ``error`` with one line on anything else."""
    try:
        value = json.loads(text, object_pairs_hook=_without_repeats)
    except RecursionError:
        raise error(f"{where}: nested too deeply, expected plain keys and values") from None
    except ValueError as problem:
        raise error(f"{where}: not valid JSON: {one_line(str(problem))}") from None
    if not isinstance(value, dict):
        raise error(f"{where}: top level is {show(value)}, expected an object")
    return value


def read_toml(
    path: Path, error: type[InputError], max_bytes: int = MAX_TOML_BYTES
) -> dict[str, Any]:
    """Return the tables of a TOML file; raise ``error`` with one line on anything else."""
    import tomllib  # no cell reads such a file

    text = read_text(path, error, max_bytes)
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MAX_TOML_LINE_CHARS:
            raise error(
                f"{path}: line {number} has {len(line)} characters, expected at most "
                f"{MAX_TOML_LINE_CHARS}"
            )
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise error(f"{path}: nested too deeply, expected plain keys and values") from None
    except ValueError as problem:
        raise error(f"{path}: not valid TOML: {one_line(str(problem))}") from None


def write_text(path: Path, text: str, error: type[InputError]) -> None:
    """Write ``text`` as UTF-8 without touching its line ends; raise ``error`` with one line."""
    try:
        path.write_bytes(text.encode())
    except (OSError, ValueError) as problem:
        raise error(f"{path}: cannot be written: {_reason(problem)}") from None


def show(value: object) -> str:
    """Return a value as one short line of ASCII for an error message."""
    try:
        text = ascii(value)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__} too large to show"
    return text if len(text) <= 80 else text[:77] + "..."


def one_line(text: str) -> str:
    """Return a text of several lines as one, cut to a length that can be read."""
    return " ".join(text.split())[:300]


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key {show(key)} is given twice, remove one")
        result[key] = value
    return result


def _reason(problem: OSError | ValueError) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror.lower()
    return str(problem)
