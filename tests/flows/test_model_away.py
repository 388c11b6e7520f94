"""A search whose model server does not run: it says what to do, and did nothing of use."""

import json
from pathlib import Path

import pytest

from flows.history.records import LlmCallRow
from flows.search.budget import Spend, spent_with, summary_lines
from tests.support import model_server as server
from tests.support.in_process import Done, command
from tests.support.model_server import ModelServer
from tests.support.small_suite import write_suite


def run(folder: Path, capsys: pytest.CaptureFixture[str], url: str, *more: str) -> Done:
    settings = (
        'name = "away"\nbaselines = ["naive"]\n[guards]\ntest = false\n'
        '[proposer]\nkind = "openai"\nmodel = "any"\ntries = 1\n'
    )
    config = folder / "search.toml"
    config.write_text(f'suite = "{write_suite(folder)}"\n{settings}', encoding="utf-8")
    start = ("run", "--direct", "--cell", "process", "--config", str(config))
    return command(capsys, *start, "--candidates", "2", "--base-url", url, *more)


def test_a_server_that_does_not_run_is_named_and_the_same_command_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    with ModelServer(server.policy("pass\n")) as gone:
        pass

    done = run(tmp_path, capsys, gone.url)
    again = run(tmp_path, capsys, gone.url, "--json")

    address = gone.url.removeprefix("http://").removesuffix("/v1")
    said = " ".join(done.out.split())
    assert f"no connection to {address}: is a server running there? check --base-url" in said
    assert "0 proposals; nothing was paid 5 calls reached no server" in said
    assert "from 5 calls" not in said and "verdict" in said
    assert (done.code, again.code) == (1, 1)
    assert json.loads(again.out.splitlines()[-1])["spend"]["unreached_calls"] == 10


def test_calls_that_reached_no_server_are_not_among_those_that_proposals_came_from() -> None:
    call = LlmCallRow(
        experiment_id="e", iteration=1, slot=0, attempt=0, request_sha256="r", prompt_sha256="p",
        provider="s", model="m", api="chat", outcome="connection_error", error="the connection",
        reply=None, finish_reason=None, request_id=None, input_tokens=None, cached_tokens=None,
        output_tokens=None, reasoning_tokens=None, cost_usd=None, seconds=0.0,
        created_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    spend = spent_with(spent_with(Spend(candidates=3, calls=4), call), call)

    assert (spend.calls, spend.unreached_calls, spend.uncounted_calls) == (6, 2, 0)
    assert summary_lines(spend, 0) == [
        "3 proposals from 4 calls: 0 tokens in, 0 out, $0.0000",
        "2 calls reached no server",
    ]
