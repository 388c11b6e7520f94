"""The commands about the history: what each takes; ``flows.cli_history`` does the work."""

from typing import Any

import click

from flows.commands.options import FILE, FOLDER


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


@click.command()
@click.argument("folder", type=FOLDER)
def export(**options: Any) -> int:
    """Write the history's tables to FOLDER as Parquet files."""
    from flows.cli_history import export_history

    return export_history(**options)


COMMANDS = (sql, export)
