"""``assay view``: the history in a browser."""

from __future__ import annotations

import os
import webbrowser

import click

from flows.cli.errors import keep_traceback, say
from flows.cli.options import server_token
from flows.home import home_folder

TOKEN = "ASSAY_VIEW_TOKEN"


@click.command("view", short_help="Look at the history in a browser, live.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="HOST", help="Address to listen on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8766,
    show_default=True,
    metavar="N",
    help="Port; 0 is any free one.",
)
@click.option("--open/--no-open", "opens", default=False, help="Open it in a browser.")
def view_history(host: str, port: int, opens: bool) -> int:
    """Show the history in a browser, until Ctrl-C; it changes nothing.

    Experiments with their state, live; each with its report; any two candidates side by side; the
    leaderboard of a suite; failures; spend; SQL.

    Only this machine is served. With another --host every request has to name a token: that of
    ASSAY_VIEW_TOKEN, or else a new one, which is printed.

    \b
      assay view
      assay view --port 9000 --open
      assay view --host 0.0.0.0
    """
    from flows.history.store import refreshed
    from flows.serving import address_of, listening, serve, stays_here
    from flows.view.app import MOST_CONNECTIONS, Door, Pages

    host = host.strip("[]")
    token = server_token(TOKEN, host)
    home = home_folder()
    with listening(host, port) as opened:
        say(f"assay: bringing the history of {home} up to date")
        for note in refreshed(home, 1.0):
            say(f"assay: {note}")
        address = address_of(opened)
        number = int(address.rpartition(":")[2])
        pages = Pages(home, keep_traceback)
        app = pages.app(Door(token=token, only_here=stays_here(host), port=number))
        made = token is not None and not os.environ.get(TOKEN)  # else it is a secret of somebody
        first = f"{address}/?token={token}" if made else f"{address}/"
        say(f"assay: the history of {home} is at {first}; Ctrl-C ends it")
        if opens:
            webbrowser.open(first)
        serve(
            app,
            opened,
            pages.changes.leave,
            log_level="critical",
            ws="none",
            limit_concurrency=MOST_CONNECTIONS,
            server_header=False,
        )
    return 0
