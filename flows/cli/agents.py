"""``assay mcp``: a server through which other people's agents try policies here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.errors import keep_traceback, say
from flows.cli.machine import check_cell
from flows.cli.options import CELL, SLOTS, complete_domains, server_token
from flows.errors import UserError

if TYPE_CHECKING:
    from flows.agents.tools import Offer
    from simulator.domain import Domain

TOKEN = "ASSAY_MCP_TOKEN"


@click.command("mcp", short_help="Serve agents: they write policies, Assay tries them.")
@click.option("--http", is_flag=True, help="Serve over HTTP instead of standard input and output.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address, for --http."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8765,
    show_default=True,
    metavar="N",
    help="Port, for --http.",
)
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="NAME|FOLDER",
    shell_complete=complete_domains,
    help="What clients may try policies for; may be repeated.  [default: what comes with Assay]",
)
@click.option(
    "--suite",
    "suites",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A suite file beside those of the domain; may be repeated, with one --domain.",
)
@click.option("--validation", is_flag=True, help="Open validation scenarios and figures as well.")
@click.option(
    "--trials",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    metavar="N",
    help="Trials that all clients have together.",
)
@click.option(
    "--cell-seconds",
    type=click.FloatRange(1, 864_000),
    default=1800,
    show_default=True,
    metavar="S",
    help="Seconds in cells that all clients have together.",
)
@SLOTS
@CELL
def serve_agents(
    http: bool,
    host: str,
    port: int,
    domains: tuple[str, ...],
    suites: tuple[Path, ...],
    validation: bool,
    trials: int,
    cell_seconds: float,
    slots: int,
    cell: str,
) -> int:
    """Serve agents over the Model Context Protocol (MCP), until they go or Ctrl-C.

    They describe a domain, evaluate and compare policies in locked cells, and read the history,
    without its test figures. What they evaluate is recorded. Needs the extra: pip install
    'assay[mcp]'.

    Over HTTP only this machine is served. With another --host every request has to name a token:
    that of ASSAY_MCP_TOKEN, or else a new one, which is printed.

    \b
      assay mcp                                  for a client that starts it
      assay mcp --http --trials 200 --slots 2    for clients of this machine
    """
    token = server_token(TOKEN, host) if http else None
    offer = _offer(domains, suites, validation)
    from flows.agents.limits import SessionLimits
    from flows.agents.notebook import Notebook

    try:
        from flows.agents.protocol import Door
    except ModuleNotFoundError as error:
        raise UserError(
            f"the package {error.name} is not installed: type pip install 'assay[mcp]'"
        ) from None
    from flows.agents.tools import Tools
    from flows.clock import SystemClock
    from flows.history.held_back import OpenHistory
    from flows.home import home_folder, make_folder

    check_cell(cell)
    home = make_folder(home_folder())
    limits = SessionLimits(trials, cell_seconds, slots)
    with (
        OpenHistory(home, offer.splits) as history,
        Notebook(home, limits, SystemClock(), cell=cell, slots=slots) as notebook,
    ):
        door = Door(Tools(offer, notebook, history), keep_traceback)
        if not http:
            if sys.stdin.isatty():
                say("assay: this waits for a client on standard input; Ctrl-C ends it")
            door.serve_stdio()
            return 0
        door.serve_http(host.strip("[]"), port, token, _say_where)
    return 0


def _say_where(address: str) -> None:
    say(f"assay: serving agents on {address}; Ctrl-C ends it")


def _offer(domains: tuple[str, ...], suites: tuple[Path, ...], validation: bool) -> Offer:
    from flows.agents.tools import Offer
    from simulator.domain import DEFAULT, find_domain, shipped_domains
    from simulator.suites import load_suite

    chosen: list[Domain] = [find_domain(name) for name in domains]
    if not chosen:
        first = find_domain(DEFAULT)
        chosen = [first, *(each for each in shipped_domains() if each.name != first.name)]
    if suites and len(domains) != 1:
        raise UserError("--suite needs one --domain, for which its scenarios are: name it")
    for path in suites:
        load_suite(path, chosen[0])
    if len({each.name for each in chosen}) < len(chosen):
        raise UserError("--domain: two domains have the same name: leave one of them out")
    return Offer(
        domains={each.name: each for each in chosen},
        suites={path.stem: str(path.absolute()) for path in suites},
        splits=("train", "validation") if validation else ("train",),
    )
