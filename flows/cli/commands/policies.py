"""The commands about policies: what each takes; ``flows.cli.*`` modules do the work."""

from pathlib import Path
from typing import Any

import click

from flows.cli.commands import completing
from flows.cli.commands.options import FOLDER


@click.command(short_help="Write a configuration and a policy to start from.")
@click.argument("folder", type=FOLDER, default=Path())
def init(**options: Any) -> int:
    """Write a commented configuration and a policy to start from into FOLDER, or here.

    Nothing is overwritten. Every key of the configuration is there with its default and meaning.

    \b
      assay init
      assay init night-search
    """
    from flows.cli.init import init_folder

    return init_folder(**options)


@click.group(short_help="List and show the library's policies; check your own.")
def policies() -> None:
    """Look at the policies of the library, and check one of your own without running it.

    \b
      assay policies list
      assay policies show right-size > mine.py
      assay policies check mine.py
    """


@policies.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def policies_list(**options: Any) -> int:
    """List the policies of the library, one line each.

    \b
      assay policies list
    """
    from flows.cli.policies import list_policies

    return list_policies(**options)


@policies.command("show")
@click.argument("name", shell_complete=completing.library_policies)
def policies_show(**options: Any) -> int:
    """Print the source of the library policy NAME.

    \b
      assay policies show right-size
    """
    from flows.cli.policies import show_policy

    return show_policy(**options)


@policies.command("check", short_help="Tell what the screen refuses in a file.")
@click.argument("policy", metavar="FILE", shell_complete=completing.policies)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def policies_check(**options: Any) -> int:
    """Tell what the screen refuses in FILE, with lines and columns; nothing is run.

    Exit code 3 says that it refuses something.

    \b
      assay policies check my_policy.py
    """
    from flows.cli.policies import check_policy

    return check_policy(**options)


COMMANDS = (init, policies)
