"""What the options of several commands take, and what a shell completes them with."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from flows.cli.errors import say
from flows.settings.sources import read_dotenv

if TYPE_CHECKING:
    from simulator.domain import Domain

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
PLACE = click.Path(path_type=Path)
SPLITS = click.Choice(["train", "validation", "test"])
CELLS = click.Choice(["docker", "process"])
SLOTS = click.option(
    "--slots",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Policies in parallel.",
)
CELL = click.option(
    "--cell", type=CELLS, default="docker", show_default=True, help="Where policies run."
)
"""The option of commands that have no configuration."""
CONFIGURED_CELL = click.option("--cell", type=CELLS, help="Where policies run.  [default: docker]")
"""The option of commands that have one: it overrides that of the configuration."""


def chosen_domain(_: click.Context, __: click.Parameter, value: str | None) -> Domain:
    """Return the domain that an option names, or else ``.env``, which cannot name a folder."""
    from simulator.domain import DEFAULT, find_domain

    if value is None:
        value = read_dotenv().get("ASSAY_DOMAIN")
        if value:
            from flows.settings.search import refuse_from_dotenv

            refuse_from_dotenv({"domain": value})
    return find_domain(value or DEFAULT)


def domain_words(domain: Domain) -> str:
    """Return the option that names a domain in a command that is suggested; none for the default.

    It begins with a space.
    """
    from simulator.domain import find_domain

    return "" if domain == find_domain() else f" --domain {quote(domain.setting)}"


def complete_domains(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a domain, or a folder."""
    from simulator.domain import domain_names

    return _or_files(domain_names(), incomplete)


DOMAIN = click.option(
    "--domain",
    metavar="NAME|FOLDER",
    envvar="ASSAY_DOMAIN",
    callback=chosen_domain,
    shell_complete=complete_domains,
    help="What is simulated: a domain's name or folder.",
)
"""The option of commands that have no configuration."""

CONFIGURED_DOMAIN = click.option(
    "--domain",
    metavar="NAME|FOLDER",
    shell_complete=complete_domains,
    help="What is simulated: a domain's name or folder.",
)
"""The option of commands that have one: it overrides that of the configuration."""


def complete_experiments(
    _: click.Context, __: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the id of an experiment in the home folder."""
    from flows.home import home_folder

    folder = home_folder() / "experiments"
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def complete_suites(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a suite of the domain, or a file."""
    from simulator.suites import suite_names

    return _or_files(suite_names(_domain_in(context)), incomplete)


SUITE = click.option(
    "--suite",
    metavar="NAME|FILE",
    shell_complete=complete_suites,
    help="Suite of scenarios.  [default: smoke, or the domain's own]",
)


def complete_policies(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a library policy, or a file."""
    return _or_files(_domain_in(context).policy_names(), incomplete)


def complete_library_policies(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a library policy."""
    names = _domain_in(context).policy_names()
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def server_token(variable: str, host: str) -> str | None:
    """Return the token that requests to a server have to name; None where none is needed.

    It is that of the environment variable. Without one, a server that other machines can reach gets
    a new one, which is printed.
    """
    from flows.serving import checked_token, stays_here

    given = os.environ.get(variable)
    if stays_here(host.strip("[]")):
        return given or None
    if given:
        return checked_token(given, variable)
    made = secrets.token_urlsafe(24)
    say(f"assay: {variable} is not set; the token for this time is {made}")
    return made


def _domain_in(context: click.Context) -> Domain:
    """Return the domain of the command that is being completed."""
    from simulator.domain import DEFAULT, Domain, find_domain

    named = context.params.get("domain")
    return named if isinstance(named, Domain) else find_domain(named or DEFAULT)


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
