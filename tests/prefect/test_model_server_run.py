"""The whole command with a model, through Prefect, against a server that misbehaves."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.domains.pipelines.library import policy_source
from tests.acceptance.cells_left import finish, start
from tests.support import model_server as behaves
from tests.support.command import assay
from tests.support.model_server import ModelServer
from tests.support.prefect_machine import Machine
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.docker, pytest.mark.prefect, pytest.mark.timeout(900)]

KEY = "planted-key-41d0c2b7e95a"
SCRIPT = (
    behaves.policy(policy_source("shortest-first")),
    behaves.prose(),
    behaves.rate_limited(retry_after=1),
    behaves.policy(policy_source("priority")),
    behaves.server_error(),
    behaves.policy(policy_source("backfill")),
    behaves.hangs(),
    behaves.broken_json(),
    behaves.empty_choices(),
    behaves.policy(policy_source("drf")),
)
OUTCOMES = ["ok", "malformed", "ok", "ok", "ok"]
CALLS = [
    *("ok", "ok", "rate_limited", "ok", "server_error", "ok"),
    *("timeout", "bad_reply", "bad_reply", "ok"),
]


def test_a_misbehaving_server_is_survived_recorded_and_told_no_secret(
    server: Machine, tmp_path: Path
) -> None:
    settings, home = tmp_path / "search.toml", tmp_path / "home"
    suite = write_suite(tmp_path)
    best = 'baselines = ["right-size"]\n[guards]\naudit_scenarios = 0\n'
    settings.write_text(f'suite = "{suite}"\n{best}', "utf-8")  # so that few are tried again
    words = ("--proposer", "openai", "--model", "any", "--timeout", "5", "--candidates", "5")
    with ModelServer(*SCRIPT) as model, _watched_cells() as seen:
        process = start(
            *("run", "--config", settings, "--base-url", model.url, *words),
            home=home,
            OPENAI_API_KEY=KEY,
            PREFECT_API_URL=server.url,
        )
        done = finish(process, 600)

    assert (done.code, done.cells) == (0, ())
    assert "finished: all 5 candidates were tried" in done.stdout
    tried = _ask(home, "select outcome from candidates where iteration > 0 order by iteration")
    assert [row["outcome"] for row in tried] == OUTCOMES
    calls = _ask(home, "select outcome from llm_calls order by iteration, attempt")
    assert [row["outcome"] for row in calls] == CALLS
    assert len(model.requests) == len(SCRIPT)
    assert KEY not in done.stdout + done.stderr
    [run] = [run for run in server.runs() if str(suite) in str(run["parameters"])]
    assert run["state"]["name"] == "Finished"
    written = [*_files(home), *_files(Path(server.environment["PREFECT_HOME"]).parent)]
    assert not [path for path in written if KEY.encode() in path.read_bytes()]
    assert seen and KEY not in "".join(seen)


@contextmanager
def _watched_cells() -> Iterator[list[str]]:
    """Collect what the engine tells of all cells, again and again while the block runs."""
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            listed = _engine("ps", "--all", "--quiet", "--filter", "label=assay")
            if listed:
                seen.append(_engine("inspect", *listed.split()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _engine(*arguments: str) -> str:
    """Return what the engine's own client prints; a cell may be gone before it is looked at."""
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _ask(home: Path, statement: str) -> list[dict[str, Any]]:
    done = assay("sql", statement, "--format", "json", home=home)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows
