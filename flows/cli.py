"""The command line: what each command takes; the work is done by the ``flows.cli_*`` modules.

Their imports stay inside the commands, so that ``assay --help`` answers at once.
"""

import sys
from pathlib import Path
from typing import Any

import click

from flows.version import assay_version

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
SPLITS = click.Choice(["train", "validation", "test"])
CALLS = click.Choice(["every_tick", "on_change"])
CELLS = click.Choice(["docker", "process"])
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code, as ``flows.cli_errors`` lists them."""
    from flows.cli_errors import bear_any_terminal, leave_with

    bear_any_terminal()
    output = sys.stdout
    try:
        code = assay.main(args=arguments, prog_name="assay", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(leave_with(KeyboardInterrupt()))
    except BaseException as error:
        unread = sys.stdout is not output  # click puts another there when nobody reads it
        sys.exit(leave_with(BrokenPipeError() if unread else error))
    sys.exit(code if isinstance(code, int) else 0)


@click.group(context_settings=HELP)
@click.version_option(assay_version(), prog_name="assay")
def assay() -> None:
    """Search for scheduling policies and trust the result.

    \b
    Policies are tried in locked containers, scored on scenarios and kept in a history:
      assay demo                        a short search, from nothing to a report
      assay evaluate my_policy.py       try one policy
      assay run --candidates 100        search
      assay sql "from leaderboard"      ask the history

    Results go to the folder that ASSAY_HOME names, .assay in the current folder if unset.
    """


@assay.command()
@click.argument("policy")
@click.option("--suite", metavar="NAME|FILE", help="Suite of scenarios.  [default: smoke]")
@click.option("--trace", type=FILE, metavar="CSV", help="One trace file instead of a suite.")
@click.option("--params", type=FILE, metavar="FILE", help="Parameters for --trace, TOML or JSON.")
@click.option("--split", type=SPLITS, default="train", show_default=True, help="Part of the suite.")
@click.option("--policy-calls", type=CALLS, help="When the policy is called, if not as stated.")
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where policies run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(**options: Any) -> int:
    """Try one POLICY, a file or a library policy's name, in a locked container.

    The score is naive's weighted latency over the policy's own, as a geometric mean over the
    scenarios: 1.0 is naive, higher is better. Exit code 3 says that the policy failed.

    \b
      assay evaluate my_policy.py
      assay evaluate priority --suite paper --json
    """
    from flows.cli_evaluate import evaluate_policy

    return evaluate_policy(**options)


@assay.command()
@click.option("--config", type=FILE, metavar="TOML", help="Configuration; flags override it.")
@click.option("--name", help="Name of the experiment.  [default: search]")
@click.option("--suite", metavar="NAME|FILE", help="Suite of scenarios.  [default: smoke]")
@click.option("--candidates", type=int, metavar="N", help="Attempts to make.  [default: 24]")
@click.option("--minutes", type=float, help="Stop after this time.")
@click.option("--dollars", type=float, help="Stop before a model costs more.")
@click.option("--tokens", type=int, help="Stop before a model uses more.")
@click.option("--seed", type=int, help="Seed of every random choice.  [default: 0]")
@click.option("--slots", type=int, metavar="N", help="Candidates side by side.  [default: 1]")
@click.option("--proposer", metavar="KIND", help="offline (no key needed) or openai.")
@click.option("--base-url", metavar="URL", help="Any OpenAI-compatible server.")
@click.option("--model", help="Model to ask at that server.")
@click.option("--api", metavar="KIND", help="auto, chat or responses.")
@click.option("--api-key-env", metavar="NAME", help="Variable with the key.  [OPENAI_API_KEY]")
@click.option("--timeout", type=float, help="Seconds for one request to a model.  [120]")
@click.option("--direct", is_flag=True, help="The same loop without Prefect.")
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where policies run.")
@click.option("-v", "--verbose", is_flag=True, help="Show Prefect's log.")
@click.option("-q", "--quiet", is_flag=True, help="Show the end only.")
def run(**options: Any) -> int:
    """Search for a policy; the same command again continues an interrupted search.

    \b
      assay run --candidates 100 --slots 2
      assay run --proposer openai --model gpt-5-mini --dollars 2
      assay run --proposer openai --base-url http://127.0.0.1:8000/v1 --model local
    """
    from flows.cli_run import run_command

    return run_command(**options)


@assay.command()
@click.option("--fresh", is_flag=True, help="Leave an interrupted demo as it is; begin another.")
@click.option("--direct", is_flag=True, help="Without Prefect.")
@click.option("--cell", type=CELLS, default="docker", show_default=True, help="Where policies run.")
@click.option("-v", "--verbose", is_flag=True, help="Show Prefect's log.")
def demo(**options: Any) -> int:
    """Run a short search with the offline proposer, from nothing to a report.

    Each demo is a search of its own; one that was interrupted goes on.
    """
    from flows.demo import run_demo

    return run_demo(**options)


class _Statement(click.Command):
    """A command whose argument may begin with a comment in SQL, which looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f" {a}" if _begins_with_comment(a) else a for a in args])


