"""The simulator's half of the domain whose policies are simulators."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from simulator.bootstrap.check_spec import RANDOM, Robust, read_checks
from simulator.bootstrap.checks import try_check
from simulator.bootstrap.folder import REFERENCE, Folder, read_folder
from simulator.bootstrap.scenario import CheckScenario, check_from
from simulator.contract import Policy
from simulator.domain import Domain, Run
from simulator.driver import PolicyDriver
from simulator.errors import InputError, PolicyFailure
from simulator.messages import encode
from simulator.sealed.laws import LAWS_FILE
from simulator.sealed.policy_side import contract_of
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import CONTRACT_FILE, read_contract
from simulator.sealed.writer_side import simulator_contract


def cell_half(domain: Domain) -> "BootstrapCell":
    """Return the cell half of a folder in which a simulator is searched."""
    return BootstrapCell(read_contract(domain.root / CONTRACT_FILE), domain.root)


def own_code(folder: Folder) -> Iterator[PolicyDriver]:
    """Yield what loads the person's own simulator and policies."""
    reference = folder.files.get(REFERENCE)
    if isinstance(reference, str):
        yield PolicyDriver(simulator_contract(folder.spec), reference, REFERENCE)
    for name, source in folder.policies.items():
        yield PolicyDriver(contract_of(folder.spec), source, f"{name}.py")


class BootstrapCell:
    """See ``simulator.domain.CellHalf``.

    All files are read when it is made, and what the person's own code imports is imported then: a
    cell does that after its workers are forked, and gives up the right to read files after it.
    """

    IDLE_POLICY = """
@register_simulator(key="idle")
def simulate(scenario, parameters, rng, log):
    return
    yield
"""
    SUITE_KEYS: tuple[str, ...] = ()

    def __init__(self, spec: SealedSpec, root: Path) -> None:
        self.checks = read_checks(root / LAWS_FILE)
        self.folder = read_folder(spec, root)
        for driver in own_code(self.folder):
            with suppress(PolicyFailure):  # the check that uses it tells what is wrong
                driver.load()

    def canary(self) -> CheckScenario:
        """Return the smallest check that asks a simulator at all."""
        generator = next(iter(self.folder.spec.generators), "")
        check = Robust(name="canary", split="shown", generator=generator, policy=RANDOM)
        return CheckScenario(name="canary", split="train", check=check, shrink=False)

    def read_scenario(
        self, entry: Mapping[str, Any], shared: Mapping[str, Any], folder: Path, where: str
    ) -> CheckScenario:
        raise InputError(f"{where}: checks stand in {LAWS_FILE}, not in a suite")

    def open_scenario(self, path: Path) -> CheckScenario:
        raise InputError(f"{path}: checks stand in {LAWS_FILE}, not in files of their own")

    def with_calls(self, scenario: CheckScenario, calls: str) -> CheckScenario:
        return replace(scenario, calls=calls)

    def encode_scenario(self, scenario: CheckScenario) -> bytes:
        return encode(scenario)

    def decode_scenario(self, data: bytes) -> CheckScenario:
        return check_from(data)

    def sources(self, _check: CheckScenario, candidate: str) -> list[str]:
        """Return the source of the second worker of a check: the candidate's too."""
        return [candidate]

    def simulate(
        self, scenario: CheckScenario, policy: Policy, beside: Policy | None = None
    ) -> Run:
        """Put the simulator behind ``policy``, and once more behind ``beside``, to a check."""
        check = scenario.check
        if scenario.parameters:
            check = msgspec.structs.replace(check, set={**scenario.parameters, **check.set})
        result = try_check(
            check,
            self.folder,
            policy,
            beside,
            shrinks=scenario.shrink,
            run_cpu_seconds=scenario.run_cpu_seconds,
        )
        return Run(
            stats={},
            metrics=result.metrics,
            policy_calls=result.runs,
            decision_sha256=result.digest,
        )
