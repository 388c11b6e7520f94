"""Test scenarios that do not exist until they are drawn, of the kinds that a suite's own have."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from simulator.domain_host import Fresh
from simulator.domains.pipelines.families import generate_family
from simulator.domains.pipelines.families_table import FAMILIES, SHIFTED, Family
from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import read_mapping
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.scenario_codec import scenario_sha256
from simulator.domains.pipelines.tracefile import parse_trace, render_trace
from simulator.domains.pipelines.workload import Workload
from simulator.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A scenario whose workload came from a generator, which can draw another of the same kind."""

    scenario: Scenario
    family: Family | None
    """None where the scenario's parameters are the generator's."""


def redraw(suite: Path, scenarios: Sequence[Scenario], seed: int) -> Fresh[Pattern]:
    """Return how to draw scenarios of a suite file anew; nothing is drawn yet."""
    traces = {each["name"]: each.get("trace") for each in read_mapping(suite)["scenarios"]}
    patterns, left_out = [], []
    for scenario in scenarios:
        trace = traces[scenario.name]
        found = _pattern(scenario, None if trace is None else suite.parent / trace)
        if found is None:
            left_out.append(f"{scenario.name}, whose trace {trace} no generator of Assay made")
        else:
            patterns.append(found)
    return Fresh(seed=seed, patterns=tuple(patterns), left_out=tuple(left_out), drawn=_drawn)


def _pattern(scenario: Scenario, trace: Path | None) -> Pattern | None:
    """Return how to redraw a scenario, or None unless a generator reproduces its workload."""
    if trace is None:
        return Pattern(scenario=scenario, family=None)
    header = _header(trace)
    if "params" in header and _makes(scenario, generate_workload(scenario.params)):
        return Pattern(scenario=scenario, family=None)
    known = next((each for each in (*FAMILIES, SHIFTED) if each.name == scenario.family), None)
    seed = header.get("seed")
    if known is None or not isinstance(seed, int) or seed < 0:
        return None
    count = len(scenario.workload.pipelines)
    family = replace(known, pipelines=count, params=scenario.params.to_mapping())
    made = _makes(scenario, generate_family(family, seed))
    return Pattern(scenario=scenario, family=family) if made else None


def _makes(scenario: Scenario, workload: Workload) -> bool:
    return _as_replayed(workload, scenario.params.ticks_per_second) == scenario.workload


def _header(trace: Path) -> Mapping[str, Any]:
    """Return the header of a trace, empty without one."""
    try:
        return read_mapping(trace.with_suffix(".toml"))
    except InputError:
        return {}


def _drawn(pattern: Pattern, seed: int) -> Scenario:
    """Return another scenario of a kind.

    What the generator is seeded with is made of the seed and the scenario's name, so that two of
    one family differ, and that no small seed gives a workload that a suite ships.
    """
    scenario, params = pattern.scenario, pattern.scenario.params
    digest = hashlib.sha256(f"fresh test/{seed}/{scenario.name}".encode()).digest()
    own = int.from_bytes(digest[:8])
    if pattern.family is None:
        params = replace(params, random_seed=own)
        workload = generate_workload(params)
    else:
        workload = generate_family(pattern.family, own)
    workload = _as_replayed(workload, params.ticks_per_second)
    return replace(
        scenario,
        name=f"{scenario.name}-fresh-{seed}",
        params=params,
        workload=workload,
        sha256=scenario_sha256(params, workload),
    )


def _as_replayed(workload: Workload, ticks_per_second: int) -> Workload:
    """Return a workload as the replay of its trace file has it."""
    text = render_trace(workload, ticks_per_second)
    return parse_trace(text, ticks_per_second, "a generated trace")
