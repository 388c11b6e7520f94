"""Reading small files of text with errors that name the file and what to do."""

import errno
import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator.errors import InputError

MAX_TOML_BYTES = 1 << 24
MAX_TOML_LINE_CHARS = 4000
"""A key stands on one line, and reading takes the square of the number of its parts in time."""
_TOML_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")


def read_text(path: Path, error: type[InputError], max_bytes: int) -> str:
    """Return the UTF-8 text of a file of at most ``max_bytes``; raise ``error`` with one line."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as problem:
        raise error(f"{path}: cannot be read: {reason_of(problem)}") from None
    if len(data) > max_bytes:
        raise error(f"{path}: larger than {max_bytes} bytes, expected a smaller file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        byte = f"byte {problem.start} is not UTF-8: {data[problem.start]:#04x}"
        raise error(f"{path}:{line}: {byte}, save the file as UTF-8") from None


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
    return parse_toml(read_text(path, error, max_bytes), str(path), error)


def parse_toml(
    text: str, where: str, error: type[InputError], parse_float: Callable[[str], Any] = float
) -> dict[str, Any]:
    """Return the tables of a TOML text; raise ``error`` with one line on anything else."""
    import tomllib  # no cell reads such a file

    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MAX_TOML_LINE_CHARS:
            raise error(
                f"{where}:{number}: {len(line)} characters, expected at most "
                f"{MAX_TOML_LINE_CHARS} on a line: put the values of a list on several lines"
            )
    try:
        return tomllib.loads(text, parse_float=parse_float)
    except RecursionError:
        raise error(f"{where}: nested too deeply, expected plain keys and values") from None
    except tomllib.TOMLDecodeError as problem:
        raise error(_toml_problem(str(problem), where, text)) from None
    except ValueError:
        raise error(f"{where}: a number has thousands of digits, expected a shorter one") from None


def _toml_problem(problem: str, where: str, text: str) -> str:
    """Return what is wrong, behind the line and with what is written there."""
    found = _TOML_PLACE.search(problem)
    if found is None:
        return f"{where}: not valid TOML: {one_line(problem)}"
    line = text.splitlines()[int(found[1]) - 1 :][:1]
    written = f", it reads {show(line[0])}" if line else ""
    return f"{where}:{found[1]}: not valid TOML: {one_line(problem[: found.start()])}{written}"


def refused_path(problem: OSError) -> str | None:
    """Return what to say of a path that the system refuses to look at; None for other failures."""
    refusals = (errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EPERM)
    if problem.errno not in refusals or problem.filename is None:
        return None
    name = show(str(problem.filename)).strip("'")
    return f"{name}: cannot be read: {reason_of(problem)}"


def is_endless(path: Path) -> bool:
    """Return whether a path is a device, a pipe or a socket, which may never end."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; of one that cannot be looked at, reading it says why."""
    try:
        return path.is_dir()
    except OSError:
        return False


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


def reason_of(problem: Exception) -> str:
    """Return why a file cannot be read or written, in lower case."""
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror.lower()
    return str(problem)
