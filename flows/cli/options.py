"""What the options of several commands take, and what a shell completes them with."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
SPLITS = click.Choice(["train", "validation", "test"])
CALLS = click.Choice(["every_tick", "on_change"])
CELLS = click.Choice(["docker", "process"])
OBJECTIVES = click.Choice(["weighted_latency", "goodput", "legacy_throughput", "legacy_latency"])


def complete_experiments(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the id of an experiment in the home folder."""
    from flows.home import home_folder

    folder = home_folder() / "experiments"
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def complete_suites(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a shipped suite, or a file."""
    from simulator.domains.pipelines.library import suite_names

    return _or_files(suite_names(), incomplete)


def complete_policies(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a library policy, or a file."""
    from simulator.domains.pipelines.library import policy_names

    return _or_files(policy_names(), incomplete)


def complete_library_policies(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a library policy."""
    from simulator.domains.pipelines.library import policy_names

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
