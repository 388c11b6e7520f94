"""The commands that look after the machine; ``flows.cli.machine`` does the work."""

from typing import Any

import click

from flows.cli.commands.options import CELLS


@click.command(short_help="Check that a hostile policy is contained here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--cell",
    type=CELLS,
    default="docker",
    show_default=True,
    help="What hostile policies are tried in.",
)
@click.option(
    "--runtime", metavar="NAME", help="A runtime of the engine other than its own choice."
)
def doctor(**options: Any) -> int:
    """Check the engine, the image, and that a hostile policy is contained.

    \b
      assay doctor
      assay doctor --cell process --json
    """
    from flows.cli.machine import examine_machine

    return examine_machine(**options)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also cells whose owner is alive.")
def reap(**options: Any) -> int:
    """Remove locked containers that a dead process left behind.

    \b
      assay reap
      assay reap --all
    """
    from flows.cli.machine import reap_cells

    return reap_cells(**options)


COMMANDS = (doctor, reap)
