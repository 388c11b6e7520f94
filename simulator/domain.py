"""A domain: one kind of system that policies schedule, as one folder.

The folder holds data and up to three modules that never meet in one process by accident:

``domain.toml``
    What is data: names, units, objectives, metrics, panels. Read by everybody, imports nothing.
``contract.py``
    The policy's side: the messages, and the objects that a policy reads. The only part of a domain
    that a sealed worker ever holds. Offers ``CONTRACT``, a :class:`Contract`.
``cell.py``
    The simulator's side, for the trusted process of a cell and for the host: reads, encodes and
    decodes scenarios, and simulates. Offers the functions of :class:`CellHalf`.
``host.py``
    Optional, for the host: descriptions, diagnoses, an offline proposer's space.

Beside them lie ``policies/*.py``, the library. The modules of a folder that is not shipped import
each other relatively (``from .engine import ...``).
"""

import hashlib
import importlib
import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

from simulator.contract import Contract, Policy
from simulator.domain_spec import DomainSpec, read_spec
from simulator.errors import InputError
from simulator.textfile import read_text, show

SHIPPED = Path(__file__).resolve().parent / "domains"
DEFAULT = "pipelines"
ENTRY_POINTS = "assay.domains"
SPEC_FILE = "domain.toml"
MAX_POLICY_BYTES = 1 << 20
MAX_DOMAIN_BYTES = 32 << 20
"""The largest folder that is taken for a domain; scenarios do not belong in it but in suites."""
_LEFT_OUT = frozenset({"__pycache__", "suites", "scenarios"})
"""Folders of a domain that are no code of it and do not reach a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A simulation that came to its end; ``metrics`` are what Assay judges and shows."""

    stats: dict[str, Any]
    metrics: dict[str, Any]
    policy_calls: int
    decision_sha256: str


class Scenario(Protocol):
    """One thing to try a policy on, as everybody but its own domain knows it."""

    @property
    def name(self) -> str: ...
    @property
    def family(self) -> str:
        """The kind of scenario that this one is an example of."""

    @property
    def split(self) -> str:
        """``train``, ``validation`` or ``test``."""

    @property
    def sha256(self) -> str:
        """Equal hashes mean the same scenario."""

    @property
    def calls(self) -> str:
        """When the policy is called: one of the calling modes of the domain."""

    @property
    def duration_seconds(self) -> float: ...
    @property
    def size(self) -> Mapping[str, int]:
        """How much there is of what: the counts that ``domain.toml`` names under ``sizes``."""

    @property
    def figures(self) -> Mapping[str, float]:
        """What is known before any policy ran, such as capacities and charges for a failure."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The scenario's parameters as plain values, for the record."""


class CellHalf(Protocol):
    """What ``cell.py`` of a domain offers."""

    IDLE_POLICY: str
    """The source of a policy that loads, starts and decides nothing."""
    SUITE_KEYS: tuple[str, ...]
    """What a suite file may say for all of its scenarios."""

    def canary(self) -> Any:
        """Return the smallest scenario that calls a policy at all."""

    def read_scenario(
        self, entry: Mapping[str, Any], shared: Mapping[str, Any], folder: Path, where: str
    ) -> Any:
        """Return the scenario of an entry of a suite file in ``folder``.

        ``entry`` has name, family, split and what the domain wants of it; ``shared`` is what the
        suite says for all of its scenarios. Raise ``InputError`` beginning with ``where``.
        """

    def open_scenario(self, path: Path) -> Any:
        """Return the scenario that a file or folder holds by itself; raise ``InputError``."""

    def with_calls(self, scenario: Any, calls: str) -> Any:
        """Return the scenario with another calling mode and the hash that goes with it."""

    def encode_scenario(self, scenario: Any) -> bytes:
        """Return a scenario's bytes."""

    def decode_scenario(self, data: bytes) -> Any:
        """Return the scenario in ``data``; raise ``InputError`` on anything else."""

    def simulate(self, scenario: Any, policy: Policy) -> Run:
        """Run ``policy`` on a scenario; raise ``PolicyFailure`` if the policy fails."""


