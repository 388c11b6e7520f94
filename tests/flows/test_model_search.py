"""A whole search with a model, in embedded cells, against a server that misbehaves in every way."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.domains.pipelines.library import policy_source
from tests.support import model_server as behaves
from tests.support.command import assay
from tests.support.model_server import ModelServer
from tests.support.small_suite import write_suite

pytestmark = pytest.mark.slow

KEY = "planted-key-7f3a9c51e2d84b06"
SETTINGS = """
cell = "process"
baselines = ["naive"]
[proposer]
kind = "openai"
model = "any"
timeout_seconds = 3
tries = 2
wait_seconds = 2
"""
SCRIPT = (
    behaves.policy(policy_source("shortest-first")),
    behaves.prose(),
    behaves.rate_limited(retry_after=1),
    behaves.policy("import os\n" + policy_source("naive")),
    behaves.server_error(),
    behaves.policy(policy_source("naive")),
    behaves.hangs(),
    behaves.broken_json(),
    behaves.empty_choices(),
    behaves.policy(policy_source("priority")),
)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A configuration file for searches with the model server."""
    path = tmp_path / "search.toml"
    path.write_text(f'suite = "{write_suite(tmp_path)}"\n{SETTINGS}', encoding="utf-8")
    return path


def search(settings: Path, server: ModelServer, home: Path, candidates: int) -> Any:
    return assay(
        *("run", "--direct", "--config", settings, "--base-url", server.url),
        *("--candidates", str(candidates)),
        home=home,
        OPENAI_API_KEY=KEY,
    )


def ask(home: Path, statement: str) -> list[dict[str, Any]]:
    done = assay("sql", statement, "--format", "json", home=home)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.mark.nightly
def test_whatever_the_server_does_is_recorded_and_the_search_ends_normally(
    tmp_path: Path, settings: Path
) -> None:
    home = tmp_path / "home"
    with ModelServer(*SCRIPT) as server:
        done = search(settings, server, home, 5)

    tried = ask(home, "select iteration, outcome from candidates where iteration > 0 order by 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["outcome"] for row in tried] == [*("ok", "malformed", "rejected", "ok", "ok")]
    calls = ask(home, "select outcome from llm_calls order by iteration, attempt")
    assert [row["outcome"] for row in calls] == [
        *("ok", "ok", "rate_limited", "ok", "server_error", "ok"),
        *("timeout", "bad_reply", "bad_reply", "ok"),
    ]
    assert len(ask(home, "from prompts")) == 5  # a lost attempt teaches nothing new


@pytest.mark.nightly
def test_the_key_is_nowhere_but_in_the_request(tmp_path: Path, settings: Path) -> None:
    home = tmp_path / "home"
    with ModelServer(behaves.policy(policy_source("priority"))) as server:
        done = search(settings, server, home, 1)

    [received] = server.requests
    headers = {name.lower(): value for name, value in received.headers.items()}
    assert headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in done.stdout + done.stderr
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_a_recorded_reply_is_not_paid_for_twice(tmp_path: Path, settings: Path) -> None:
    home = tmp_path / "home"
    with ModelServer(behaves.policy(policy_source("priority"))) as server:
        search(settings, server, home, 1)
        _forget_the_candidate(home)
        done = search(settings, server, home, 1)

    assert (done.returncode, len(server.requests)) == (0, 1)
    assert ask(home, "select outcome from candidates where iteration = 1") == [{"outcome": "ok"}]


def test_a_wrong_key_ends_the_search_with_its_message(tmp_path: Path, settings: Path) -> None:
    home = tmp_path / "home"
    with ModelServer(behaves.fails(401, f"Incorrect API key provided: {KEY}")) as server:
        done = search(settings, server, home, 3)

    assert done.returncode == 2
    assert KEY not in done.stderr
    assert "401" in done.stderr or "key" in done.stderr
    [experiment] = ask(home, "from experiments")
    assert experiment["status"] == "failed"


def test_a_server_that_is_not_there_costs_five_attempts(tmp_path: Path, settings: Path) -> None:
    home = tmp_path / "home"
    with ModelServer(behaves.prose()) as server:
        pass

    done = search(settings, server, home, 9)

    assert done.returncode == 1
    assert "0 proposals; nothing was paid" in done.stdout
    assert "finished with losses: 5 attempts in a row were lost" in done.stdout
    assert len(ask(home, "from events where kind = 'attempt_lost'")) == 5


def test_a_search_that_rate_limits_end_early_exits_1(tmp_path: Path, settings: Path) -> None:
    answers = [behaves.policy(policy_source("priority")), behaves.rate_limited(retry_after=0)]
    with ModelServer(*answers) as server:
        done = search(settings, server, tmp_path / "home", 9)

    assert done.returncode == 1
    assert "5 attempts in a row were lost" in done.stdout


def _forget_the_candidate(home: Path) -> None:
    """Leave what a kill between the reply and its trial would have left."""
    [journal] = (home / "journal").glob("*.jsonl")
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if json.loads(line)["kind"] == "llm_call")
    journal.write_text("".join(lines[: last + 1]), encoding="utf-8")
    for name in ("build.duckdb", "history.duckdb"):
        (home / name).unlink()
