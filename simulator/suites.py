"""Suites: named scenarios with a split, read from TOML files beside the traces they name."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import Params, read_mapping
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
from simulator.domains.pipelines.workload import Workload
from simulator.errors import InputError, TraceError
from simulator.scenario import SPLITS, Scenario
from simulator.textfile import read_text, show

__all__ = [
    "Suite",
    "decode_scenario",
    "encode_scenario",
    "load_suite",
    "scenario_from_files",
    "suite_names",
    "traces_folder",
]

SUITE_KEYS = ("name", "description", "params", "scenarios")
SCENARIO_KEYS = ("name", "family", "split", "trace", "sha256", "params")
MAX_SCENARIOS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Scenarios that belong together; ``split`` picks those of one split."""

    name: str
    description: str
    scenarios: tuple[Scenario, ...]

    def split(self, name: str) -> tuple[Scenario, ...]:
        """Return the scenarios of one of ``SPLITS``, in the order of the suite file."""
        if name not in SPLITS:
            raise InputError(f"unknown split {show(name)}, expected {', '.join(SPLITS)}")
        return tuple(scenario for scenario in self.scenarios if scenario.split == name)


def suite_names() -> list[str]:
    """Return the names of the suites that come with the simulator."""
    return sorted(path.stem for path in (traces_folder() / "suites").glob("*.toml"))


def load_suite(name_or_path: str | Path) -> Suite:
    """Return a suite by name, or from the path of a suite file ending in ``.toml``."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        if str(name_or_path) not in suite_names():
            raise InputError(
                f"unknown suite {show(str(name_or_path))}, expected {', '.join(suite_names())} "
                "or the path of a suite file ending in .toml"
            )
        path = traces_folder() / "suites" / f"{name_or_path}.toml"
    table = read_mapping(path)
    _check_keys(table, SUITE_KEYS, str(path))
    entries = table.get("scenarios")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_SCENARIOS:
        raise InputError(f"{path}: scenarios is missing, expected 1 to {MAX_SCENARIOS} tables")
    shared = _table(table.get("params", {}), f"{path}: params")
    scenarios = tuple(
        _scenario(entry, shared, path, f"{path}: scenario {number}")
        for number, entry in enumerate(entries, start=1)
    )
    names = [scenario.name for scenario in scenarios]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two scenarios are named {show(name)}, rename one")
    return Suite(
        name=_text(table, "name", str(path)),
        description=_text(table, "description", str(path)),
        scenarios=scenarios,
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


def traces_folder() -> Path:
    """Return the folder with the shipped traces: in the installed package, else in the checkout."""
    here = Path(__file__).resolve().parent
    packaged = here / "_traces"
    return packaged if packaged.is_dir() else here.parent / "traces"


def _scenario(entry: object, shared: Mapping[str, Any], path: Path, where: str) -> Scenario:
    table = _table(entry, where)
    _check_keys(table, SCENARIO_KEYS, where)
    split = _text(table, "split", where)
    if split not in SPLITS:
        raise InputError(f"{where}: split is {show(split)}, expected {', '.join(SPLITS)}")
    own = _table(table.get("params", {}), f"{where}: params")
    merged = {"policy_calls": "on_change", **shared, **own}
    params = Params.from_mapping(merged, where=f"{where}: params")
    workload = _workload(table, params, path, where)
    return Scenario(
        name=_text(table, "name", where),
        family=_text(table, "family", where),
        split=split,
        params=params,
        workload=workload,
        sha256=scenario_sha256(params, workload),
    )


def _workload(table: Mapping[str, Any], params: Params, path: Path, where: str) -> Workload:
    """Return the workload of a scenario, after its trace's text was checked against the sha256.

    Without a ``trace`` the generator's workload is written as a trace and read back, so that it
    equals the replay of the file of that sha256.
    """
    if "trace" in table:
        source = str(path.parent / _text(table, "trace", where))
        text = read_text(Path(source), TraceError, MAX_TRACE_BYTES)
    else:
        source = f"{where}: generated trace"
        text = render_trace(generate_workload(params), params.ticks_per_second)
    expected = _text(table, "sha256", where)
    found = hashlib.sha256(text.encode()).hexdigest()
    if found != expected:
        raise TraceError(
            f"{source}: sha256 is {found}, expected {show(expected)} as {path.name} says; restore "
            "the trace, or change the suite file if the trace was changed on purpose"
        )
    return parse_trace(text, params.ticks_per_second, source)


def _check_keys(table: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in allowed:
            raise InputError(f"{where}: unknown key {show(key)}, expected {', '.join(allowed)}")


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where} is {show(value)}, expected a table")
    return value


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: {key} is {show(value)}, expected a text")
    return value
