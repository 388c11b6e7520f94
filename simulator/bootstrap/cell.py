"""The simulator's half of the domain whose policies are simulators."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from simulator.bootstrap.check_spec import RANDOM, Robust, read_checks
from simulator.bootstrap.checks import try_check
from simulator.bootstrap.folder import read_folder
from simulator.bootstrap.scenario import CheckScenario, check_from
from simulator.contract import Policy
from simulator.domain import Domain, Run
from simulator.errors import InputError
from simulator.messages import encode
from simulator.sealed.laws import LAWS_FILE
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import CONTRACT_FILE, read_contract


def cell_half(domain: Domain) -> "BootstrapCell":
    """Return the cell half of a folder in which a simulator is searched."""
    return BootstrapCell(read_contract(domain.root / CONTRACT_FILE), domain.root)


class BootstrapCell:
    """See ``simulator.domain.CellHalf``. All files are read when it is made."""

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

    def simulate(self, scenario: CheckScenario, policy: Policy) -> Run:
        """Put the simulator behind ``policy`` to a check."""
        check = scenario.check
        if scenario.parameters:
            check = msgspec.structs.replace(check, set={**scenario.parameters, **check.set})
        result = try_check(check, self.folder, policy, shrinks=scenario.shrink)
        return Run(
            stats={},
            metrics=result.metrics,
            policy_calls=result.runs,
            decision_sha256=result.digest,
        )
