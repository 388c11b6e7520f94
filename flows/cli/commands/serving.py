"""The command that keeps a single machine searching; ``flows.cli.serve`` does the work."""

from typing import Any

import click

from flows.cli.commands.options import FILE


@click.command(short_help="Search every night on this machine.")
@click.option("--config", type=FILE, metavar="TOML", help="What to search for each night.")
@click.option("--cron", metavar="TEXT", help="When, in UTC.  [default: 0 2 * * *]")
@click.option("--limit", type=click.IntRange(1), default=2, show_default=True, help="Runs at once.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=4200,
    show_default=True,
    help="Of Prefect's server, where none is running.",
)
def serve(**options: Any) -> int:
    """Search every night and keep order every hour, on this machine, until interrupted.

    Starts Prefect's server unless PREFECT_API_URL names one, and runs what is scheduled or asked
    for in its pages, without a work pool or a worker.

    \b
      assay serve
      assay serve --config search.toml --cron "30 1 * * 1-5"
    """
    from flows.cli.serve import serve_command

    return serve_command(**options)


COMMANDS = (serve,)
