"""The worked examples of simulators that are checked by laws: their parts, and runs in process."""

import signal
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from simulator.bootstrap.check_spec import Check, read_checks
from simulator.bootstrap.checks import Result, try_check
from simulator.bootstrap.folder import read_folder
from simulator.bootstrap.metered import OutOfTime
from simulator.driver import LocalPolicy
from simulator.errors import PolicyFailure
from simulator.sealed.broker import BrokerRun, RandomPolicy, run
from simulator.sealed.laws import Laws, read_laws
from simulator.sealed.policy_side import contract_of
from simulator.sealed.scenarios import Scenario, generate
from simulator.sealed.shapes import SealedSpec
from simulator.sealed.spec import read_contract
from simulator.sealed.writer_side import simulator_contract

NAMES = ("queue", "small-faas", "pipelines-core")
SYSTEMS = Path(__file__).resolve().parents[2] / "examples" / "systems"
MUTANTS = Path(__file__).resolve().parents[1] / "bootstrap" / "mutants"


class System:
    """One folder of ``examples/systems``."""

    def __init__(self, name: str) -> None:
        self.root = SYSTEMS / name
        self.spec: SealedSpec = read_contract(self.root / "contract.toml")
        self.laws: Laws = read_laws(self.root / "laws.toml", self.spec)
        self.checks = read_checks(self.root / "laws.toml")
        self.folder = read_folder(self.spec, self.root)
        self._writer, self._policy = simulator_contract(self.spec), contract_of(self.spec)

    def source(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def names(self, folder: str) -> list[str]:
        return sorted(path.stem for path in (self.root / folder).glob("*.py"))

    def scenario(self, generator: str, seed: int, **changes: int) -> Scenario:
        return generate(self.spec, generator, seed, changes)

    def port(self, simulator: str) -> LocalPolicy:
        """Return the port of a simulator's source, in this process."""
        return LocalPolicy(self._writer, simulator)

    def play(self, scenario: Scenario, simulator: str, policy: str | RandomPolicy) -> BrokerRun:
        """Run the source of a simulator, and that of a policy, against each other."""
        port = LocalPolicy(self._policy, policy) if isinstance(policy, str) else policy
        return run(self.spec, self.laws, scenario, self.port(simulator), port)


@cache
def system(name: str) -> System:
    """Return an example by the name of its folder."""
    return System(name)


def verdict(example: System, check: Check, simulator: str, seconds: float = 6.0) -> str:
    """Return what a check says of the source of a simulator: pass, fail or not applicable."""
    return examined(example, check, simulator, seconds).verdict


def examined(example: System, check: Check, simulator: str, seconds: float = 6.0) -> Result:
    """Return how a check of the source of a simulator went.

    It runs in this process, so a simulator that never gives a turn is stopped by a signal after so
    many CPU seconds.
    """
    before = signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return try_check(check, example.folder, example.port(simulator), shrinks=False)
    except (PolicyFailure, OutOfTime) as error:
        return Result(verdict="fail", reason=str(error), reached=0.0)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _stop(*_: object) -> None:
    raise OutOfTime


def mutants_of_small_faas() -> dict[str, str]:
    """Return the sources that are wrong on purpose, by name."""
    good = system("small-faas").source("simulators/good.py")
    table = tomllib.loads((MUTANTS / "small-faas.toml").read_text(encoding="utf-8"))
    return {each["name"]: _edited(good, each) for each in table["mutants"]}


def _edited(source: str, mutant: Mapping[str, Any]) -> str:
    for old, new in mutant["edits"]:
        assert source.count(old) == 1, f"{mutant['name']}: {old!r} is not in good.py once"
        source = source.replace(old, new)
    return source
