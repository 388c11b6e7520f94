"""Checks as scenarios: what a simulator is tried on as a policy is tried on a workload."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from simulator.bootstrap.check_spec import SPLITS, AnyCheck, Check
from simulator.bootstrap.domain_spec import ALL, FAILED, FRACTION
from simulator.errors import InputError
from simulator.messages import MessageError, decode, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckScenario:
    """One check."""

    name: str
    split: str
    check: AnyCheck
    parameters: dict[str, int] = field(default_factory=dict)
    """What was calibrated; a check that says otherwise wins. No part of the hash."""
    shrink: bool = True
    """Whether what goes wrong is made smaller; not where only the verdict matters."""
    run_cpu_seconds: float | None = None
    """CPU seconds that the simulator's process may use in one run; None: as many as the check."""
    calls: str = "on_check"

    @property
    def family(self) -> str:
        return self.check.kind

    @property
    def sha256(self) -> str:
        return sha256(encode(self.check)).hexdigest()

    @property
    def duration_seconds(self) -> float:
        return 0.0

    @property
    def size(self) -> Mapping[str, int]:
        return {"runs": len(getattr(self.check, "all_seeds", self.check.seeds))}

    @property
    def figures(self) -> Mapping[str, float]:
        return {ALL: 1.0, FAILED: 0.0, FRACTION: 0.5}

    @property
    def settings(self) -> Mapping[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(self.check)
        return {key: value for key, value in told.items() if key not in ("name", "split")}


def scenario_of(check: Check) -> CheckScenario:
    """Return a check of ``laws.toml`` as a scenario."""
    return CheckScenario(
        name=check.name,
        split=SPLITS[check.split],
        check=check,  # type: ignore[arg-type]
        shrink=check.split == "shown",  # nobody works with what goes wrong in the others
    )


def check_from(data: bytes) -> CheckScenario:
    """Return the check in ``data``; raise ``InputError`` on anything else."""
    try:
        return decode(data, CheckScenario)
    except MessageError as error:
        raise InputError(str(error)) from None
