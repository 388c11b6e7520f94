"""The simulator's side of functions as a service: scenarios, their bytes, and their simulation.

The trusted process of a cell and the host use it; a policy's process never holds it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulator.contract import Policy
from simulator.domain import Run
from simulator.domains.faas.engine import Simulation
from simulator.domains.faas.laws import check_run, disguise
from simulator.domains.faas.messages import Function, Image, Node, Setup, Tenant
from simulator.domains.faas.metrics import compute_metrics, compute_stats
from simulator.domains.faas.scenario import (
    Scenario,
    decode_scenario,
    encode_scenario,
    make_scenario,
    with_calls,
)
from simulator.domains.faas.scenario_files import SCENARIO_FILE, read_world
from simulator.domains.faas.world import CALLS, MB_PER_GB, US, World
from simulator.errors import InputError
from simulator.suites import check_keys, text_of
from simulator.textfile import show

__all__ = [
    "IDLE_POLICY",
    "SUITE_KEYS",
    "canary",
    "check_run",
    "decode_scenario",
    "disguise",
    "encode_scenario",
    "open_scenario",
    "read_scenario",
    "simulate",
    "with_calls",
]

SUITE_KEYS = ()
IDLE_POLICY = """
@register_platform_init(key="idle")
def init(p):
    pass

@register_platform(key="idle")
def step(p, events):
    return []
"""


def simulate(scenario: Scenario, policy: Policy) -> Run:
    """Run ``policy`` on a scenario; raise PolicyFailure if the policy fails."""
    simulation = Simulation(scenario.world, policy)
    simulation.run()
    stats = compute_stats(simulation)
    return Run(
        stats=stats,
        metrics=compute_metrics(simulation, stats),
        policy_calls=simulation.policy_calls,
        decision_sha256=simulation.digest.hexdigest(),
    )


def open_scenario(path: Path) -> Scenario:
    """Return the scenario in a folder that holds ``scenario.toml``, or in a TOML file."""
    name = path.resolve().parent.name if path.name == SCENARIO_FILE else path.stem
    return make_scenario(read_world(path), name=name or "scenario", family="file", split="train")


def read_scenario(
    entry: Mapping[str, Any], shared: Mapping[str, Any], folder: Path, where: str
) -> Scenario:
    """Return the scenario of an entry of a suite file: ``scenario`` is its folder or TOML file.

    ``sha256`` is that of the scenario, as it is printed where it does not match.
    """
    check_keys(entry, ("name", "family", "split", "scenario", "sha256", "calls"), where)
    world = read_world(folder / text_of(entry, "scenario", where))
    scenario = make_scenario(
        world, name=entry["name"], family=entry["family"], split=entry["split"]
    )
    expected = text_of(entry, "sha256", where)
    if scenario.sha256 != expected:
        raise InputError(
            f"{where}: the sha256 of the scenario is {scenario.sha256}, expected {show(expected)} "
            "as the suite file says; restore the scenario, or change the suite file"
        )
    calls = entry.get("calls", scenario.calls)
    if calls not in CALLS:
        raise InputError(f"{where}: calls is {show(calls)}, expected {' or '.join(CALLS)}")
    return with_calls(scenario, calls)


def canary() -> Scenario:
    """Return the smallest scenario that calls a policy at all."""
    function = Function("f", 0, 0, 128, US // 10, 1, US, US)
    setup = Setup(
        calls=CALLS[0],
        price_mb_us=60 * MB_PER_GB * US,
        packages=(),
        images=(Image("", ()),),
        nodes=(Node("n", MB_PER_GB, 0, 100),),
        tenants=(Tenant("t", 1, 0, 0),),
        functions=(function,),
    )
    world = World(setup=setup, duration_us=US, times=[US // 10], functions=[0], services=[US // 10])
    return make_scenario(world, name="canary", family="canary", split="train")
