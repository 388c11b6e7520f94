"""A finished experiment runs again in embedded cells, with no server, no key and no network."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.domains.pipelines.library import policy_source
from tests.docs.pages import DOCS
from tests.support import model_server as behaves
from tests.support.command import assay
from tests.support.model_server import ModelServer
from tests.support.small_suite import write_suite

pytestmark = pytest.mark.slow

SCRIPT = (
    behaves.policy(policy_source("shortest-first")),
    behaves.prose(),
    behaves.policy(policy_source("priority")),
)
CLOSED = """
import socket, sys

def guard(event, arguments):
    if event == "socket.getaddrinfo":
        raise OSError(f"the network is closed: {arguments[0]}")
    if event == "socket.connect" and arguments[0].family != socket.AF_UNIX:
        raise OSError(f"the network is closed: {arguments[1]}")

sys.addaudithook(guard)
from flows.cli.main import main
main()
"""
"""The command line in a process that can reach a socket of this machine and nothing else."""


def run_closed(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "OPENAI_", "ASSAY_"))
    }
    return subprocess.run(
        [sys.executable, "-c", CLOSED, *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env={**inherited, "ASSAY_HOME": str(home)},
        check=False,
    )


def ask(home: Path, statement: str) -> list[dict[str, Any]]:
    done = assay("sql", statement, "--format", "json", home=home)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_a_finished_experiment_replays_to_the_same_leaderboard_with_the_network_closed(
    tmp_path: Path,
) -> None:
    home, suite = tmp_path / "home", str(write_suite(tmp_path))
    with ModelServer(*SCRIPT) as server:
        model = ("--proposer", "openai", "--model", "any", "--base-url", server.url)
        few = ("--suite", suite, "--candidates", "3", "--baseline", "naive", "--cell", "process")
        first = assay("run", "--direct", *few, *model, home=home)

    assert "\nassay run --replay search\n" in (DOCS / "models.md").read_text(encoding="utf-8")
    again = run_closed("run", "--replay", "search", "--direct", home=home)

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    rows = ask(
        home,
        "select e.name, c.iteration, c.slot, c.candidate, c.title, c.outcome, c.score, c.standing, "
        "c.origin from candidates c join experiments e using (experiment_id) "
        "order by e.name, c.iteration, c.slot",
    )
    recorded = [{**row, "name": ""} for row in rows if row["name"] == "search"]
    replayed = [{**row, "name": ""} for row in rows if row["name"] == "search replay"]
    assert len(recorded) == 4 and recorded == replayed
    calls = ask(home, "select replayed, sum(cost_usd) as cost from llm_calls group by 1 order by 1")
    assert calls == [{"replayed": False, "cost": None}, {"replayed": True, "cost": 0.0}]
