"""The commands about traces: what each takes; ``flows.cli.traces`` does the work."""

from typing import Any

import click

from flows.cli.commands.options import FILE, SPLITS

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
def traces_list(**options: Any) -> int:
    """List the suites and their scenarios.

    \b
      assay traces list
    """
    from flows.cli.traces import list_traces

    return list_traces(**options)


@traces.command("describe", short_help="Describe a workload and its load.")
@click.argument("name", metavar="SUITE|TRACE.csv")
@click.option("--scenario", metavar="NAME", help="One scenario of the suite, in full.")
@click.option("--split", type=SPLITS, help="Part of the suite.  [default: all of it]")
@click.option("--params", type=FILE, metavar="FILE", help="Cluster of a trace, TOML or JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_describe(**options: Any) -> int:
    """Describe a workload: arrivals, operators, critical paths, offered load.

    \b
      assay traces describe mixed --scenario mixed-wide-101
    """
    from flows.cli.traces import describe_traces

    return describe_traces(**options)


@traces.command("generate")
@click.option("--params", type=FILE, required=True, metavar="FILE", help="TOML or JSON.")
@click.option("--draws", type=click.Choice(["v1", "v2"]), help="Order of the random draws.")
@click.option("--out", type=FILE, required=True, metavar="CSV", help="The trace to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_generate(**options: Any) -> int:
    """Write a generated trace, and its header beside it.

    \b
      assay traces generate --params params.toml --out mine.csv
    """
    from flows.cli.traces import generate_trace

    return generate_trace(**options)


@traces.command("check", short_help="Check traces, headers and checksums.")
@click.argument("files", nargs=-1, metavar="[TRACE.csv|HEADER.toml|SUITE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_check(**options: Any) -> int:
    """Check traces, headers and checksums; everything shipped if none is named.

    \b
      assay traces check mine.csv
    """
    from flows.cli.traces import check_traces

    return check_traces(**options)


@traces.command("formats", short_help="List the formats that can be imported.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_formats(**options: Any) -> int:
    """List the formats that can be imported, with their files and assumed figures.

    \b
      assay traces formats --json
    """
    from flows.cli.traces import list_formats

    return list_formats(**options)


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
def traces_import(**options: Any) -> int:
    """Make a trace from FILEs of a public data set; its header records all assumptions.

    Files may be packed as .gz, .xz, .bz2, .zip or .tar, with one file in it.

    \b
      assay traces formats
      assay traces import azure-2021 invocations.txt.gz --out day.csv
      assay traces import alibaba-2018 batch_task.tar.gz --limit 500 --out a.csv
    """
    from flows.cli.traces import import_trace

    return import_trace(**options)


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
def traces_suite(**options: Any) -> int:
    """Make a suite of traces: each, or each of its windows, is a scenario with a split.

    Windows of a trace are written beside the suite. A scenario lasts as long as its window,
    or as the duration in --params.

    \b
      assay traces suite a.csv b.csv c.csv --params cluster.toml --out abc.toml
      assay traces suite log.csv --windows 12 --seed 1 --out log-suite.toml
      assay evaluate naive --suite log-suite.toml --split validation
    """
    from flows.cli.traces import write_suite

    return write_suite(**options)
