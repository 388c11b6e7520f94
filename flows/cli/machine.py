"""``assay doctor``, ``reap`` and ``completion``: the machine on which cells run."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

import flows
from flows.cli.errors import NO_SANDBOX, say
from flows.cli.options import CELLS, DOMAIN, FOLDER
from flows.cli.progress import working
from flows.cli.terminal import print_line, print_table
from flows.errors import UserError
from flows.untrusted import counted, for_terminal
from sandbox.provider import DOCKER

if TYPE_CHECKING:
    from simulator.domain import Domain

VARIABLE = "_ASSAY_COMPLETE"
CONTENTS = "README"
"""The page that lists the others."""


def pages_folder() -> Path:
    """Return where the pages of the documentation are: in the package, or the checkout."""
    packages = Path(flows.__file__).resolve().parent
    installed = packages / "_docs"
    return installed if installed.is_dir() else packages.parent / "docs"


def complete_pages(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a page."""
    names = sorted(path.stem for path in pages_folder().glob("*.md"))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command("doctor", short_help="Check that hostile policies are contained here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--cell",
    type=CELLS,
    default="docker",
    show_default=True,
    help="Kind of cell to check.",
)
@DOMAIN
@click.option(
    "--runtime", metavar="NAME", help="Container runtime to check.  [default: the engine's]"
)
def examine_machine(as_json: bool, cell: str, domain: Domain, runtime: str | None) -> int:
    """Check the engine, the image, and that hostile policies are contained.

    \b
      assay doctor
      assay doctor --cell process --json
    """
    from sandbox.doctor import examine

    if runtime is not None and cell != DOCKER:
        raise UserError(f"--runtime {runtime} is for --cell docker: leave one of them out")
    with working("examining the machine") as told:
        report = examine(cell=cell, runtime=runtime, domain=domain, told=told)
    if as_json:
        print_line(json.dumps(report.to_mapping()))
        return 0 if report.ok else NO_SANDBOX
    rows = [("ok" if check.ok else "FAILED", check.name, check.detail) for check in report.checks]
    print_table("the sandbox of this machine", ("", "check", "found"), rows)
    for check in report.checks:
        if not check.ok and check.remedy:
            print_line(f"{check.name}: {check.remedy}")
    print_line(
        "untrusted policies are contained here"
        if report.ok
        else "do not run untrusted policies here: see the failed checks above"
    )
    return 0 if report.ok else NO_SANDBOX


@click.command("reap")
@click.option("--all", "everything", is_flag=True, help="Also remove cells that are in use.")
def reap_cells(everything: bool) -> int:
    """Remove locked containers that a dead process left behind.

    \b
      assay reap
      assay reap --all
    """
    from sandbox.reaper import reap

    with working("looking for stray cells"):
        reaped = reap(everything=everything)
    for each in reaped.skipped:
        say(f"assay: {each}")
    print_line(f"removed {counted(len(reaped.removed), 'stray cell')}")
    return 0


@click.command("image", short_help="Build the image of the cells in which policies run.")
@click.option(
    "--base",
    metavar="IMAGE",
    help="Image with Python 3.11 to build on.  [default: python:3.11-slim-bookworm]",
)
@click.option(
    "--work",
    type=FOLDER,
    metavar="DIR",
    help="Where fetched libraries are kept.  [default: assay/image in the user's cache]",
)
@DOMAIN
def build_cells_image(base: str | None, work: Path | None, domain: Domain) -> int:
    """Build the image of the cells, unless this version has one on the engine already.

    The base is pulled where the engine lacks it, and numpy and msgspec are fetched with pip or uv;
    the build itself has no network. An interrupted build is begun again by the same command.

    \b
      assay image
      assay image --base assay-base:py311
      assay image --work libraries
    """
    from sandbox.image_build import OFFICIAL_BASE, BuildError, cache_folder, ensure_image

    try:
        with working("looking for the image") as told:
            tag, is_new = ensure_image(base or OFFICIAL_BASE, work or cache_folder(), domain, told)
    except BuildError as error:
        say(f"assay: {error}")
        return NO_SANDBOX
    print_line(f"image: {tag} is {'ready' if is_new else 'there'}")
    return 0


@click.command("docs", short_help="Print a page of the documentation.")
@click.argument("page", required=False, shell_complete=complete_pages)
def print_page(page: str | None) -> int:
    """Print the PAGE of the documentation that has this name; without one, the list of all pages.

    The pages are those of this version, in Markdown. On a terminal a pager shows them.

    \b
      assay docs
      assay docs security
      assay docs sql-cookbook | grep select
    """
    folder = pages_folder()
    names = sorted(path.stem for path in folder.glob("*.md"))
    name = (page or CONTENTS).removeprefix("docs/").removesuffix(".md")
    if name not in names:
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UserError(f"there is no page {name!r}: {hint}for the list type assay docs")
    click.echo_via_pager(for_terminal((folder / f"{name}.md").read_text(encoding="utf-8")))
    return 0


@click.command("completion", short_help="Print a completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def print_completion(context: click.Context, shell: str) -> int:
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


def check_cell(kind: str) -> None:
    """Refuse an embedded cell where the machine has none; warn of what every one of them lacks."""
    from sandbox.limits import Limits
    from sandbox.process_cells import ProcessCells

    if kind == DOCKER:
        return
    setting = ProcessCells(Limits()).open()
    lacking = "; ".join(setting.warnings)
    say(f"assay: WARNING: policies run without a container, as {setting.isolation}: {lacking}")
