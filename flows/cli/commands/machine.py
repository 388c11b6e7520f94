"""The commands that look after the machine; ``flows.cli.machine`` does the work."""

from typing import Any

import click
from click.shell_completion import get_completion_class

from flows.cli.commands.options import CELLS

VARIABLE = "_ASSAY_COMPLETE"


@click.command(short_help="Check that hostile policies are contained here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--cell",
    type=CELLS,
    default="docker",
    show_default=True,
    help="Kind of cell to check.",
)
@click.option(
    "--runtime", metavar="NAME", help="Container runtime to check.  [default: the engine's]"
)
def doctor(**options: Any) -> int:
    """Check the engine, the image, and that hostile policies are contained.

    \b
      assay doctor
      assay doctor --cell process --json
    """
    from flows.cli.machine import examine_machine

    return examine_machine(**options)


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also remove cells that are in use.")
def reap(**options: Any) -> int:
    """Remove locked containers that a dead process left behind.

    \b
      assay reap
      assay reap --all
    """
    from flows.cli.machine import reap_cells

    return reap_cells(**options)


@click.command(short_help="Print a completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print a script with which a shell completes commands, options and names.

    \b
      eval "$(assay completion bash)"     once, or as a line of ~/.bashrc
      eval "$(assay completion zsh)"      once, or as a line of ~/.zshrc
      assay completion fish | source      once, or in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None, "click knows the three shells"
    click.echo(found(context.find_root().command, {}, "assay", VARIABLE).source())
    return 0
