"""``assay traces``: list, describe, generate, check and import workloads."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from flows.cli.errors import BAD_INPUT, say
from flows.cli.terminal import print_line, print_table
from flows.errors import UserError
from flows.workloads.checks import DEFAULT_TICKS_PER_SECOND, Checked, check_file, shipped_files
from flows.workloads.header import check_out, header_path, read_header, write_with_header
from flows.workloads.imports import FORMATS, Asked, assumption_defaults, find_format, run_import
from flows.workloads.suites import SuiteWishes, make_suite
from flows.workloads.tables import (
    GLANCE_EXPENDABLE,
    GLANCE_HEADERS,
    SUITE_EXPENDABLE,
    SUITE_HEADERS,
    description_mapping,
    description_text,
    glance_rows,
    scenario_mapping,
    suite_rows,
)
from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import Params, load_params
from simulator.domains.pipelines.suite_builder import LICENCE
from simulator.domains.pipelines.tracefile import read_trace
from simulator.scenario import Scenario
from simulator.suites import load_suite, scenario_from_files, suite_names


def list_traces(as_json: bool) -> int:
    """Print every suite with its scenarios."""
    suites = [load_suite(name) for name in suite_names()]
    if as_json:
        mapping = [
            {
                "name": suite.name,
                "description": suite.description,
                "scenarios": [scenario_mapping(each) for each in suite.scenarios],
            }
            for suite in suites
        ]
        print_line(json.dumps({"suites": mapping}))
        return 0
    for suite in suites:
        title = f"{suite.name}: {suite.description}"
        print_table(title, SUITE_HEADERS, suite_rows(suite), SUITE_EXPENDABLE)
    return 0


def describe_traces(
    name: str, scenario: str | None, split: str | None, params: Path | None, as_json: bool
) -> int:
    """Print what a suite, one of its scenarios or a trace file asks of a cluster."""
    chosen = _described(name, scenario, split, params)
    if as_json:
        described = [description_mapping(each) for each in chosen]
        print_line(json.dumps({"scenarios": described}, allow_nan=False))
    elif len(chosen) == 1:
        print_line(description_text(chosen[0]))
    else:
        title = f"{name}: load over capacity with one cpu for each operator"
        print_table(title, GLANCE_HEADERS, glance_rows(chosen), GLANCE_EXPENDABLE)
        print_line(
            f"one scenario in full: assay traces describe {name} --scenario {chosen[0].name}"
        )
    return 0


def generate_trace(params: Path, draws: str | None, out: Path, as_json: bool) -> int:
    """Write the generator's workload for a parameter file, and its header."""
    chosen = load_params(params)
    if draws is not None:
        chosen = replace(chosen, trace_draws=draws)
    check_out(out, [params])
    header = {
        "source": f"simulator.domains.pipelines.generate, draws {chosen.trace_draws}",
        "licence": LICENCE,
        "seed": chosen.random_seed,
        "window_seconds": chosen.duration,
        "params": chosen.to_mapping(),
    }
    workload = generate_workload(chosen)
    return _report(out, write_with_header(workload, out, chosen.ticks_per_second, header), as_json)


def check_traces(files: Sequence[str], as_json: bool) -> int:
    """Print what is wrong with traces, headers and suites; everything shipped if none is named."""
    checked = [check_file(name) for name in files or shipped_files()]
    if as_json:
        found = [{**asdict(each), "ok": each.ok} for each in checked]
        print_line(json.dumps({"files": found, "ok": all(each.ok for each in checked)}))
    else:
        for each in checked:
            _print_checked(each)
    return 0 if all(each.ok for each in checked) else BAD_INPUT


def import_trace(
    format_name: str,
    files: Sequence[Path],
    out: Path,
    seed: int,
    start: float | None,
    duration: float | None,
    limit: int | None,
    sample: float,
    ticks_per_second: int | None,
    assume: Sequence[str],
    as_json: bool,
) -> int:
    """Write a trace made from public data, and the header with every assumption and count."""
    for option, seconds in (("--start", start), ("--duration", duration)):
        if seconds is not None and not math.isfinite(seconds):
            raise UserError(f"{option} is {seconds}, expected a number of seconds")
    check_out(out, files)
    asked = Asked(
        start_seconds=start,
        duration_seconds=duration,
        limit=limit,
        sample=sample,
        seed=seed,
        ticks_per_second=ticks_per_second,
        assume=tuple(assume),
    )
    result = run_import(find_format(format_name), files, asked)
    workload, rate = result.imported.workload, result.ticks_per_second
    return _report(out, write_with_header(workload, out, rate, result.header), as_json)