@dataclass(frozen=True)
class Domain:
    """A domain by its folder. What is in it is read or imported when it is first asked for."""

    root: Path

    @cached_property
    def spec(self) -> DomainSpec:
        return read_spec(self.root / SPEC_FILE)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_shipped(self) -> bool:
        """Whether it comes with Assay."""
        return self.root.parent == SHIPPED

    @cached_property
    def sha256(self) -> str:
        """The hash of every file that reaches a cell; equal hashes mean the same domain."""
        digest = hashlib.sha256()
        for name, path in domain_files(self.root):
            data = path.read_bytes()
            digest.update(f"{name}\0{len(data)}\0".encode())
            digest.update(data)
        return digest.hexdigest()

    @cached_property
    def contract(self) -> Contract:
        return cast(Contract, self._module("contract").CONTRACT)

    @cached_property
    def cell(self) -> CellHalf:
        return cast(CellHalf, self._module("cell"))

    @cached_property
    def host(self) -> ModuleType | None:
        """The module of what is optional on the host, None where the domain has none."""
        return self._module("host") if (self.root / "host.py").is_file() else None

    def policy_names(self) -> list[str]:
        """Return the names of the library's policies, as they register themselves."""
        names = [path.stem for path in (self.root / "policies").glob("[!_]*.py")]
        return sorted(name.replace("_", "-") for name in names)

    def policy_source(self, name: str) -> str:
        """Return the source of a library policy; ``best_fit`` and ``best-fit`` are one."""
        known = self.policy_names()
        if name.replace("_", "-") not in known:
            raise InputError(f"unknown policy {show(name)}, expected one of {', '.join(known)}")
        path = self.root / "policies" / f"{name.replace('-', '_')}.py"
        return read_text(path, InputError, MAX_POLICY_BYTES)

    def text(self, name: str) -> str:
        """Return the text of a file of the domain, empty where it has none of that name."""
        path = self.root / name
        return read_text(path, InputError, MAX_POLICY_BYTES) if path.is_file() else ""

    def _module(self, name: str) -> ModuleType:
        path = self.root / f"{name}.py"
        if not path.is_file():
            raise InputError(f"{path}: there is no such file, and a domain needs it")
        if self.is_shipped:
            return importlib.import_module(f"simulator.domains.{self.root.name}.{name}")
        package = f"assay_domain_{self.sha256[:12]}"
        if package not in sys.modules:
            spec = importlib.machinery.ModuleSpec(package, None, is_package=True)
            spec.submodule_search_locations = [str(self.root)]
            sys.modules[package] = importlib.util.module_from_spec(spec)
        return importlib.import_module(f"{package}.{name}")


def find_domain(name: str | Path = DEFAULT) -> Domain:
    """Return a domain by its name, or by the path of its folder; nothing of it is imported.

    A name is that of a shipped domain, or that of an entry point of the group ``assay.domains``.
    """
    text = str(name)
    if "/" in text or text in (".", ".."):
        return open_domain(Path(name).expanduser())
    if (SHIPPED / text / SPEC_FILE).is_file():
        return open_domain(SHIPPED / text)
    package = _installed().get(text)
    if package is not None:
        return open_domain(_folder_of(text, package))
    raise InputError(
        f"unknown domain {show(text)}, expected one of {', '.join(domain_names())} or the path of "
        f"a folder with a {SPEC_FILE} (write ./{text} for one here)"
    )


def domain_names() -> list[str]:
    """Return the names of all domains that can be found without a path."""
    shipped = [path.parent.name for path in SHIPPED.glob(f"*/{SPEC_FILE}")]
    return sorted({*shipped, *_installed()})


def open_domain(folder: Path) -> Domain:
    """Return the domain in a folder; raise ``InputError`` where it is none."""
    root = folder.resolve()
    if not (root / SPEC_FILE).is_file():
        raise InputError(f"{folder}: there is no {SPEC_FILE} in it, so it is no domain")
    domain = Domain(root)
    _ = domain.spec  # whatever is wrong with it is said now
    return domain


def domain_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a domain that reach a cell, as (name below ``root``, path), in order."""
    total = 0
    found = []
    for path in root.rglob("*"):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or not _LEFT_OUT.isdisjoint(inside.parts) or not path.is_file():
            continue
        total += path.stat().st_size
        found.append((inside.as_posix(), path))
    if total > MAX_DOMAIN_BYTES:
        raise InputError(
            f"{root}: {total} bytes are more than the allowed {MAX_DOMAIN_BYTES}; keep scenarios "
            "in suites/ and nothing but the domain in this folder"
        )
    yield from sorted(found)


def _installed() -> dict[str, str]:
    """Return the packages of installed domains by the names of their entry points."""
    from importlib.metadata import entry_points  # no cell needs it, and it takes its time

    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}


def _folder_of(name: str, package: str) -> Path:
    """Return the folder of an installed domain without importing it."""
    if not re.fullmatch(r"\w+(\.\w+)*", package):
        raise InputError(f"domain {name!r}: its entry point is {show(package)}, expected a package")
    top, *rest = package.split(".")
    found = importlib.util.find_spec(top)  # of a package without dots: imports nothing
    if found is None or not found.submodule_search_locations:
        raise InputError(f"domain {name!r}: the package {top!r} is not installed")
    return Path(found.submodule_search_locations[0], *rest)
