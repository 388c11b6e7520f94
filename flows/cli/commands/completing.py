"""Completion in the shell: the command that installs it, and what options can be completed with."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

VARIABLE = "_ASSAY_COMPLETE"


@click.command(short_help="Print what lets a shell complete commands and names.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print a script that lets a shell complete commands, options and names.

    \b
      eval "$(assay completion bash)"     once, or as a line of ~/.bashrc
      eval "$(assay completion zsh)"      once, or as a line of ~/.zshrc
      assay completion fish | source      once, or in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None, "click knows the three shells"
    click.echo(found(context.find_root().command, {}, "assay", VARIABLE).source())
    return 0


def experiments(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the id of an experiment in the home folder."""
    from flows.home import home_folder

    folder = home_folder() / "experiments"
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def suites(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a shipped suite, or a file."""
    from simulator.suites import suite_names

    return _or_files(suite_names(), incomplete)


def policies(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a library policy, or a file."""
    from simulator.library import policy_names

    return _or_files(policy_names(), incomplete)


def library_policies(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a library policy."""
    from simulator.library import policy_names

    return [CompletionItem(name) for name in policy_names() if name.startswith(incomplete)]


def _or_files(names: list[str], incomplete: str) -> list[CompletionItem]:
    """Names and files: a shell completes either files by itself or what is listed, so list both."""
    folder, _, start = incomplete.rpartition("/")
    known = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    place = Path(folder or ("/" if incomplete.startswith("/") else "."))
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return known
    files = [
        CompletionItem(f"{incomplete[: len(incomplete) - len(start)]}{entry.name}")
        for entry in entries
        if entry.name.startswith(start)
        and not entry.name.startswith(".")
        and (entry.is_dir() or entry.suffix in (".py", ".toml", ".csv"))
    ]
    return [*known, *files]


COMMANDS = (completion,)
