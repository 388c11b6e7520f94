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

A *sealed* domain has ``contract.toml`` and ``laws.toml`` instead of the first three, and a
simulator that nobody trusts; ``simulator.sealed`` is its contract, cell and host half. The same
folder in the role ``bootstrap`` is the domain in which that simulator is searched:
``simulator.bootstrap``.

Beside them lie ``policies/*.py``, the library. The modules of a folder that is not shipped import
each other relatively (``from .engine import ...``) and are always compiled from their source.
"""

import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from simulator.contract import Contract, Policy
from simulator.errors import InputError
from simulator.textfile import read_text, show

if TYPE_CHECKING:  # no cell needs the data of its domain
    from simulator.domain_spec import DomainSpec

SHIPPED = Path(__file__).resolve().parent / "domains"
DEFAULT = "pipelines"
ENTRY_POINTS = "assay.domains"
SPEC_FILE = "domain.toml"
SEALED_FILE = "contract.toml"
BOOTSTRAP = "bootstrap"
"""The role of a sealed domain's folder in which candidates are simulators."""
POLICIES = "policies"
ROLES = (POLICIES, BOOTSTRAP)
ACCEPTED = re.compile(r"simulator(-\d\d?)?\.py|certificate(-\d\d?)?\.json")
"""What a search for a simulator leaves behind in the folder; it is no part of that search."""
MAX_POLICY_BYTES = 1 << 20
MAX_DOMAIN_BYTES = 32 << 20
"""The largest folder that is taken for a domain; scenarios do not belong in it but in suites."""
MAX_DOMAIN_ENTRIES = 2000
"""Files and folders in a folder that is taken for a domain."""
LEFT_OUT = ("suites", "scenarios")
"""Folders at the top of a domain that are no code of it and do not reach a cell."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. +-]{0,99}")
"""Names of files and folders in a domain: the same everywhere, and nothing but a name."""


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


class SealedHalf(CellHalf, Protocol):
    """What the cell half of a sealed domain offers beside."""

    def sources(self, scenario: Any, candidate: str) -> list[str]:
        """Return the sources of the workers of a scenario, that of the candidate left out."""

    def require_certificate(self) -> None:
        """Raise ``InputError`` unless all simulators in the folder are certified."""

    def variants(self, entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return an entry of a suite file once for each accepted simulator, names and all."""


class Promises(Protocol):
    """What ``cell.py`` of a domain may offer beside, so that more of what it promises is tested."""

    def disguise(self, scenario: Any, seed: int) -> tuple[Any, int]:
        """Return another scenario that no policy can tell from this one yet, and for how long.

        Whatever cannot have shown by the end of the step that is returned is different in it: later
        arrivals, true needs. Up to that step all messages to a policy must be equal.
        """

    def check_run(self, scenario: Any, run: Run) -> list[str]:
        """Return a sentence for each law that a run breaks: of capacity, of conservation."""


@dataclass(frozen=True)
class Domain:
    """A domain by its folder. What is in it is read or imported when it is first asked for."""

    root: Path
    role: str = POLICIES

    @cached_property
    def spec(self) -> "DomainSpec":
        if self.role == BOOTSTRAP:
            return cast("DomainSpec", self._generic("bootstrap.domain_spec").domain_spec(self))
        if self.is_sealed:
            read = self._generic("sealed.spec").read_contract
            return cast("DomainSpec", read(self.root / SEALED_FILE))
        return cast("DomainSpec", self._generic("domain_spec").read_spec(self.root / SPEC_FILE))

    @cached_property
    def is_sealed(self) -> bool:
        """Whether it is data and a simulator that nobody trusts."""
        return (self.root / SEALED_FILE).is_file()

    @property
    def trust(self) -> str:
        """Whose word a figure is: ``shipped`` (Assay's), ``local`` (the code in the folder), or
        ``sealed`` (an untrusted simulator's, held to the laws of its contract)."""
        if self.is_shipped:
            return "shipped"
        return "sealed" if self.is_sealed and self.role == POLICIES else "local"

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_shipped(self) -> bool:
        """Whether it comes with Assay."""
        return self.root.parent == SHIPPED

    @property
    def setting(self) -> str:
        """What a configuration says to have it: a name, or the path of its folder."""
        if self.role == BOOTSTRAP:
            return f"{BOOTSTRAP}:{self.root}"
        return self.root.name if self.is_shipped else str(self.root)

    @cached_property
    def sha256(self) -> str:
        """The hash of every file that reaches a cell; equal hashes mean the same domain."""
        digest = hashlib.sha256(b"" if self.role == POLICIES else self.role.encode())
        for name, path in domain_files(self.root):
            if self.role == BOOTSTRAP and ACCEPTED.fullmatch(name):
                continue
            data = _bytes_of(path)
            digest.update(f"{name}\0{len(data)}\0".encode())
            digest.update(data)
        return digest.hexdigest()

    @property
    def contract(self) -> Contract:
        """What it agrees with a candidate."""
        return self.contracts[0]

    @cached_property
    def contracts(self) -> tuple[Contract, ...]:
        """What it agrees with the sealed workers of one scenario, the candidate's first."""
        if self.is_sealed:
            spec = self._generic("sealed.spec").read_contract(self.root / SEALED_FILE)
            simulator = self._generic("sealed.writer_side").simulator_contract(spec)
            if self.role == BOOTSTRAP:
                return (simulator, simulator)
            return (self._generic("sealed.policy_side").contract_of(spec), simulator)
        return (cast(Contract, self._module("contract").CONTRACT),)

    @property
    def workers(self) -> int:
        """How many sealed workers a scenario takes.

        A check of a simulator takes two: a run that is compared with another one is made where
        nothing can be remembered of that.
        """
        return 2 if self.is_sealed else 1

    @cached_property
    def cell(self) -> CellHalf:
        if self.is_sealed:
            module = f"{BOOTSTRAP if self.role == BOOTSTRAP else 'sealed'}.cell"
            return cast(CellHalf, self._generic(module).cell_half(self))
        return cast(CellHalf, self._module("cell"))

    @cached_property
    def host(self) -> Any:
        """What is optional on the host, None where the domain has nothing of it."""
        if self.is_sealed:
            module = f"{BOOTSTRAP if self.role == BOOTSTRAP else 'sealed'}.host"
            return self._generic(module).host_half(self)
        return self._module("host") if (self.root / "host.py").is_file() else None

    @property
    def policies(self) -> Path:
        """The folder with the sources of its library."""
        return self.root / ("simulators" if self.role == BOOTSTRAP else "policies")

    def hosted(self, name: str) -> Any:
        """Return what the host half offers under a name, None where the domain has no such thing.

        What it may offer is said by ``simulator.domain_host.HostHalf``.
        """
        return getattr(self.host, name, None)

    def policy_names(self) -> list[str]:
        """Return the names of the library's policies, as they register themselves."""
        names = [path.stem for path in self.policies.glob("[!_]*.py")]
        return sorted(name.replace("_", "-") for name in names)

    def policy_source(self, name: str) -> str:
        """Return the source of a library policy; ``best_fit`` and ``best-fit`` are one."""
        known = self.policy_names()
        if name.replace("_", "-") not in known:
            raise InputError(f"unknown policy {show(name)}, expected one of {', '.join(known)}")
        path = self.policies / f"{name.replace('-', '_')}.py"
        return read_text(path, InputError, MAX_POLICY_BYTES)

    def text(self, name: str) -> str:
        """Return the text of a file of the domain, empty where it has none of that name."""
        path = self.root / name
        return read_text(path, InputError, MAX_POLICY_BYTES) if path.is_file() else ""

    @property
    def package(self) -> str:
        """The full name under which its folder is imported."""
        if self.is_shipped:
            return f"simulator.domains.{self.root.name}"
        return f"assay_domain_{self.sha256[:12]}"

    def _generic(self, name: str) -> ModuleType:
        """Return our module that stands for what a sealed domain does not have."""
        return importlib.import_module(f"simulator.{name}")

    def _module(self, name: str) -> ModuleType:
        path = self.root / f"{name}.py"
        if not path.is_file():
            raise InputError(f"{path}: there is no such file, and a domain needs it")
        package = self.package
        if not self.is_shipped and package not in sys.modules:
            for folder in {path.parent for _, path in domain_files(self.root)}:
                finder = importlib.machinery.FileFinder(str(folder), (_FromSource, [".py"]))
                sys.path_importer_cache[str(folder)] = finder
            spec = importlib.machinery.ModuleSpec(package, None, is_package=True)
            spec.submodule_search_locations = [str(self.root)]
            sys.modules[package] = importlib.util.module_from_spec(spec)
        return importlib.import_module(f"{package}.{name}")


class _FromSource(importlib.machinery.SourceFileLoader):
    """Imports modules from their source alone.

    Compiled modules are told from outdated ones by the second of a change and the size of the file:
    too coarse for code whose hash stands in results.
    """

    def path_stats(self, path: str) -> NoReturn:
        raise OSError(f"{path} is compiled afresh")


def find_domain(name: str | Path = DEFAULT) -> Domain:
    """Return a domain by its name, or by the path of its folder; nothing of it is imported.

    A name is that of a shipped domain, or that of an entry point of the group ``assay.domains``.
    ``bootstrap:`` before it is the domain in which its simulator is searched.
    """
    text = str(name)
    if text.startswith(f"{BOOTSTRAP}:"):
        found = open_domain(Path(text.partition(":")[2]).expanduser())
        if not found.is_sealed:
            raise InputError(f"{found.root}: there is no {SEALED_FILE} in it, which {text} needs")
        return Domain(found.root, BOOTSTRAP)
    if "/" in text or text in (".", ".."):
        return open_domain(Path(name).expanduser())
    shipped, installed_as = _shipped(), _installed()
    if text not in shipped and text not in installed_as:
        known = ", ".join(sorted({*shipped, *installed_as}))
        raise InputError(
            f"unknown domain {show(text)}, expected one of {known} or the path "
            f"of a folder with a {SPEC_FILE} or {SEALED_FILE} (write ./{show(text)[1:-1]} for one "
            "here)"
        )
    installed = installed_as.get(text, [])
    if text in shipped:
        if installed:
            packages = " and ".join(show(package) for package in installed)
            raise InputError(
                f"domain {text}: {packages} has the name of a domain that comes with Assay; remove "
                "the package, or have its author rename the domain"
            )
        return open_domain(SHIPPED / text)
    if len(installed) > 1:
        packages = " and ".join(show(package) for package in installed)
        raise InputError(
            f"domain {text}: {packages} are installed under this name; remove one, or give the "
            "path of its folder"
        )
    domain = open_domain(_folder_of(text, installed[0]))
    if domain.name != text:
        raise InputError(
            f"{domain.root / SPEC_FILE}: name is {domain.name}, but its package is installed as "
            f"domain {text}; both must be the same"
        )
    return domain


def shipped_domains() -> list[Domain]:
    """Return the domains that come with Assay, by name."""
    return [open_domain(path.parent) for path in sorted(SHIPPED.glob(f"*/{SPEC_FILE}"))]


