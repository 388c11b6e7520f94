"""``assay traces``: list, describe, generate, check and import workloads."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.errors import BAD_INPUT, say
from flows.cli.options import FILE, SPLITS
from flows.cli.terminal import print_line, print_table
from flows.errors import UserError

if TYPE_CHECKING:
    from flows.workloads.checks import Checked
    from simulator.domains.pipelines.scenario import Scenario

SEEDS = click.IntRange(0, 2**64 - 1)
PARTS = click.FloatRange(0, 1)
SHARES = click.FloatRange(0, 1, min_open=True)


@click.group(short_help="List, describe, make, check and import workloads.")
def traces() -> None:
    """List, describe, make and check workloads, and import them from public data.

    \b
      assay traces list
      assay traces describe mixed --split train
      assay traces import swf LOG.swf --duration 3600 --out traces/log.csv
    """


@traces.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_traces(as_json: bool) -> int:
    """List the suites and their scenarios.

    \b
      assay traces list
    """
    from flows.workloads.tables import SUITE_EXPENDABLE, SUITE_HEADERS, scenario_mapping, suite_rows
    from simulator.domains.pipelines.library import load_suite, suite_names

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


@traces.command("describe", short_help="Describe a workload and its load.")
@click.argument("name", metavar="SUITE|TRACE.csv")
@click.option("--scenario", metavar="NAME", help="One scenario of the suite, in full.")
@click.option("--split", type=SPLITS, help="Part of the suite.  [default: all of it]")
@click.option("--params", type=FILE, metavar="FILE", help="Cluster of a trace, TOML or JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def describe_traces(
    name: str, scenario: str | None, split: str | None, params: Path | None, as_json: bool
) -> int:
    """Describe a workload: arrivals, operators, critical paths, offered load.

    \b
      assay traces describe mixed --scenario mixed-wide-101
    """
    from flows.workloads.tables import (
        GLANCE_EXPENDABLE,
        GLANCE_HEADERS,
        description_mapping,
        description_text,
        glance_rows,
    )

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


@traces.command("generate")
@click.option("--params", type=FILE, required=True, metavar="FILE", help="TOML or JSON.")
@click.option("--draws", type=click.Choice(["v1", "v2"]), help="Order of the random draws.")
@click.option("--out", type=FILE, required=True, metavar="CSV", help="The trace to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def generate_trace(params: Path, draws: str | None, out: Path, as_json: bool) -> int:
    """Write a generated trace, and its header beside it.

    \b
      assay traces generate --params params.toml --out mine.csv
    """
    from flows.workloads.header import check_out, write_with_header
    from simulator.domains.pipelines.generate import generate_workload
    from simulator.domains.pipelines.params import load_params
    from simulator.domains.pipelines.suite_builder import LICENCE

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


@traces.command("check", short_help="Check traces, headers and checksums.")
@click.argument("files", nargs=-1, metavar="[TRACE.csv|HEADER.toml|SUITE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check_traces(files: Sequence[str], as_json: bool) -> int:
    """Check traces, headers and checksums; everything shipped if none is named.

    \b
      assay traces check mine.csv
    """
    from flows.workloads.checks import check_file, shipped_files

    checked = [check_file(name) for name in files or shipped_files()]
    if as_json:
        found = [{**asdict(each), "ok": each.ok} for each in checked]
        print_line(json.dumps({"files": found, "ok": all(each.ok for each in checked)}))
    else:
        for each in checked:
            _print_checked(each)
    return 0 if all(each.ok for each in checked) else BAD_INPUT


@traces.command("formats", short_help="List the formats that can be imported.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_formats(as_json: bool) -> int:
    """List the formats that can be imported, with their files and assumed figures.

    \b
      assay traces formats --json
    """
    from flows.workloads.imports import FORMATS, assumption_defaults

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


@traces.command("import", short_help="Make a trace from public data.")
@click.argument("format_name", metavar="FORMAT")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--out", type=FILE, required=True, metavar="CSV", help="The trace to write.")
@click.option("--seed", type=SEEDS, default=0, show_default=True, help="Seed of all random draws.")
@click.option(
    "--start", type=float, metavar="S", help="First second of the window.  [default: the first job]"
)
@click.option(
    "--duration",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="Length of the window in seconds.",
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N arrivals.")
@click.option(
    "--sample", type=SHARES, default=1.0, metavar="SHARE", help="Share of the jobs, drawn by seed."
)
@click.option(
    "--ticks-per-second",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Ticks per simulated second.",
)
@click.option("--assume", multiple=True, metavar="KEY=VALUE", help="Value that the data lacks.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
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
    """Make a trace from FILEs of a public data set; its header records all assumptions.

    Files may be packed as .gz, .xz, .bz2, .zip or .tar, with one file in it.

    \b
      assay traces formats
      assay traces import azure-2021 invocations.txt.gz --out day.csv
      assay traces import alibaba-2018 batch_task.tar.gz --limit 500 --out a.csv
    """
    from flows.workloads.header import check_out, write_with_header
    from flows.workloads.imports import Asked, find_format, run_import

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


@traces.command("suite", short_help="Make a suite of traces.")
@click.argument("traces", nargs=-1, required=True, type=FILE, metavar="TRACE.csv...")
@click.option("--out", type=FILE, required=True, metavar="TOML", help="The suite to write.")
@click.option("--params", type=FILE, metavar="FILE", help="Cluster of the suite, TOML or JSON.")
@click.option(
    "--windows",
    type=click.IntRange(1),
    default=1,
    metavar="N",
    help="Cut each trace into N windows.",
)
@click.option("--validation", type=PARTS, default=0.25, show_default=True, help="Share of it.")
@click.option("--test", type=PARTS, default=0.25, show_default=True, help="Share of it.")
@click.option("--seed", type=SEEDS, default=0, show_default=True, help="Seed of the splits.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
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
    """Make a suite of traces: each, or each of its windows, is a scenario with a split.

    Windows of a trace are written beside the suite. A scenario lasts as long as its window,
    or as the duration in --params.

    \b
      assay traces suite a.csv b.csv c.csv --params cluster.toml --out abc.toml
      assay traces suite log.csv --windows 12 --seed 1 --out log-suite.toml
      assay evaluate naive --suite log-suite.toml --split validation
    """
    from flows.workloads.suites import SuiteWishes, make_suite
    from flows.workloads.tables import SUITE_EXPENDABLE, SUITE_HEADERS, scenario_mapping, suite_rows

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


def _described(
    name: str, scenario: str | None, split: str | None, params: Path | None
) -> Sequence[Scenario]:
    from simulator.domains.pipelines.library import load_suite

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
    from flows.workloads.checks import DEFAULT_TICKS_PER_SECOND
    from flows.workloads.header import header_path, read_header
    from simulator.domains.pipelines.cell import scenario_from_files
    from simulator.domains.pipelines.params import Params, load_params
    from simulator.domains.pipelines.tracefile import read_trace

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
    from flows.workloads.header import header_path

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
