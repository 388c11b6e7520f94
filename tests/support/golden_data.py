"""The golden figures: scenarios with the statistics that they must give to the last digit."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from simulator.domains.pipelines.cell import scenario_from_files
from simulator.domains.pipelines.library import policy_names, policy_source
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario import Scenario

FOLDER = Path(__file__).resolve().parent.parent / "golden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A scenario, the policy to run on it and the statistics to expect."""

    scenario: Scenario
    policy: str
    expected: dict[str, Any]


@cache
def scenario_figures() -> dict[str, dict[str, Any]]:
    """Return parameters and expected statistics of the random scenarios, by name."""
    figures: dict[str, dict[str, Any]] = json.loads((FOLDER / "scenarios.json").read_text())
    return figures


@cache
def paper_figures() -> dict[str, dict[str, Any]]:
    """Return parameters, hashes and expected statistics of the ten paper traces, by name."""
    figures: dict[str, dict[str, Any]] = json.loads((FOLDER / "paper-traces.json").read_text())
    return dict(figures["cases"])


def golden_scenario(name: str, **changes: Any) -> Golden:
    """Return one of the random scenarios, with parameters changed."""
    figures = scenario_figures()[name]
    params = Params.from_mapping({**figures["params"], **changes})
    trace = FOLDER / "traces" / figures["trace"] if "trace" in figures else None
    return Golden(
        scenario=scenario_from_files(trace, params, name=name),
        policy=source_of(params.scheduler_algo),
        expected=figures["expected"],
    )


def source_of(name: str) -> str:
    """Return the source of a policy of the library, or of one kept with the figures."""
    if name.replace("_", "-") in policy_names():
        return policy_source(name)
    return (FOLDER / "policies" / f"{name}.py").read_text()