def write_suite(
    traces: Sequence[Path],
    out: Path,
    params: Path | None,
    windows: int,
    validation: float,
    test: float,
    seed: int,
    as_json: bool,
) -> int:
    """Write a suite made of traces, and print its scenarios."""
    wishes = SuiteWishes(
        windows=windows, validation=validation, test=test, seed=seed, params=params
    )
    made = make_suite(traces, out, wishes)
    if as_json:
        scenarios = [scenario_mapping(each) for each in made.suite.scenarios]
        found = {"suite": str(out), "scenarios": scenarios, "notes": made.notes}
        print_line(json.dumps(found))
        return 0
    title = f"{out}: {made.suite.description}"
    print_table(title, SUITE_HEADERS, suite_rows(made.suite), SUITE_EXPENDABLE)
    for note in made.notes:
        print_line(f"  {note}")
    print_line(f"to see its load: assay traces describe {out}")
    print_line(f"to try a policy on it: assay evaluate POLICY.py --suite {out}")
    return 0


def list_formats(as_json: bool) -> int:
    """Print the formats that can be imported, with the figures that ``--assume`` changes."""
    if as_json:
        found = {
            name: {"files": each.files, "assume": assumption_defaults(each)}
            for name, each in FORMATS.items()
        }
        print_line(json.dumps({"formats": found}))
        return 0
    for name, each in FORMATS.items():
        print_line(f"{name:13} {each.files}")
        for key, value in assumption_defaults(each).items():
            print_line(f"{'':13}   --assume {key}={value:g}")
    return 0


def _described(
    name: str, scenario: str | None, split: str | None, params: Path | None
) -> Sequence[Scenario]:
    path = Path(name)
    if path.suffix == ".csv":
        if scenario is not None or split is not None:
            raise UserError("--scenario and --split choose within a suite, not within a trace")
        return [_trace_scenario(path, params)]
    if params is not None:
        raise UserError("--params goes with a trace file: a suite sets its own parameters")
    suite = load_suite(name)
    found = suite.scenarios if split is None else suite.split(split)
    if scenario is not None:
        found = tuple(each for each in found if each.name == scenario)
        if not found:
            names = ", ".join(each.name for each in suite.scenarios)
            raise UserError(f"{name} has no scenario {scenario!r}, expected one of {names}")
    if not found:
        raise UserError(f"{name} has no {split} scenarios: choose another --split")
    return found


def _trace_scenario(path: Path, params: Path | None) -> Scenario:
    """Return a trace on its cluster; without --params, its header and arrivals set parameters."""
    if params is not None:
        return scenario_from_files(path, load_params(params))
    header = read_header(path) or {}
    own = header.get("params")
    if isinstance(own, dict):
        return scenario_from_files(path, Params.from_mapping(own, str(header_path(path))))
    rate = header.get("ticks_per_second", DEFAULT_TICKS_PER_SECOND)
    duration = header.get("window_seconds")
    if duration is None:
        pipelines = read_trace(path, DEFAULT_TICKS_PER_SECOND).pipelines
        last = pipelines[-1].arrival_tick if pipelines else 0
        duration = last // DEFAULT_TICKS_PER_SECOND + 1
    found = {"duration": duration, "ticks_per_second": rate}
    return scenario_from_files(path, Params.from_mapping(found, str(header_path(path))))


def _report(out: Path, header: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print_line(json.dumps({"trace": str(out), "header": header}))
        return 0
    print_line(
        f"{header['pipelines']} pipelines with {header['operators']} operators are in {out}, "
        f"source and assumptions are in {header_path(out)}"
    )
    for each in header.get("left_out", ()):
        jobs, tasks = each["jobs"], each["tasks"]
        inside = f" with {tasks} tasks" if tasks != jobs else ""
        print_line(f"  left out: {jobs} jobs{inside}, {each['reason']}")
    for each in header.get("assumptions", ()):
        print_line(f"  assumed: {each}")
    return 0


def _print_checked(checked: Checked) -> None:
    size = f"{checked.pipelines} pipelines, {checked.operators} operators"
    if checked.kind == "suite" and checked.ok:
        size = f"{checked.scenarios} scenarios, {size}"
    if checked.ok:
        print_line(f"ok   {checked.file}: {size}")
    else:
        print_line(f"BAD  {checked.file}")
    for note in checked.notes:
        print_line(f"     {note}")
    for problem in checked.problems:
        say(f"assay: {problem}")