def domain_names() -> list[str]:
    """Return the names of all domains that can be found without a path."""
    return sorted({*_shipped(), *_installed()})


def open_domain(folder: Path) -> Domain:
    """Return the domain in a folder; raise ``InputError`` where it is none."""
    try:
        root = folder.resolve()
        found = (root / SPEC_FILE).is_file() or (root / SEALED_FILE).is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{show(str(folder))}: cannot be read: {error}") from None
    if not root.exists():
        raise InputError(f"{show(str(folder))}: there is no such folder")
    if not found:
        raise InputError(
            f"{show(str(folder))}: there is no {SPEC_FILE} and no {SEALED_FILE} in it, so it is no "
            "domain"
        )
    if (root / SPEC_FILE).is_file() and (root / SEALED_FILE).is_file():
        raise InputError(f"{root}: {SPEC_FILE} and {SEALED_FILE} are both in it, remove one")
    domain = Domain(root)
    if not domain.is_shipped:  # whatever is wrong with it is said now
        for _ in domain_files(root):
            pass
    if domain.name in _shipped() and not domain.is_shipped:
        raise InputError(
            f"{root / SPEC_FILE}: name is {domain.name}, as that of a domain that comes with "
            "Assay; choose another"
        )
    return domain


def domain_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of a domain that reach a cell, as (name below ``root``, path), in order.

    Raise ``InputError`` where something in the folder is no plain file or folder.
    """
    top = os.path.join(root, "")  # noqa: PTH118 - names in the folder follow it
    total = 0
    found = []
    for entries, entry in enumerate(_below(root, LEFT_OUT), start=1):
        if entries > MAX_DOMAIN_ENTRIES:
            raise InputError(
                f"{root}: more than {MAX_DOMAIN_ENTRIES} files and folders are in it; keep nothing "
                "but the domain in this folder"
            )
        if not _FILE_NAME.fullmatch(entry.name):
            raise InputError(
                f"{root}: a file in it is named {show(entry.name)}, expected at most 100 letters, "
                "digits, spaces and _ . + -"
            )
        is_file = entry.is_file(follow_symlinks=False)
        if not (is_file or entry.is_dir(follow_symlinks=False)):
            kind = "a symbolic link" if entry.is_symlink() else "neither a file nor a folder"
            raise InputError(
                f"{entry.path}: is {kind}, expected a file in the domain's folder itself"
            )
        if is_file:
            total += entry.stat(follow_symlinks=False).st_size
            found.append((entry.path[len(top) :], Path(entry.path)))
    if total > MAX_DOMAIN_BYTES:
        raise InputError(
            f"{root}: {total} bytes are more than the allowed {MAX_DOMAIN_BYTES}; keep scenarios "
            "in suites/ and nothing but the domain in this folder"
        )
    yield from sorted(found)


def _below(folder: str | Path, left_out: tuple[str, ...] = ()) -> Iterator["os.DirEntry[str]"]:
    """Yield files and folders at any depth, but what is hidden, compiled or ``left_out``."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {(error.strerror or '').lower()}") from None
    for entry in entries:
        if not entry.name.startswith(".") and entry.name not in ("__pycache__", *left_out):
            yield entry
            if entry.is_dir():
                yield from _below(entry.path)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {(error.strerror or '').lower()}") from None


def _shipped() -> list[str]:
    return [path.parent.name for path in SHIPPED.glob(f"*/{SPEC_FILE}")]


def _installed() -> dict[str, list[str]]:
    """Return the packages of installed domains by the names of their entry points."""
    from importlib.metadata import entry_points  # no cell needs it, and it takes its time

    found: dict[str, list[str]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        found.setdefault(point.name, []).append(point.value)
    return found


def _folder_of(name: str, package: str) -> Path:
    """Return the folder of an installed domain without importing it."""
    if not re.fullmatch(r"\w+(\.\w+)*", package):
        raise InputError(f"domain {name}: its entry point is {show(package)}, expected a package")
    top, *rest = package.split(".")
    try:
        found = importlib.util.find_spec(top)  # of a package without dots: imports nothing
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        raise InputError(f"domain {name}: its package {top} is not installed")
    return Path(found.submodule_search_locations[0], *rest)
