"""The cell half of every sealed domain: scenarios, and the broker in the trusted process."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulator.contract import Policy
from simulator.domain import Domain, Run
from simulator.errors import InputError
from simulator.messages import encode
from simulator.sealed import scenarios
from simulator.sealed.broker import run
from simulator.sealed.certificate import (
    accepted_numbers,
    accepted_simulators,
    calibrated,
    names_of,
)
from simulator.sealed.laws import LAWS_FILE, read_laws
from simulator.sealed.policy_side import STEP
from simulator.sealed.scenarios import Scenario
from simulator.sealed.shapes import MOST_ACCEPTED
from simulator.sealed.spec import CONTRACT_FILE, read_contract

_FEW_ROWS = 3
"""Of each table in the smallest scenario."""


def cell_half(domain: Domain) -> "SealedCell":
    """Return the cell half of a sealed domain."""
    return SealedCell(domain)


class SealedCell:
    """See ``simulator.domain.CellHalf``. ``simulate`` also takes the port of the simulator.

    All files are read when it is made: the trusted process can read none of them later.
    """

    IDLE_POLICY = f'@{STEP}(key="idle")\ndef decide(state):\n    return None\n'
    SUITE_KEYS = scenarios.SUITE_KEYS

    def __init__(self, domain: Domain) -> None:
        self._root = domain.root
        self.spec = read_contract(domain.root / CONTRACT_FILE)
        self.laws = read_laws(domain.root / LAWS_FILE, self.spec)
        self._accepted: dict[int, str] = {}
        self._not_accepted = ""
        try:
            self._accepted = accepted_simulators(domain.root)
        except InputError as error:
            self._not_accepted = str(error)

    @property
    def _first(self) -> int:
        """The number of the simulator that runs what belongs to none."""
        return next(iter(self._accepted), 0)

    def require_certificate(self) -> None:
        """Raise ``InputError`` unless all simulators in the folder are certified."""
        if self._not_accepted:
            raise InputError(self._not_accepted)

    def sources(self, scenario: Scenario, _candidate: str) -> list[str]:
        """Return the source of the simulator that runs a scenario."""
        self.require_certificate()
        source = self._accepted.get(scenario.simulator)
        if source is None:
            known = ", ".join(names_of(number)[0] for number in self._accepted)
            raise InputError(
                f"{self._root}: {scenario.name} asks for {names_of(scenario.simulator)[0]}, but "
                f"accepted are {known}"
            )
        return [source]

    def variants(self, entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return an entry of a suite file once for each accepted simulator, or for that it names.

        The scenarios of the first one have their own names, the others ``-simulator-2`` behind it.
        """
        if "simulator" in entry:
            return [entry]
        found: list[Mapping[str, Any]] = []
        for number in accepted_numbers(self._root) or [0]:
            suffix = f"-{names_of(number)[0].removesuffix('.py')}" if found else ""
            found.append({**entry, "name": f"{entry['name']}{suffix}", "simulator": number})
        return found

    def canary(self) -> Scenario:
        """Return a small scenario of the first generator."""
        for name, made in self.spec.generators.items():
            few = {f"{table}.rows": _FEW_ROWS for table in made.tables}
            return scenarios.generate(
                self.spec, name, 0, few, name="canary", family="canary", simulator=self._first
            )
        raise InputError(
            f"{self._root / CONTRACT_FILE}: generators is empty, expected at least one"
        )

    def read_scenario(
        self, entry: Mapping[str, Any], shared: Mapping[str, Any], folder: Path, where: str
    ) -> Scenario:
        """Return the scenario of an entry of a suite file; parameters are as calibrated."""
        number = entry.get("simulator", 0)
        usual = calibrated(self._root, number) if number in range(MOST_ACCEPTED) else {}
        return scenarios.read_scenario(self.spec, entry, shared, folder, where, usual)

    def open_scenario(self, path: Path) -> Scenario:
        """Return the scenario that a file holds; parameters are as calibrated."""
        scenario = scenarios.open_scenario(self.spec, path, calibrated(self._root, self._first))
        return replace(scenario, simulator=self._first)

    def with_calls(self, scenario: Scenario, calls: str) -> Scenario:
        """Return the scenario with another calling mode; there is only one."""
        return replace(scenario, calls=calls)

    def encode_scenario(self, scenario: Scenario) -> bytes:
        """Return a scenario's bytes."""
        return encode(scenario)

    def decode_scenario(self, data: bytes) -> Scenario:
        """Return the scenario in ``data``; raise ``InputError`` on anything else."""
        return scenarios.scenario_from(data)

    def simulate(self, scenario: Scenario, policy: Policy, simulator: Policy | None = None) -> Run:
        """Run ``policy`` in a scenario against the untrusted simulator behind a port."""
        if simulator is None:
            raise InputError(
                f"{self._root}: its simulator is not trusted, so it runs in a cell only, never in "
                "this process"
            )
        return run(self.spec, self.laws, scenario, simulator, policy).run
