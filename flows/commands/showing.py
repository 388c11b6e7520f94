"""The commands that show what a search did; ``flows.cli_history`` does the work."""

from typing import Any

import click

from flows.commands.options import FILE


@click.command()
@click.argument("experiment", required=False)
@click.option("--out", type=FILE, metavar="HTML", help="Where to write the page.")
def report(**options: Any) -> int:
    """Write one HTML page about an EXPERIMENT, its name or id; the newest if none is given."""
    from flows.cli_history import make_report

    return make_report(**options)


COMMANDS = (report,)
