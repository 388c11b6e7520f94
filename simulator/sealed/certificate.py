"""The certificate of an accepted simulator: without one that fits, nothing runs it.

It is a JSON object with the hash of all the rest of it. ``hashes`` in it has the sha256 of the
files that it is about, by name; under ``simulator.py`` stands the simulator, whatever its number.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.sealed.laws import LAWS_FILE
from simulator.sealed.shapes import MOST_ACCEPTED, MOST_CERTIFICATE_BYTES, MOST_SIMULATOR_BYTES
from simulator.sealed.spec import CONTRACT_FILE
from simulator.textfile import read_json, read_text, show

FORM = 1
"""Of the file; a later form has a higher number."""
HASHED = ("spec.md", CONTRACT_FILE, LAWS_FILE)
"""The files, beside the simulator, that a certificate is about; the first one may be missing."""

Certificate = dict[str, Any]


def names_of(number: int) -> tuple[str, str]:
    """Return the names of the files of the accepted simulator with a number, from 0."""
    suffix = "" if number == 0 else f"-{number + 1}"
    return f"simulator{suffix}.py", f"certificate{suffix}.json"


SIMULATOR = names_of(0)[0]


def hashes_of(root: Path, number: int = 0) -> dict[str, str]:
    """Return the sha256 of the files that the certificate with a number is about, in hex."""
    found = {name: file_sha256(root / name) for name in HASHED if (root / name).is_file()}
    return found | {SIMULATOR: file_sha256(root / names_of(number)[0])}


def sealed_with_hash(certificate: Mapping[str, Any]) -> Certificate:
    """Return a certificate with the hash of all the rest of it."""
    rest = {key: value for key, value in certificate.items() if key != "sha256"}
    return {**rest, "sha256": hashlib.sha256(canonical(rest).encode()).hexdigest()}


def canonical(value: Any) -> str:
    """Return the one JSON text of plain values: sorted keys, no spaces, no other numbers."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def read_certificate(path: Path) -> Certificate:
    """Return a certificate whose own hash is right; raise ``InputError`` otherwise."""
    found = read_json(path, InputError, MOST_CERTIFICATE_BYTES)
    if found.get("certificate") != FORM:
        raise InputError(
            f"{path}: certificate is {show(found.get('certificate'))}, expected {FORM}"
        )
    try:
        own = sealed_with_hash(found)["sha256"]
    except ValueError:  # a number that is none
        own = None
    if own is None or own != found.get("sha256"):
        raise InputError(
            f"{path}: its own hash is wrong, so it was changed: run assay bootstrap again"
        )
    return found


def accepted_numbers(root: Path) -> list[int]:
    """Return the numbers of the simulators in a folder, from 0, certified or not."""
    return [number for number in range(MOST_ACCEPTED) if (root / names_of(number)[0]).is_file()]


def accepted_simulators(root: Path) -> dict[int, str]:
    """Return the sources of all simulators in a folder by number; all of them must be certified.

    Raise ``InputError`` where one is not, where there is none, and where two are the same.
    """
    found: dict[int, str] = {}
    for number in accepted_numbers(root) or [0]:
        source = check_certificate(root, number)
        for other, text in found.items():
            if text == source:
                same, first = names_of(number)[0], names_of(other)[0]
                raise InputError(f"{root / same}: it is {first} once more: remove one of them")
        found[number] = source
    return found


def check_certificate(root: Path, number: int = 0) -> str:
    """Return the source of an accepted simulator; raise ``InputError`` unless it is certified."""
    source, beside = names_of(number)
    remedy = f"`assay bootstrap {root}` accepts a simulator and writes one"
    for name in (source, beside):
        if not (root / name).is_file():
            raise InputError(f"{root / name}: there is no such file; {remedy}")
    said = read_certificate(root / beside).get("hashes")
    if not isinstance(said, dict):
        raise InputError(f"{root / beside}: hashes is missing; {remedy}")
    now = hashes_of(root, number)
    for name in (*HASHED, SIMULATOR):
        if said.get(name) != now.get(name):
            here = source if name == SIMULATOR else name
            raise InputError(
                f"{root / here}: it is not the file that {beside} is about, which has another "
                f"hash; restore it, or {remedy}"
            )
    return read_text(root / source, InputError, MOST_SIMULATOR_BYTES)


def calibrated(root: Path, number: int = 0) -> dict[str, int]:
    """Return the parameters that were calibrated for an accepted simulator, by name."""
    path = root / names_of(number)[1]
    if not path.is_file():
        return {}
    found = read_json(path, InputError, MOST_CERTIFICATE_BYTES).get("calibration")
    parameters = found.get("parameters") if isinstance(found, dict) else None
    return dict(parameters) if isinstance(parameters, dict) else {}


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hex; raise ``InputError`` where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {(error.strerror or '').lower()}") from None
