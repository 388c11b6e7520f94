"""``assay traces``: list, describe, generate, check and import workloads."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from flows.cli.errors import BAD_INPUT, say
from flows.cli.options import DOMAIN, FILE, PLACE, SPLITS, domain_words
from flows.cli.progress import working
from flows.cli.terminal import print_line, print_table
from flows.errors import UserError

if TYPE_CHECKING:
    from simulator.domain import Domain, Scenario
    from simulator.domain_host import Checked, Glance, Traces, Written

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
@DOMAIN
def list_traces(as_json: bool, domain: Domain) -> int:
    """List the suites and their scenarios.

    \b
      assay traces list
    """
    from flows.workloads import list_scenarios, scenario_mapping
    from simulator.suites import load_suite, suite_names

    with working("reading the suites"):
        suites = [load_suite(name, domain) for name in suite_names(domain)]
    if as_json:
        mapping = [
            {
                "name": suite.name,
                "description": suite.description,
                "scenarios": [scenario_mapping(each, domain) for each in suite.scenarios],
            }
            for suite in suites
        ]
        print_line(json.dumps({"suites": mapping}))
        return 0
    for suite in suites:
        _print_glance(suite.name, list_scenarios(suite, domain))
    return 0


@traces.command("describe", short_help="Describe a workload and its load.")
@click.argument("name", metavar="SUITE|TRACE|SCENARIO")
@click.option("--scenario", metavar="NAME", help="One scenario of the suite, in full.")
@click.option("--split", type=SPLITS, help="Part of the suite.  [default: all of it]")
@click.option("--params", type=FILE, metavar="FILE", help="Parameters of a trace, TOML or JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DOMAIN
def describe_traces(
    name: str,
    scenario: str | None,
    split: str | None,
    params: Path | None,
    as_json: bool,
    domain: Domain,
) -> int:
    """Describe a SUITE, TRACE or SCENARIO: what arrives, and how much of what there is it asks for.

    \b
      assay traces describe mixed --scenario mixed-wide-101
    """
    from flows.workloads import describe, description_mapping, glance_at

    with working("reading the workload"):
        chosen = _described(name, scenario, split, params, domain)
    if as_json:
        described = [description_mapping(each, domain) for each in chosen]
        print_line(json.dumps({"scenarios": described}, allow_nan=False))
    elif len(chosen) == 1:
        print_line(describe(chosen[0], domain))
    else:
        _print_glance(name, glance_at(chosen, domain))
        words = f"{quote(name)}{domain_words(domain)} --scenario {chosen[0].name}"
        print_line(f"one scenario in full: assay traces describe {words}")
    return 0


@traces.command("generate")
@click.option(
    "--params", type=FILE, required=True, metavar="FILE", help="Parameters, TOML or JSON."
)
@click.option(
    "--draws", metavar="VERSION", help="Order of the random draws.  [default: that of --params]"
)
@click.option("--out", type=FILE, required=True, metavar="CSV", help="The trace to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DOMAIN
def generate_trace(
    params: Path, draws: str | None, out: Path, as_json: bool, domain: Domain
) -> int:
    """Write a generated trace, and its header beside it.

    \b
      assay traces generate --params params.toml --out mine.csv
    """
    from flows.toml_text import document

    with working("generating the trace"):
        written = _traces(domain).generate(params, out, draws, document)
    return _report(written, as_json)


@traces.command("check", short_help="Check traces, headers and checksums.")
@click.argument("files", nargs=-1, metavar="[TRACE|HEADER.toml|SUITE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DOMAIN
def check_traces(files: Sequence[str], as_json: bool, domain: Domain) -> int:
    """Check traces, headers and checksums; everything shipped if none is named.

    \b
      assay traces check mine.csv
    """
    with working("checking traces", [Path(each) for each in files]):
        checked = _traces(domain).check(files)
    if as_json:
        found = [{**asdict(each), "ok": each.ok} for each in checked]  # type: ignore[call-overload]
        print_line(json.dumps({"files": found, "ok": all(each.ok for each in checked)}))
    else:
        for each in checked:
            _print_checked(each)
    return 0 if all(each.ok for each in checked) else BAD_INPUT


@traces.command("formats", short_help="List the formats that can be imported.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DOMAIN
def list_formats(as_json: bool, domain: Domain) -> int:
    """List the formats that can be imported, with their files and assumed figures.

    \b
      assay traces formats --json
    """
    formats = _traces(domain).formats()
    if as_json:
        found = {
            name: {"files": each[0], "assume": dict(each[1])} for name, each in formats.items()
        }
        print_line(json.dumps({"formats": found}))
        return 0
    for name, (files, assumed) in formats.items():
        print_line(f"{name:13} {files}")
        for key, value in assumed.items():
            print_line(f"{'':13}   --assume {key}={value:g}")
    return 0


@traces.command("import", short_help="Make a trace from public data.")
@click.argument("format_name", metavar="FORMAT")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--out", type=PLACE, required=True, metavar="CSV|FOLDER", help="The trace to write.")
@click.option(
    "--seed", type=SEEDS, default=0, show_default=True, metavar="N", help="Seed of all draws."
)
@click.option(
    "--start", type=float, metavar="S", help="First second of the window.  [default: the first job]"
)
@click.option(
    "--duration",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="Length of the window in seconds.  [default: the format's own]",
)
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Only the first N arrivals.  [default: all]",
)
@click.option(
    "--sample",
    type=SHARES,
    default=1.0,
    show_default=True,
    metavar="SHARE",
    help="Share of the jobs, above 0 to 1, drawn by seed.",
)
@click.option(
    "--steps-per-second",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Steps per simulated second.  [default: the format's own]",
)
@click.option(
    "--assume",
    multiple=True,
    metavar="KEY=VALUE",
    help="Value that the data lacks, as assay traces formats lists them; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DOMAIN
def import_trace(
    format_name: str,
    files: Sequence[Path],
    out: Path,
    seed: int,
    start: float | None,
    duration: float | None,
    limit: int | None,
    sample: float,
    steps_per_second: int | None,
    assume: Sequence[str],
    as_json: bool,
    domain: Domain,
) -> int:
    """Make a trace from FILEs of a public data set in a FORMAT; its header records all assumptions.

    Files may be packed as .gz, .xz, .bz2, .zip or .tar, with one file in it.

    \b
      assay traces formats
      assay traces import azure-2021 invocations.txt.gz --out day.csv
      assay traces import alibaba-2018 batch_task.tar.gz --limit 500 --out a.csv
    """
    from flows.toml_text import document
    from simulator.domain_host import ImportWishes

    for option, seconds in (("--start", start), ("--duration", duration)):
        if seconds is not None and not math.isfinite(seconds):
            raise UserError(f"{option} is {seconds}, expected a number of seconds")
    wishes = ImportWishes(
        start_seconds=start,
        duration_seconds=duration,
        limit=limit,
        sample=sample,
        seed=seed,
        steps_per_second=steps_per_second,
        assume=tuple(assume),
    )
    with working(f"importing {format_name}", files):
        written = _traces(domain).import_files(format_name, files, out, wishes, document)
    return _report(written, as_json)


@traces.command("suite", short_help="Make a suite of traces.")
@click.argument("traces", nargs=-1, required=True, type=FILE, metavar="TRACE...")
@click.option("--out", type=FILE, required=True, metavar="TOML", help="The suite to write.")
@click.option("--params", type=FILE, metavar="FILE", help="Parameters of the suite, TOML or JSON.")
@click.option(
    "--windows",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Cut each trace into N windows.",
)
@click.option(
    "--validation",
    type=PARTS,
    default=0.25,
    show_default=True,
    metavar="SHARE",
    help="Share of the scenarios for validation.",
)
@click.option(
    "--test",
    type=PARTS,
    default=0.25,
    show_default=True,
    metavar="SHARE",
    help="Share of the scenarios for the final test.",
)
@click.option(
    "--seed", type=SEEDS, default=0, show_default=True, metavar="N", help="Seed of the splits."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@DOMAIN
def write_suite(
    traces: Sequence[Path],
    out: Path,
    params: Path | None,
    windows: int,
    validation: float,
    test: float,
    seed: int,
    as_json: bool,
    domain: Domain,
) -> int:
    """Make a suite of traces: each, or each of its windows, is a scenario with a split.

    Windows of a trace are written beside the suite. A scenario lasts as long as its window,
    or as the duration in --params.

    \b
      assay traces suite a.csv b.csv c.csv --params cluster.toml --out abc.toml
      assay traces suite log.csv --windows 12 --seed 1 --out log-suite.toml
      assay evaluate POLICY.py --suite log-suite.toml --split validation
    """
    from flows.toml_text import document
    from flows.workloads import list_scenarios, scenario_mapping
    from simulator.domain_host import SuiteWishes

    wishes = SuiteWishes(
        windows=windows, validation=validation, test=test, seed=seed, params=params
    )
    with working("making the suite", traces):
        made = _traces(domain).make_suite(traces, out, wishes, document)
    if as_json:
        scenarios = [scenario_mapping(each, domain) for each in made.suite.scenarios]
        found = {"suite": str(out), "scenarios": scenarios, "notes": made.notes}
        print_line(json.dumps(found))
        return 0
    _print_glance(str(out), list_scenarios(made.suite, domain))
    for note in made.notes:
        print_line(f"  {note}")
    print_line(f"to see its load: assay traces describe {out}")
    print_line(f"to try a policy on it: assay evaluate POLICY.py --suite {out}")
    return 0


def _described(
    name: str, scenario: str | None, split: str | None, params: Path | None, domain: Domain
) -> Sequence[Scenario]:
    from simulator.suites import is_suite_file, load_suite, suite_names

    path = Path(name)
    is_trace = path.is_dir() or path.suffix not in ("", ".toml")
    is_one = path.suffix == ".toml" and not path.is_dir() and not is_suite_file(path)
    if (is_trace or is_one) and name not in suite_names(domain):
        if scenario is not None or split is not None:
            raise UserError("--scenario and --split choose within a suite, not within a trace")
        if is_one and params is None:
            return [domain.cell.open_scenario(path)]
        return [_traces(domain).open_trace(path, params)]
    if params is not None:
        raise UserError("--params goes with a trace file: a suite sets its own parameters")
    suite = load_suite(name, domain)
    found = suite.scenarios if split is None else suite.split(split)
    if scenario is not None:
        found = tuple(each for each in found if each.name == scenario)
        if not found:
            names = ", ".join(each.name for each in suite.scenarios)
            raise UserError(f"{name} has no scenario {scenario!r}, expected one of {names}")
    if not found:
        raise UserError(f"{name} has no {split} scenarios: choose another --split")
    return found


def _traces(domain: Domain) -> Traces:
    """Return what the domain does with traces; refuse one that has none."""
    found: Traces | None = domain.hosted("traces")
    if found is None:
        raise UserError(
            f"domain {domain.name} has no traces in files of their own: write its scenarios in a "
            "suite file"
        )
    return found


def _print_glance(name: str, glance: Glance) -> None:
    print_table(f"{name}: {glance.title}", glance.headers, glance.rows, glance.expendable)


def _report(written: Written, as_json: bool) -> int:
    if as_json:
        print_line(json.dumps({"trace": str(written.trace), "header": written.header}))
        return 0
    for line in written.lines:
        print_line(line)
    return 0


def _print_checked(checked: Checked) -> None:
    if checked.ok:
        print_line(f"ok   {checked.file}: {checked.size}")
    else:
        print_line(f"BAD  {checked.file}")
    for note in checked.notes:
        print_line(f"     {note}")
    for problem in checked.problems:
        say(f"assay: {problem}")
