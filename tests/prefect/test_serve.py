"""``assay serve`` on a machine that has nothing: its own server, schedules, and no worker."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.command import assay
from tests.support.prefect_machine import (
    ROOT,
    Machine,
    awaited,
    end_group,
    free_port,
    is_healthy,
)

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]


def test_serve_runs_what_is_asked_for_on_a_server_of_its_own(tmp_path: Path) -> None:
    port, home = free_port(), tmp_path / "home"
    url = f"http://127.0.0.1:{port}/api"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "ASSAY_"))}
    log = tmp_path / "serve.log"
    with log.open("w") as output:
        serving = subprocess.Popen(
            [sys.executable, "-m", "flows.cli", "serve", "--port", str(port)],
            cwd=ROOT,
            env={**inherited, "ASSAY_HOME": str(home), "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    here = Machine(url=url, environment=inherited)
    try:
        awaited(lambda: is_healthy(url) or None, "its server", 280)
        awaited(lambda: names(here) == NAMES or None, "its deployments")
        kept = here.start_run("maintain/hourly", {})
        ended = here.ended(kept)
        nightly = here.deployment("search/nightly")
    finally:
        end_group(serving, signal.SIGINT)

    assert ended["type"] == "COMPLETED", ended
    assert [each["schedule"]["cron"] for each in nightly["schedules"]] == ["0 2 * * *"]
    assert serving.returncode in (0, 130), log.read_text()
    assert (home / "history.duckdb").is_file()
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{url}/health", timeout=5)


NAMES = [
    "compare-policies/leaderboard",
    "evaluate-policies/folder",
    "maintain/hourly",
    "search/nightly",
]


def names(here: Machine) -> list[str]:
    """Return the names of all deployments."""
    flows: dict[str, Any] = {
        each["id"]: each["name"] for each in here.ask("POST", "/flows/filter", {})["body"]
    }
    found = here.ask("POST", "/deployments/filter", {})["body"]
    return sorted(f"{flows[each['flow_id']]}/{each['name']}" for each in found)


@pytest.mark.parametrize("cron", ["at night", "0 25 * * *"])
def test_a_cron_text_that_means_nothing_is_refused(cron: str, tmp_path: Path) -> None:
    done = assay("serve", "--cron", cron, home=tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api")

    assert done.returncode == 2
    assert f"cron is {cron!r}, expected five fields" in done.stderr
