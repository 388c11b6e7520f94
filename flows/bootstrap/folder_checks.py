"""What a folder that describes a system should keep, before anybody writes a simulator for it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from flows.bootstrap.verify import bootstrap_domain
from simulator.bootstrap.cell import BootstrapCell
from simulator.bootstrap.check_spec import SPLITS, Causality, problems_of
from simulator.bootstrap.domain_spec import NOTHING
from simulator.bootstrap.scenario import scenario_of
from simulator.domain import Domain
from simulator.driver import LocalPolicy
from simulator.errors import InputError
from simulator.sealed.spec import CONTRACT_FILE, read_contract
from simulator.sealed.writer_side import simulator_contract
from simulator.textfile import read_toml

READABLE = "contract.toml, laws.toml and what they name can be read"
"""This has to hold before there is more to check."""

SUITES = "suites"

Promise = tuple[str, Callable[[], Iterator[str]]]
"""What should hold, and what yields a sentence for each way in which it does not."""


def promises(domain: Domain) -> Iterator[Promise]:
    """Yield what a sealed folder should keep."""
    yield READABLE, lambda: _readable(domain)
    yield "there are checks that are shown, held and final", lambda: _splits(domain)
    yield "causality is checked where suites draw their scenarios", lambda: _drawn(domain)
    yield f"simulators/{NOTHING}.py fails a check of each split", lambda: _nothing(domain)
    if (domain.root / "reference.py").is_file():
        yield "reference.py passes every check", lambda: _reference(domain)


def _cell(domain: Domain) -> BootstrapCell:
    return BootstrapCell(read_contract(domain.root / CONTRACT_FILE), domain.root)


def _readable(domain: Domain) -> Iterator[str]:
    cell = _cell(domain)
    folder = cell.folder
    yield from problems_of(cell.checks, folder.spec, list(folder.policies), folder.files)
    if not (domain.root / "spec.md").is_file():
        yield "there is no spec.md, which tells the author of a simulator what it has to do"
    if NOTHING not in bootstrap_domain(domain.root).policy_names():
        yield f"there is no simulators/{NOTHING}.py, which everything is compared with"


def _splits(domain: Domain) -> Iterator[str]:
    named = {each.split for each in _cell(domain).checks}
    for split in SPLITS:
        if split not in named:
            yield f"no check has split {split}"


def _drawn(domain: Domain) -> Iterator[str]:
    """Yield where a simulator could tell a policy what is hidden, since no check looks there."""
    checked = {each.generator for each in _cell(domain).checks if isinstance(each, Causality)}
    for path in sorted((domain.root / SUITES).glob("*.toml")):
        entries = read_toml(path, InputError).get("scenarios", [])
        drawn = {str(each["generator"]) for each in entries if "generator" in each}
        for name in sorted(drawn - checked):
            yield (
                f"{SUITES}/{path.name} draws from {name}, and no check of causality does: a "
                "simulator could tell a policy there what is hidden"
            )


def _nothing(domain: Domain) -> Iterator[str]:
    cell = _cell(domain)
    source = bootstrap_domain(domain.root).policy_source(NOTHING)
    for split in {each.split for each in cell.checks}:
        own = [each for each in cell.checks if each.split == split]
        ended = (
            cell.simulate(replace(scenario_of(e), shrink=False), _port(cell, source)) for e in own
        )
        if all(each.metrics["passed"] for each in ended):
            yield f"every {split} check passes a simulator that does nothing"


def _reference(domain: Domain) -> Iterator[str]:
    cell = _cell(domain)
    source = cell.folder.files["reference.py"]
    assert isinstance(source, str), "sources are texts"
    for each in cell.checks:
        metrics = cell.simulate(scenario_of(each), _port(cell, source)).metrics
        if metrics["verdict"] == "fail":
            yield f"{each.name}: {metrics['reason']}"
        elif metrics["verdict"] == "not applicable":
            yield f"{each.name} is never applicable: {metrics['reason']}"


def _port(cell: BootstrapCell, source: str) -> LocalPolicy:
    return LocalPolicy(simulator_contract(cell.folder.spec), source, "simulator.py")
