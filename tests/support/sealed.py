"""The queue of the examples as a sealed domain, its simulators, and runs in this process."""

import json
import shutil
from pathlib import Path
from textwrap import dedent
from typing import Any

from sandbox.trial import Payload
from simulator.domain import Domain, open_domain
from simulator.driver import LocalPolicy
from simulator.sealed.broker import BrokerRun, run
from simulator.sealed.certificate import FORM, hashes_of, names_of, sealed_with_hash
from simulator.sealed.laws import Laws, read_laws
from simulator.sealed.policy_side import contract_of
from simulator.sealed.scenarios import Scenario, make_scenario
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import read_contract
from simulator.sealed.writer_side import simulator_contract

SYSTEMS = Path(__file__).resolve().parents[2] / "examples" / "systems"
QUEUE = SYSTEMS / "queue"


def queue_spec() -> SealedSpec:
    return read_contract(QUEUE / "contract.toml")


def queue_laws(spec: SealedSpec) -> Laws:
    return read_laws(QUEUE / "laws.toml", spec)


def changed_contract(folder: Path, *changes: tuple[str, str]) -> Path:
    """Return a copy of the queue's contract with these texts replaced."""
    text = (QUEUE / "contract.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "contract.toml"
    path.write_text(text, encoding="utf-8")
    return path


def copy_of_the_queue(folder: Path) -> Path:
    return shutil.copytree(QUEUE, folder, ignore=shutil.ignore_patterns("__pycache__"))


def accepted(folder: Path, *simulators: str) -> Domain:
    """Return the queue with accepted simulators, by default the good one."""
    copy_of_the_queue(folder)
    for number, text in enumerate(simulators or [source("simulators", "good")]):
        (folder / names_of(number)[0]).write_text(text, encoding="utf-8")
        certify(folder, number)
    return open_domain(folder)


def certify(folder: Path, number: int = 0, **more: Any) -> None:
    """Write a certificate about the files in a folder as they are."""
    certificate = {"certificate": FORM, "hashes": hashes_of(folder, number), **more}
    text = json.dumps(sealed_with_hash(certificate))
    (folder / names_of(number)[1]).write_text(text, encoding="utf-8")


def payload(domain: Domain, scenario: Any) -> Payload:
    return Payload(name=scenario.name, data=domain.cell.encode_scenario(scenario))


def three_jobs(spec: SealedSpec, **values: int) -> Scenario:
    """Return three jobs that arrive at 0, 10 and 10 us and take 30, 5 and 20 us."""
    numbers = {"horizon": 100, "servers": 1} | values
    jobs = [[0, 30, 30], [10, 5, 5], [10, 20, 20]]
    return make_scenario(spec, numbers, {"jobs": jobs}, where="three jobs")


def source(folder: str, name: str) -> str:
    return (QUEUE / folder / f"{name}.py").read_text(encoding="utf-8")


def play(spec: SealedSpec, laws: Laws, scenario: Any, simulator: str, policy: Any) -> BrokerRun:
    """Run sources against each other in this process; a policy may also be a port."""
    if isinstance(policy, str):
        policy = LocalPolicy(contract_of(spec), policy)
    return run(spec, laws, scenario, LocalPolicy(simulator_contract(spec), simulator), policy)


def simulator(body: str) -> str:
    """Return a simulator with this body."""
    head = '@register_simulator(key="own")\ndef simulate(scenario, parameters, rng, log):\n'
    return head + "".join(f"    {line}\n" for line in dedent(body).strip("\n").splitlines())


def policy(body: str) -> str:
    """Return a policy with this body."""
    head = '@register_policy(key="own")\ndef decide(state):\n'
    return head + "".join(f"    {line}\n" for line in dedent(body).strip("\n").splitlines())
