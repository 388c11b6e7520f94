"""What a person gave to describe a system, as far as checks need it."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.sealed.laws import LAWS_FILE, Laws, read_laws
from simulator.sealed.shapes import SealedSpec
from simulator.textfile import read_text, read_toml

MAX_FILE_BYTES = 4 << 20
TABLES = ("worked/*.toml", "scenarios/*.toml")
REFERENCE = "reference.py"
TEXTS = (REFERENCE, "*.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What of a person's folder the checks need, all of it in memory."""

    spec: SealedSpec
    laws: Laws
    policies: Mapping[str, str]
    """The sources of the library."""
    files: Mapping[str, Mapping[str, Any] | str]
    """Scenarios and worked traces as tables, ``reference.py`` and figures as texts."""


def read_folder(spec: SealedSpec, root: Path) -> Folder:
    """Return what of a person's folder the checks need."""
    files: dict[str, Any] = {}
    for pattern in TABLES:
        for path in sorted(root.glob(pattern)):
            files[path.relative_to(root).as_posix()] = read_toml(path, InputError)
    for pattern in TEXTS:
        for path in sorted(root.glob(pattern)):
            files[path.name] = read_text(path, InputError, MAX_FILE_BYTES)
    policies = {
        path.stem.replace("_", "-"): read_text(path, InputError, MAX_FILE_BYTES)
        for path in sorted((root / "policies").glob("[!_]*.py"))
    }
    laws = read_laws(root / LAWS_FILE, spec)
    return Folder(spec=spec, laws=laws, policies=policies, files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A row of a file of figures."""

    generator: str
    seed: int
    policy: str
    figure: str
    value: float
    spread: float


def figure_rows(folder: Folder, name: str) -> list[Measured]:
    """Return the measured figures of a file: generator, seed, policy, figure, value, spread."""
    text = folder.files.get(name)
    if not isinstance(text, str):
        raise InputError(f"there is no file {name}")
    rows = []
    for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        try:
            rows.append(
                Measured(
                    generator=row["generator"],
                    seed=int(row["seed"]),
                    policy=row["policy"],
                    figure=row["figure"],
                    value=float(row["value"]),
                    spread=float(row["spread"] or 0),
                )
            )
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{name}: line {number}: expected generator,seed,policy,figure,value,spread"
            ) from None
    return rows
