"""The certificate of a simulator: what it was put to, how that went, and of which files it speaks.

It says *accepted*: by these checks, with these results. It proves nothing about what no check asks.
"""

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.bootstrap.another import program_sha256
from flows.errors import UserError
from sandbox.image import source_hash
from simulator.bootstrap.check_spec import read_checks
from simulator.errors import InputError
from simulator.sealed.certificate import (
    HASHED,
    SIMULATOR,
    Certificate,
    accepted_numbers,
    check_certificate,
    file_sha256,
    names_of,
)
from simulator.sealed.shapes import MOST_ACCEPTED, MOST_SIMULATOR_BYTES
from simulator.textfile import read_text
from simulator.whole_files import write_texts

MOST_ASSUMPTIONS = 50


def hashes_of(folder: Path, source: str, checks: Sequence[str]) -> dict[str, str]:
    """Return the hashes of everything that a certificate speaks of; files by their names.

    ``checks`` are the hashes of the checks; everything else in the folder that a check uses, such
    as its policies and worked traces, is in ``folder``. Other policies may come and go.
    """
    found = {name: file_sha256(folder / name) for name in HASHED if (folder / name).is_file()}
    named = {name for each in read_checks(folder / "laws.toml") for name in each.policies_used}
    policies = [f"policies/{name.replace('-', '_')}.py" for name in sorted(named)]
    others = [
        path
        for pattern in (*policies, "worked/*.toml", "scenarios/*", "reference.py", "*.csv")
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    ]
    texts = [f"{path.relative_to(folder).as_posix()} {file_sha256(path)}" for path in others]
    return found | {
        "folder": _sha256("\n".join(texts)),
        SIMULATOR: _sha256(source),
        "checks": _sha256("\n".join(checks)),
        "image": source_hash(),
    }


def assumptions_of(source: str) -> list[str]:
    """Return what the author says that it assumed, read without running the source."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    for node in body:
        if isinstance(node, ast.Assign) and [getattr(t, "id", "") for t in node.targets] == [
            "ASSUMPTIONS"
        ]:
            try:
                found = ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                return []
            if isinstance(found, list | tuple):
                return [str(each)[:500] for each in found[:MOST_ASSUMPTIONS]]
    return []


def same_as_accepted(folder: Path, source: str) -> int | None:
    """Return the number of the simulator in the folder that is this program, from 0, or None."""
    own = program_sha256(source)
    for number in accepted_numbers(folder):
        text = read_text(folder / names_of(number)[0], InputError, MOST_SIMULATOR_BYTES)
        if program_sha256(text) == own:
            return number
    return None


def write_accepted(folder: Path, source: str, certificate: Certificate) -> tuple[Path, Path]:
    """Write simulator and certificate into the folder, beside those that are accepted already.

    The same program again, and one whose certificate no longer fits, are replaced. The certificate
    comes first: if this is interrupted, it is about no simulator, and both are written once more.
    """
    number = same_as_accepted(folder, source)
    if number is None:
        number = next((n for n in range(MOST_ACCEPTED) if _is_free(folder, n)), None)
    if number is None:
        raise UserError(f"{folder} has {MOST_ACCEPTED} accepted simulators: remove one")
    simulator, beside = (folder / name for name in names_of(number))
    text = json.dumps(certificate, indent=1, sort_keys=True) + "\n"
    write_texts({beside: text, simulator: source}, InputError)
    return simulator, beside


def _is_free(folder: Path, number: int) -> bool:
    """Whether nothing is lost there; a simulator without any certificate is somebody's work."""
    simulator, beside = (folder / name for name in names_of(number))
    if not simulator.is_file() or not beside.is_file():
        return not simulator.is_file()
    try:
        check_certificate(folder, number)
    except InputError:
        return True
    return False


def changed_files(simulator: Path, certificate: Mapping[str, Any]) -> list[str]:
    """Return what of the files a certificate does not speak of; our own code is not compared."""
    recorded = certificate.get("hashes", {})
    source = read_text(simulator, InputError, MOST_SIMULATOR_BYTES)
    checks = [each["sha256"] for each in certificate.get("checks", [])]
    now = hashes_of(simulator.parent, source, checks)
    return [key for key in now if key != "image" and now[key] != recorded.get(key)]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
