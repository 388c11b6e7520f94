"""The commands that show what a search did; ``flows.cli.history`` does the work."""

from typing import Any

import click

from flows.cli.commands.completing import experiments
from flows.cli.commands.options import FILE


@click.command(short_help="Write one HTML page about an experiment.")
@click.argument("experiment", required=False, shell_complete=experiments)
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
    shell_complete=experiments,
    help="Where to look; places and best mean the newest if none is given.",
)
@click.option(
    "--only",
    type=click.Choice(["source", "diff", "figures", "prompt", "reply"]),
    help="This part and nothing else.",
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
    from flows.cli.show import show_candidate

    return show_candidate(**options)


COMMANDS = (report, show)
