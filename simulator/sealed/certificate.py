"""The certificate of an accepted simulator: without one that fits, nothing runs it."""

from hashlib import sha256
from pathlib import Path

from simulator.domain import Domain
from simulator.errors import InputError
from simulator.sealed.laws import LAWS_FILE
from simulator.sealed.shapes import MOST_ACCEPTED
from simulator.sealed.spec import CONTRACT_FILE
from simulator.textfile import read_json, read_text

MAX_CERTIFICATE_BYTES = 1 << 20
MAX_SIMULATOR_BYTES = 1 << 20
HASHED = (CONTRACT_FILE, LAWS_FILE)
"""The files, beside the simulator, that a certificate is about."""


def names_of(number: int) -> tuple[str, str]:
    """Return the names of the files of the accepted simulator with a number, from 0."""
    suffix = "" if number == 0 else f"-{number + 1}"
    return f"simulator{suffix}.py", f"certificate{suffix}.json"


def hashes_of(root: Path, number: int = 0) -> dict[str, str]:
    """Return the sha256 of the files that a certificate names, by name, in hex."""
    names = (*HASHED, names_of(number)[0])
    return {name: file_sha256(root / name) for name in names}


def check_certificate(domain: Domain, number: int = 0) -> str:
    """Return the source of an accepted simulator; raise ``InputError`` unless it is certified.

    A certificate is a JSON object; ``hashes`` in it has the sha256 of contract, laws and simulator.
    """
    source, certificate = names_of(number)
    root = domain.root
    remedy = f"run `assay bootstrap {root}`, which accepts a simulator and writes one"
    for name in (source, certificate):
        if not (root / name).is_file():
            raise InputError(f"{root / name}: there is no such file; {remedy}")
    said = read_json(root / certificate, InputError, MAX_CERTIFICATE_BYTES).get("hashes")
    if not isinstance(said, dict):
        raise InputError(f"{root / certificate}: hashes is missing; {remedy}")
    for name, found in hashes_of(root, number).items():
        if said.get(name) != found:
            raise InputError(
                f"{root / name}: it is not the file that {certificate} is about, which has another "
                f"hash; {remedy}"
            )
    return read_text(root / source, InputError, MAX_SIMULATOR_BYTES)


def accepted_simulators(domain: Domain) -> list[str]:
    """Return the sources of all accepted simulators, the first one first."""
    found = []
    for number in range(MOST_ACCEPTED):
        if number and not (domain.root / names_of(number)[0]).is_file():
            break
        found.append(check_certificate(domain, number))
    return found


def calibrated(root: Path, number: int = 0) -> dict[str, int]:
    """Return the parameters that were calibrated for an accepted simulator, by name."""
    path = root / names_of(number)[1]
    if not path.is_file():
        return {}
    found = read_json(path, InputError, MAX_CERTIFICATE_BYTES).get("calibration")
    parameters = found.get("parameters") if isinstance(found, dict) else None
    return dict(parameters) if isinstance(parameters, dict) else {}


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hex; raise ``InputError`` where it cannot be read."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {(error.strerror or '').lower()}") from None
