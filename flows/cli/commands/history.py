"""The commands about the history; ``flows.cli.history`` does the work."""

from typing import Any

import click

from flows.cli.commands.options import (
    FILE,
    FOLDER,
    complete_experiments,
)


class _Statement(click.Command):
    """A command whose argument may begin with a comment in SQL, which looks like an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f" {a}" if _begins_with_comment(a) else a for a in args])


def _begins_with_comment(argument: str) -> bool:
    return argument.startswith("-- ") or (argument.startswith("--") and "\n" in argument)


@click.command(cls=_Statement)
@click.argument("statement")
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "json", "csv", "parquet"]),
    default="table",
    show_default=True,
    help="Format of the answer.",
)
@click.option("--out", type=FILE, metavar="FILE", help="Write to this file instead.")
@click.option("--files", type=FOLDER, metavar="DIR", help="Let the query read the files in DIR.")
def sql(**options: Any) -> int:
    """Query the history in SQL, read-only.

    \b
      assay sql "from leaderboard limit 10"
      assay sql "select outcome, count(*) from evaluations group by 1"
      assay sql "from read_csv('data/mine.csv')" --files data
    """
    from flows.cli.history import run_sql

    return run_sql(**options)


@click.command()
@click.argument("folder", type=FOLDER)
def export(**options: Any) -> int:
    """Write the history's tables to FOLDER as Parquet files.

    \b
      assay export parquet-files
    """
    from flows.cli.history import export_history

    return export_history(**options)


@click.group(short_help="Check, rebuild or shrink the history's database.")
def db() -> None:
    """Check, rebuild or shrink the history's database; the journals are its source.

    \b
      assay db check        compare every row with the journals
      assay db rebuild      rebuild the database from the journals
      assay db vacuum       free unused space
    """


@db.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def db_check(**options: Any) -> int:
    """Compare every row with the journals.

    Damaged lines, lines of a newer assay and sources with a wrong sha256 are named too. Exit code 2
    means that a problem was found.

    \b
      assay db check
    """
    from flows.cli.history import check_database

    return check_database(**options)


@db.command("rebuild")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def db_rebuild(**options: Any) -> int:
    """Rebuild the database from the journals.

    The old one is kept as old-build.duckdb in the home folder.

    \b
      assay db rebuild
    """
    from flows.cli.history import rebuild_database

    return rebuild_database(**options)


@db.command("vacuum")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def db_vacuum(**options: Any) -> int:
    """Free unused space in the database.

    Files that killed processes and rebuilds left are removed; journals are never touched.

    \b
      assay db vacuum
    """
    from flows.cli.history import vacuum_database

    return vacuum_database(**options)


@click.command(short_help="Write one HTML page about an experiment.")
@click.argument("experiment", required=False, shell_complete=complete_experiments)
@click.option("--out", type=FILE, metavar="HTML", help="Where to write the page.")
def report(**options: Any) -> int:
    """Write one HTML page about an EXPERIMENT, its name or id; the newest if none is given.

    \b
      assay report
      assay report demo --out demo.html
    """
    from flows.cli.history import make_report

    return make_report(**options)


@click.command(short_help="Show an attempt: figures, source, diff, prompt, reply.")
@click.argument("candidate")
@click.option(
    "--experiment",
    metavar="NAME|ID",
    shell_complete=complete_experiments,
    help="Experiment to look in.  [default: the newest]",
)
@click.option(
    "--only",
    type=click.Choice(["source", "diff", "figures", "prompt", "reply"]),
    help="Show this part only.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(**options: Any) -> int:
    """Show an attempt: figures, source, diff to its parents, prompt and reply.

    CANDIDATE is the beginning of a sha256, a place such as 3/0, or the word best.

    \b
      assay show best
      assay show 12/0 --experiment night
      assay show 3fa9c1d2 --only source > mine.py
    """
    from flows.cli.history import show_candidate

    return show_candidate(**options)
