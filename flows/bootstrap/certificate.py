"""The certificate of a simulator: what it was put to, how that went, and of which files it speaks.

It says *accepted*: by these checks, with these results. It proves nothing about what no check asks.
"""

import ast
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.errors import UserError
from sandbox.image import source_hash
from simulator.bootstrap.check_spec import read_checks
from simulator.errors import InputError
from simulator.sealed.certificate import file_sha256, names_of
from simulator.textfile import read_json, read_text, show

FORM = 1
"""Of the file; a later form has a higher number."""
MAX_BYTES = 4 << 20
MOST_ASSUMPTIONS = 50
SIMULATOR = names_of(0)[0]
HASHED = ("spec.md", "contract.toml", "laws.toml")
MOST_ACCEPTED = 9

Certificate = dict[str, Any]


def canonical(value: Any) -> str:
    """Return the one JSON text of plain values: sorted keys, no spaces, no other numbers."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def sealed_with_hash(certificate: Mapping[str, Any]) -> Certificate:
    """Return a certificate with the hash of all the rest of it."""
    rest = {key: value for key, value in certificate.items() if key != "sha256"}
    return {**rest, "sha256": _sha256(canonical(rest))}


def hashes_of(
    folder: Path, source: str, checks: Sequence[str], name: str = SIMULATOR
) -> dict[str, str]:
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
        name: _sha256(source),
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


def write_accepted(folder: Path, source: str, certificate: Certificate) -> tuple[Path, Path]:
    """Write simulator and certificate into the folder; a second one gets a number of its own."""
    for number in range(1, MOST_ACCEPTED + 1):
        simulator, beside = files_of(folder, number)
        if not simulator.is_file() or read_text(simulator, InputError, MAX_BYTES) == source:
            simulator.write_text(source, encoding="utf-8")
            beside.write_text(
                json.dumps(certificate, indent=1, sort_keys=True) + "\n", encoding="utf-8"
            )
            return simulator, beside
    raise UserError(f"{folder} has {MOST_ACCEPTED} accepted simulators: remove one")


def files_of(folder: Path, number: int) -> tuple[Path, Path]:
    """Return where an accepted simulator and its certificate are, counted from 1."""
    simulator, certificate = names_of(number - 1)
    return folder / simulator, folder / certificate


def read_certificate(path: Path) -> Certificate:
    """Return a certificate whose hash is right; raise ``InputError`` otherwise."""
    found = read_json(path, InputError, MAX_BYTES)
    if found.get("certificate") != FORM:
        raise InputError(
            f"{path}: certificate is {show(found.get('certificate'))}, expected {FORM}"
        )
    if sealed_with_hash(found)["sha256"] != found.get("sha256"):
        raise InputError(
            f"{path}: its own hash is wrong, so it was changed: run assay bootstrap again"
        )
    return found


def refuse_uncertified(folder: Path) -> None:
    """Refuse a sealed domain in which a simulator has no certificate, or one of other files."""
    numbers = [n for n in range(1, MOST_ACCEPTED + 1) if files_of(folder, n)[0].is_file()]
    if not numbers:
        raise UserError(
            f"{folder} has no {SIMULATOR}: `assay bootstrap {folder}` searches for one that "
            "the checks accept"
        )
    for number in numbers:
        simulator, beside = files_of(folder, number)
        if not beside.is_file():
            raise UserError(f"{simulator} has no {beside.name}: assay bootstrap {folder} makes one")
        certificate = read_certificate(beside)
        wrong = changed_files(simulator, certificate)
        if wrong:
            raise UserError(
                f"{beside} is not about what is here: {', '.join(wrong)} changed since; "
                f"run assay bootstrap {folder} again, or restore what changed"
            )


def changed_files(simulator: Path, certificate: Mapping[str, Any]) -> list[str]:
    """Return what of the files a certificate does not speak of; our own code is not compared."""
    recorded = certificate.get("hashes", {})
    source = read_text(simulator, InputError, MAX_BYTES)
    checks = [each["sha256"] for each in certificate.get("checks", [])]
    now = hashes_of(simulator.parent, source, checks, simulator.name)
    return [key for key in now if key != "image" and now[key] != recorded.get(key)]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