def _begins_with_comment(argument: str) -> bool:
    return argument.startswith("-- ") or (argument.startswith("--") and "\n" in argument)


@assay.command(cls=_Statement)
@click.argument("statement")
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default="table",
    show_default=True,
)
@click.option("--out", type=FILE, metavar="FILE", help="Write there instead of to the terminal.")
def sql(**options: Any) -> int:
    """Ask the history a question in SQL; it can be read only.

    \b
      assay sql "from leaderboard limit 10"
      assay sql "select outcome, count(*) from evaluations group by all" --format json
    """
    from flows.cli_history import run_sql

    return run_sql(**options)


@assay.command()
@click.argument("experiment", required=False)
@click.option("--out", type=FILE, metavar="HTML", help="Where to write the page.")
def report(**options: Any) -> int:
    """Write one HTML page about an EXPERIMENT, its name or id; the newest if none is given."""
    from flows.cli_history import make_report

    return make_report(**options)


@assay.command()
@click.argument("folder", type=FOLDER)
def export(**options: Any) -> int:
    """Write the history's tables to FOLDER as Parquet files."""
    from flows.cli_history import export_history

    return export_history(**options)


@assay.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(**options: Any) -> int:
    """Check the Docker engine, the image, and that a hostile policy is contained."""
    from flows.cli_machine import examine_machine

    return examine_machine(**options)


@assay.command()
@click.option("--all", "everything", is_flag=True, help="Also cells whose owner is alive.")
def reap(**options: Any) -> int:
    """Remove locked containers that a dead process left behind."""
    from flows.cli_machine import reap_cells

    return reap_cells(**options)


@assay.group()
def traces() -> None:
    """Look at workloads, make them, and import them from public data.

    \b
      assay traces list
      assay traces describe mixed --split train
      assay traces import swf LOG.swf --duration 3600 --out traces/log.csv
    """


@traces.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_list(**options: Any) -> int:
    """List the suites and their scenarios."""
    from flows.cli_traces import list_traces

    return list_traces(**options)


@traces.command("describe")
@click.argument("name", metavar="SUITE|TRACE.csv")
@click.option("--scenario", metavar="NAME", help="One scenario of the suite, in full.")
@click.option("--split", type=SPLITS, help="Part of the suite.  [default: all of it]")
@click.option("--params", type=FILE, metavar="FILE", help="Cluster of a trace, TOML or JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_describe(**options: Any) -> int:
    """Tell what a workload asks for: arrivals, operators, critical paths, offered load."""
    from flows.cli_traces import describe_traces

    return describe_traces(**options)


@traces.command("generate")
@click.option("--params", type=FILE, required=True, metavar="FILE", help="TOML or JSON.")
@click.option("--draws", type=click.Choice(["v1", "v2"]), help="Order of the random draws.")
@click.option("--out", type=FILE, required=True, metavar="CSV", help="The trace to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_generate(**options: Any) -> int:
    """Write a generated trace with its header beside it."""
    from flows.cli_traces import generate_trace

    return generate_trace(**options)


@traces.command("check")
@click.argument("files", nargs=-1, metavar="[TRACE.csv|HEADER.toml|SUITE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_check(**options: Any) -> int:
    """Check traces, headers and checksums; everything shipped if none is named."""
    from flows.cli_traces import check_traces

    return check_traces(**options)


@traces.command("formats")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_formats(**options: Any) -> int:
    """List the formats that can be imported, with their files and assumed figures."""
    from flows.cli_traces import list_formats

    return list_formats(**options)


@traces.command("import")
@click.argument("format_name", metavar="FORMAT")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--out", type=FILE, required=True, metavar="CSV", help="The trace to write.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all draws.")
@click.option("--start", type=click.FloatRange(0), metavar="S", help="Second to begin at.")
@click.option("--duration", type=click.FloatRange(0, min_open=True), metavar="S", help="Seconds.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many pipelines.")
@click.option("--ticks-per-second", type=click.IntRange(1, 1_000_000), metavar="N", help="Clock.")
@click.option("--assume", multiple=True, metavar="KEY=VALUE", help="A figure the data lacks.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def traces_import(**options: Any) -> int:
    """Make a trace from FILEs of a public data set; the header tells every assumption.

    \b
      assay traces formats
      assay traces import azure-2021 invocations.txt --start 3600 --duration 600 --out day.csv
    """
    from flows.cli_traces import import_trace

    return import_trace(**options)


if __name__ == "__main__":
    main()
