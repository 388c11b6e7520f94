"""The commands about prompts: what each takes; ``flows.cli.prompts`` does the work."""

from typing import Any

import click

from flows.cli.commands.options import FILE, FOLDER


@click.group()
def prompts() -> None:
    """Read, copy and check the texts that a model is sent.

    \b
      assay prompts show
      assay prompts copy my-prompts
      assay prompts check my-prompts
      assay run --prompts my-prompts --proposer openai --model gpt-5-mini
    """


@prompts.command("copy", short_help="Copy the shipped templates into a folder.")
@click.argument("folder", type=FOLDER)
def prompts_copy(**options: Any) -> int:
    """Copy the shipped templates into FOLDER, to be changed and named with --prompts.

    \b
      assay prompts copy my-prompts
    """
    from flows.cli.prompts import copy_prompts

    return copy_prompts(**options)


@prompts.command("check", short_help="Try the templates of a folder.")
@click.argument("folder", type=FOLDER)
@click.option("--config", type=FILE, metavar="TOML", help="Configuration of the search.")
def prompts_check(**options: Any) -> int:
    """Try the templates in FOLDER on made-up pasts; say what is wrong and where.

    \b
      assay prompts check my-prompts
    """
    from flows.cli.prompts import check_folder

    return check_folder(**options)


@prompts.command("show")
@click.option("--config", type=FILE, metavar="TOML", help="Configuration of the search.")
@click.option("--suite", metavar="NAME|FILE", help="Suite of scenarios.  [default: smoke]")
@click.option("--prompts", "folder", type=FOLDER, metavar="DIR", help="Templates of your own.")
def prompts_show(**options: Any) -> int:
    """Print the first prompt of a search, before anything was tried.

    \b
      assay prompts show
    """
    from flows.cli.prompts import show_prompt

    return show_prompt(**options)


COMMANDS = (prompts,)
