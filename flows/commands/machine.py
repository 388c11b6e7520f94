"""The commands that look after the machine; ``flows.cli_machine`` does the work."""

from typing import Any

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(**options: Any) -> int:
    """Check the Docker engine, the image, and that a hostile policy is contained."""
    from flows.cli_machine import examine_machine

    return examine_machine(**options)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also cells whose owner is alive.")
def reap(**options: Any) -> int:
    """Remove locked containers that a dead process left behind."""
    from flows.cli_machine import reap_cells

    return reap_cells(**options)


COMMANDS = (doctor, reap)
