"""Checks of trace files, their headers and suites: what is wrong with a file, all of it at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.domains.pipelines.library import load_suite, suite_names
from simulator.domains.pipelines.params import read_mapping
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.tracefile import MAX_TRACE_BYTES, parse_trace
from simulator.domains.pipelines.traces.header import (
    count_operators,
    header_path,
    read_header,
    text_sha256,
)
from simulator.errors import InputError, TraceError
from simulator.suites import traces_folder
from simulator.textfile import read_text, show

TEXT_KEYS = ("source", "licence", "sha256")
DEFAULT_TICKS_PER_SECOND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found in one file; ``problems`` is empty if it can be used as it is."""

    file: str
    kind: str
    """``trace`` or ``suite``."""
    pipelines: int = 0
    operators: int = 0
    scenarios: int = 0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def size(self) -> str:
        """How much there is in it, in words."""
        found = f"{self.pipelines} pipelines, {self.operators} operators"
        return f"{self.scenarios} scenarios, {found}" if self.kind == "suite" else found


def check(names: Sequence[str]) -> list[Checked]:
    """Return what is right and wrong with each of these files; with all that ship without any."""
    return [check_file(name) for name in names or shipped_files()]


def check_file(name: str) -> Checked:
    """Return what is right and wrong with a trace, a header, a suite file or a suite's name."""
    path = Path(name)
    if name in suite_names() and not path.exists():
        return _check_suite(name)
    if path.is_dir():
        problem = f"{name}: is a directory, expected a trace, a header or a suite file"
        return Checked(file=name, kind="trace", problems=(problem,))
    if path.suffix == ".toml":
        try:
            table = read_mapping(path)
        except InputError as error:
            return Checked(file=name, kind="header", problems=(str(error),))
        if "scenarios" in table:
            return _check_suite(name)
        path = path.with_suffix(".csv")
    return _check_trace(path)


def shipped_files() -> list[str]:
    """Return the traces and suites that come with the simulator."""
    traces = sorted(traces_folder().glob("*/*.csv"))
    return [*(str(path) for path in traces), *suite_names()]


def _check_suite(name: str) -> Checked:
    try:
        scenarios = load_suite(name).scenarios
    except InputError as error:
        return Checked(file=name, kind="suite", problems=(str(error),))
    return Checked(
        file=name,
        kind="suite",
        scenarios=len(scenarios),
        pipelines=sum(len(each.workload.pipelines) for each in scenarios),
        operators=sum(count_operators(each.workload) for each in scenarios),
        notes=tuple(note for each in scenarios for note in _late(each)),
    )


def _late(scenario: Scenario) -> list[str]:
    ticks = scenario.params.num_ticks
    late = sum(each.arrival_tick >= ticks for each in scenario.workload.pipelines)
    return [f"{scenario.name}: {late} pipelines arrive after the end"] if late else []


def _check_trace(path: Path) -> Checked:
    problems: list[str] = []
    try:
        header = read_header(path)
    except InputError as error:
        header = {}
        problems.append(str(error))
    try:
        text = read_text(path, TraceError, MAX_TRACE_BYTES)
        workload = parse_trace(text, DEFAULT_TICKS_PER_SECOND, str(path))
    except InputError as error:
        return Checked(file=str(path), kind="trace", problems=(*problems, str(error)))
    found: dict[str, Any] = {
        "sha256": text_sha256(text),
        "pipelines": len(workload.pipelines),
        "operators": count_operators(workload),
    }
    if header:
        problems += _compare(header_path(path), header, found)
    notes = ["the trace has no pipelines"] if not workload.pipelines else []
    if header is None:
        notes.append(f"no header {header_path(path).name}: source and licence are not known")
    return Checked(
        file=str(path),
        kind="trace",
        pipelines=found["pipelines"],
        operators=found["operators"],
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _compare(where: Path, header: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    problems = [
        f"{where}: {key} is {show(header.get(key))}, expected a text"
        for key in TEXT_KEYS
        if not isinstance(header.get(key), str) or not header[key].strip()
    ]
    for key, value in found.items():
        if key in header and header[key] != value and not (key == "sha256" and problems):
            problems.append(
                f"{where}: {key} is {show(header[key])}, but the trace has {value}; restore the "
                "trace, or rewrite its header if the change is intended"
            )
    return problems
