"""Suites: named scenarios with a split, read from TOML files.

What an entry says beside its name, family and split is for its domain to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from simulator.domain import Domain, Scenario, SealedHalf
from simulator.errors import InputError
from simulator.textfile import read_toml, show

SPLITS = ("train", "validation", "test")
OWN_KEYS = ("name", "description", "domain", "scenarios")
"""The keys of a suite file that mean the same in every domain."""
MAX_SCENARIOS = 1000


ScenarioT = TypeVar("ScenarioT", bound=Scenario)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite(Generic[ScenarioT]):
    """Scenarios that belong together; ``split`` picks those of one split."""

    name: str
    description: str
    scenarios: tuple[ScenarioT, ...]

    def split(self, name: str) -> tuple[ScenarioT, ...]:
        """Return the scenarios of one of ``SPLITS``, in the order of the suite file."""
        if name not in SPLITS:
            raise InputError(f"unknown split {show(name)}, expected {', '.join(SPLITS)}")
        return tuple(scenario for scenario in self.scenarios if scenario.split == name)


def suite_names(domain: Domain) -> list[str]:
    """Return the names of the suites that come with a domain."""
    own = made_suites(domain)
    return sorted(own or (path.stem for path in suites_folder(domain).glob("*.toml")))


def made_suites(domain: Domain) -> Mapping[str, Suite[Scenario]]:
    """Return the suites that are no files: those of a domain whose scenarios are checks."""
    made = domain.hosted("suites") if domain.is_sealed else None
    return made() if made is not None else {}


def suite_path(name_or_path: str | Path, domain: Domain) -> Path:
    """Return the file of a suite, given by its name or by a path that ends in ``.toml``."""
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return path
    names = suite_names(domain)
    if str(name_or_path) not in names:
        raise InputError(
            f"unknown suite {show(str(name_or_path))}, expected {', '.join(names)} "
            "or the path of a suite file ending in .toml"
        )
    return suites_folder(domain) / f"{name_or_path}.toml"


def load_suite(name_or_path: str | Path, domain: Domain) -> Suite[Scenario]:
    """Return a suite of a domain by name, or from the path of a suite file ending in ``.toml``."""
    own = made_suites(domain)
    if str(name_or_path) in own:
        return own[str(name_or_path)]
    path = suite_path(name_or_path, domain)
    table = read_toml(path, InputError)
    check_keys(table, (*OWN_KEYS, *domain.cell.SUITE_KEYS), str(path))
    made_for = table.get("domain", domain.name)
    if made_for != domain.name:
        raise InputError(
            f"{path}: domain is {show(made_for)}, but domain {domain.name} was asked for: choose "
            "another suite or another --domain"
        )
    entries = table.get("scenarios")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_SCENARIOS:
        raise InputError(f"{path}: scenarios is missing, expected 1 to {MAX_SCENARIOS} tables")
    shared = {key: value for key, value in table.items() if key not in OWN_KEYS}
    scenarios = tuple(
        scenario
        for number, entry in enumerate(entries, start=1)
        for scenario in _scenarios(domain, entry, shared, path, f"{path}: scenario {number}")
    )
    names = [scenario.name for scenario in scenarios]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two scenarios are named {show(name)}, rename one")
    return Suite(
        name=text_of(table, "name", str(path)),
        description=text_of(table, "description", str(path)),
        scenarios=scenarios,
    )


def is_suite_file(path: Path) -> bool:
    """Return whether a TOML file lists scenarios; of one that cannot be read, loading it says why.

    Other TOML files describe one scenario.
    """
    try:
        return "scenarios" in read_toml(path, InputError)
    except InputError:
        return True


def suites_folder(domain: Domain) -> Path:
    """Return the folder with the suites that come with a domain."""
    if domain.is_shipped:
        return traces_folder() / (domain.spec.traces or domain.name) / "suites"
    return domain.root / "suites"


def traces_folder() -> Path:
    """Return the folder with the shipped traces: in the installed package, else in the checkout."""
    here = Path(__file__).resolve().parent
    packaged = here / "_traces"
    return packaged if packaged.is_dir() else here.parent / "traces"


def _scenarios(
    domain: Domain, entry: object, shared: Mapping[str, Any], path: Path, where: str
) -> list[Scenario]:
    """Return the scenario of an entry, or one for each of several accepted simulators."""
    table = table_of(entry, where)
    for key in ("name", "family", "split"):
        text_of(table, key, where)
    if table["split"] not in SPLITS:
        raise InputError(f"{where}: split is {show(table['split'])}, expected {', '.join(SPLITS)}")
    half = domain.cell
    variants = cast(SealedHalf, half).variants(table) if domain.trust == "sealed" else [table]
    return [half.read_scenario(each, shared, path.parent, where) for each in variants]


def check_keys(table: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    """Refuse keys that are not ``allowed``."""
    for key in table:
        if key not in allowed:
            raise InputError(f"{where}: unknown key {show(key)}, expected {', '.join(allowed)}")


def table_of(value: object, where: str) -> Mapping[str, Any]:
    """Return a value that must be a table."""
    if not isinstance(value, dict):
        raise InputError(f"{where} is {show(value)}, expected a table")
    return value


def text_of(table: Mapping[str, Any], key: str, where: str) -> str:
    """Return the text under a key that must be there."""
    value = table.get(key)
    if not isinstance(value, str) or not value:
        found = f"is {show(value)}" if key in table else "is missing"
        raise InputError(f"{where}: {key} {found}, expected a text")
    return value
