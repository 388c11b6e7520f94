"""``assay serve`` on a machine that has nothing: its own server, schedules, and no worker."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

from tests.docs.pages import DOCS, Block, blocks, follows, reader
from tests.support.command import assay
from tests.support.prefect_machine import (
    PAGE,
    Machine,
    awaited,
    end_group,
    free_port,
    give_database,
    is_healthy,
)

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(1200)]


@follows(PAGE, "sh", holding="assay serve")
def test_serve_runs_what_is_asked_for_on_a_server_of_its_own(tmp_path: Path) -> None:
    plain, with_options = (block for block in blocks(PAGE, "sh") if "assay serve" in block.text)
    [search] = blocks(DOCS / "running.md", "toml")
    (tmp_path / "search.toml").write_text(search.text, encoding="utf-8")
    (tmp_path / "prefect.toml").write_text('[api]\nurl = "http://127.0.0.1:9/api"\n')
    (tmp_path / ".env").write_text("PREFECT_API_URL=http://127.0.0.1:9/api\n")
    for name in ("flows", "prefect", "docker", "sitecustomize"):  # not ours, only named so
        (tmp_path / f"{name}.py").write_text("raise SystemExit('run from the current folder')\n")
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    here = Machine(url=url, environment={})
    give_database(tmp_path / ".assay")

    with serving(plain, f"--port {port}", tmp_path) as first:
        awaited(lambda: is_healthy(url) or None, "its server")
        awaited(lambda: names(here) == NAMES or None, "its deployments")
        kept = here.start_run("maintain/hourly", {})
        ended = here.ended(kept)
        assert crons(here) == ["0 2 * * *"]
        pages = build_opener(ProxyHandler({})).open(url.removesuffix("api") + "ui-settings")
        assert json.load(pages)["api_url"] == url, "its pages ask this server"
        with serving(with_options, "", tmp_path, PREFECT_API_URL=url) as second:
            awaited(lambda: crons(here) == ["30 1 * * 1-5"] or None, "its schedule")
            config = here.deployment("search/nightly")["parameters"]["config"]

    assert ended["type"] == "COMPLETED", ended
    assert (config["name"], config["budget"]["candidates"]) == ("first", 2)
    for process in (first, second):
        assert process.returncode in (0, 130), (tmp_path / "serve.log").read_text()
    assert (tmp_path / ".assay" / "history.duckdb").is_file()
    assert awaited(lambda: not is_healthy(url) or None, "the end of its server")


@contextmanager
def serving(
    shown: Block, options: str, folder: Path, **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Type a command that serves until Ctrl-C ends it, which is when the block is left."""
    with (folder / "serve.log").open("a") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {shown.take().strip()} {options}"],
            cwd=folder,
            env={**reader(folder), "HOME": str(folder), **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end_group(process, signal.SIGINT)


def crons(here: Machine) -> list[str]:
    """Return when the search of each night is due."""
    nightly = here.deployment("search/nightly")
    return [each["schedule"]["cron"] for each in nightly["schedules"]]


NAMES = [
    "compare-policies/leaderboard",
    "evaluate-policies/folder",
    "maintain/hourly",
    "search/nightly",
    "sweep/strategies",
]


def names(here: Machine) -> list[str]:
    """Return the names of all deployments; a flow is there before its deployment is."""
    found = here.ask("POST", "/deployments/filter", {})["body"]
    flows: dict[str, Any] = {
        each["id"]: each["name"] for each in here.ask("POST", "/flows/filter", {})["body"]
    }
    return sorted(f"{flows[each['flow_id']]}/{each['name']}" for each in found)


@pytest.mark.parametrize("cron", ["at night", "0 25 * * *"])
def test_a_cron_text_that_means_nothing_is_refused(cron: str, tmp_path: Path) -> None:
    done = assay("serve", "--cron", cron, home=tmp_path, PREFECT_API_URL="http://127.0.0.1:9/api")

    assert done.returncode == 2
    assert f"cron is {cron!r}, expected five fields" in done.stderr
