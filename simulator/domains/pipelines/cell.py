"""The simulator's side of pipelines: scenarios from suite files and as bytes, and their simulation.

The trusted process of a cell and the host use it; a policy's process never holds it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulator.contract import Policy
from simulator.domain import Run
from simulator.domains.pipelines import engine
from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.laws import check_run, disguise
from simulator.domains.pipelines.params import Params, load_params
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.scenario_codec import (
    decode_scenario,
    encode_scenario,
    scenario_sha256,
)
from simulator.domains.pipelines.tracefile import (
    MAX_TRACE_BYTES,
    parse_trace,
    read_trace,
    render_trace,
)
from simulator.domains.pipelines.workload import Operator, Pipeline, Priority, Segment, Workload
from simulator.errors import TraceError
from simulator.suites import check_keys, table_of, text_of
from simulator.textfile import read_text, show

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
    "scenario_from_files",
    "simulate",
    "with_calls",
]

SUITE_KEYS = ("params",)
IDLE_POLICY = """
@register_scheduler_init(key="idle")
def init(s):
    pass

@register_scheduler(key="idle")
def step(s, results, pipelines):
    return [], []
"""


def simulate(scenario: Scenario, policy: Policy) -> Run:
    """Run ``policy`` on a scenario; raise PolicyFailure if the policy fails."""
    return engine.simulate(scenario.workload, scenario.params, policy)


def with_calls(scenario: Scenario, calls: str) -> Scenario:
    """Return the scenario with another calling mode and the hash that goes with it."""
    if scenario.params.policy_calls == calls:
        return scenario
    params = replace(scenario.params, policy_calls=calls)
    return replace(scenario, params=params, sha256=scenario_sha256(params, scenario.workload))


def read_scenario(
    entry: Mapping[str, Any], shared: Mapping[str, Any], folder: Path, where: str
) -> Scenario:
    """Return the scenario of an entry of a suite file: ``trace``, its ``sha256``, ``params``.

    Suites call a policy on changes where they do not say otherwise.
    """
    check_keys(entry, ("name", "family", "split", "trace", "sha256", "params"), where)
    merged = {
        "policy_calls": "on_change",
        **table_of(shared.get("params", {}), f"{where}: params"),
        **table_of(entry.get("params", {}), f"{where}: params"),
    }
    params = Params.from_mapping(merged, where=f"{where}: params")
    workload = _workload(entry, params, folder, where)
    return Scenario(
        name=entry["name"],
        family=entry["family"],
        split=entry["split"],
        params=params,
        workload=workload,
        sha256=scenario_sha256(params, workload),
    )


def scenario_from_files(
    trace: str | Path | None, params: Params, *, name: str | None = None
) -> Scenario:
    """Return the scenario of a trace file, or of the generator where there is none."""
    if trace is None:
        workload = generate_workload(params)
    else:
        workload = read_trace(trace, params.ticks_per_second)
    return Scenario(
        name=name or ("generated" if trace is None else Path(trace).stem),
        family="generated" if trace is None else "file",
        split="train",
        params=params,
        workload=workload,
        sha256=scenario_sha256(params, workload),
    )


def open_scenario(path: Path) -> Scenario:
    """Return the scenario that a parameter file describes; the generator makes its workload."""
    return scenario_from_files(None, load_params(path), name=path.stem)


def canary() -> Scenario:
    """Return the smallest scenario that calls a policy at all."""
    params = Params(
        duration=1, ticks_per_second=10, num_pools=1, policy_calls="on_change", random_seed=1
    )
    pipeline = Pipeline(
        id="p1",
        priority=Priority.QUERY,
        arrival_tick=1,
        operators=(Operator(id="op1", segments=(Segment(baseline_cpu_seconds=0.1),)),),
    )
    workload = Workload(pipelines=(pipeline,))
    return Scenario(
        name="canary",
        family="canary",
        split="train",
        params=params,
        workload=workload,
        sha256=scenario_sha256(params, workload),
    )


def _workload(table: Mapping[str, Any], params: Params, folder: Path, where: str) -> Workload:
    """Return the workload of a scenario, after its trace's text was checked against the sha256.

    Without a ``trace`` the generator's workload is written as a trace and read back, so that it
    equals the replay of the file of that sha256.
    """
    if "trace" in table:
        source = str(folder / text_of(table, "trace", where))
        text = read_text(Path(source), TraceError, MAX_TRACE_BYTES)
    else:
        source = f"{where}: generated trace"
        text = render_trace(generate_workload(params), params.ticks_per_second)
    expected = text_of(table, "sha256", where)
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != expected:
        raise TraceError(
            f"{source}: sha256 is {found}, expected {show(expected)} as the suite file says; "
            "restore the trace, or change the suite file if the trace was changed on purpose"
        )
    return parse_trace(text, params.ticks_per_second, source)
