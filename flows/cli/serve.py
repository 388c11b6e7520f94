"""``assay serve``: the shipped deployments on this machine alone, with their schedules."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.cli.terminal import print_line
from flows.errors import ConfigError
from flows.home import home_folder, make_folder
from flows.orchestration.deployments import CRON, not_cron, shipped
from flows.orchestration.server import running_server
from flows.orchestration.settings import (
    START_SECONDS,
    import_flows,
    prepare_prefect,
    runs_begin_elsewhere,
    uses_a_server,
)
from flows.settings.search import load_config

CRON_FIELDS = 5


def serve_command(config: Path | None, cron: str | None, limit: int, port: int) -> int:
    """Serve until interrupted; a search for each night may be named."""
    nightly = load_config(config, {}).model_dump(mode="json") if config is not None else None
    if len((cron or CRON).split()) != CRON_FIELDS:  # before a server is started in vain
        raise ConfigError(not_cron(cron or CRON))
    deployments = shipped(nightly, cron or CRON)
    home = make_folder(home_folder())
    prepare_prefect(home, os.environ, verbose=True)
    with _server(port), runs_begin_elsewhere(os.environ):
        os.environ["ASSAY_HOME"] = str(home)  # for the processes of the runs
        orchestrate = import_flows()
        url = orchestrate.server_url()
        for each in deployments:
            print_line(f"{each.flow}/{each.name:12} {each.when}")
        print_line(f"results: {home}   pages: {url.removesuffix('/api')}   Ctrl-C ends this")
        orchestrate.serve_deployments(deployments, limit)
    return 0


@contextmanager
def _server(port: int) -> Iterator[None]:
    """Use the server that the user has, else start one for as long as this lasts."""
    if uses_a_server(os.environ):
        yield
        return
    print_line(f"starting Prefect's server on port {port}, which takes 12-70 s")
    with running_server(os.environ, START_SECONDS, port) as url:
        os.environ["PREFECT_API_URL"] = url
        yield
