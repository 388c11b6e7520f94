"""A real gateway, LiteLLM's proxy, between the client and models that it makes up."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from typing import IO

import pytest

from flows.attempt import ProposerRefused, ProposerUnavailable
from flows.history.records import LlmCallRow
from flows.proposers.model import OpenAiProposer
from flows.settings.sections import ProposerConfig
from tests.support.asking import SOURCE, StillClock, request
from tests.support.peer_frameworks import python_with

LITELLM = "litellm[proxy]==1.108.7"
START_SECONDS = 600
KEY = "sk-litellm-0123456789"
REPLY = f"Queries first.\n\n```python\n{SOURCE}```\n"
MODELS = {
    "good": {"mock_response": REPLY},
    "limited": {"mock_response": "litellm.RateLimitError"},
    "broken": {"mock_response": "litellm.InternalServerError"},
    "small": {"mock_response": "litellm.ContextWindowExceededError"},
    "away": {"api_base": "http://127.0.0.1:9/v1"},
}

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the proxy and return its address."""
    listed = [
        {"model_name": name, "litellm_params": {"model": "openai/any", "api_key": "x", **more}}
        for name, more in MODELS.items()
    ]
    settings = {"model_list": listed, "general_settings": {"master_key": KEY}}
    file = tmp_path_factory.mktemp("litellm") / "config.yaml"
    file.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = python_with(LITELLM, alone=True).with_name("litellm")
    running = subprocess.Popen(
        [program, "--config", file, "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    is_ready = threading.Event()
    reader = threading.Thread(target=_read, args=(running.stdout, is_ready))
    reader.start()
    try:
        assert is_ready.wait(START_SECONDS), "the proxy did not start"
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        running.terminate()
        running.wait()
        reader.join()


def _read(output: IO[str], is_ready: threading.Event) -> None:
    """Read all that the proxy prints, so that it never waits for a reader."""
    with output:
        for line in output:
            if "Uvicorn running" in line:
                is_ready.set()


def outcome(gateway: str, model: str, key: str = KEY, api: str = "chat") -> tuple[str, list[str]]:
    """Return the source that was found, or why there is none, and the outcomes of the calls."""
    calls: list[LlmCallRow] = []
    config = ProposerConfig.model_validate({
        "kind": "openai", "base_url": gateway, "model": model, "api": api,
        "tries": 2, "wait_seconds": 10, "timeout_seconds": 120,
    })  # fmt: skip
    try:
        said = OpenAiProposer(config, {"OPENAI_API_KEY": key}, StillClock()).propose(request(calls))
    except (ProposerRefused, ProposerUnavailable) as error:
        return f"{type(error).__name__}: {error}", [call.outcome for call in calls]
    return said.source or "", [call.outcome for call in calls]


def test_a_policy_comes_through_the_gateway_by_both_apis(gateway: str) -> None:
    assert outcome(gateway, "good") == (SOURCE, ["ok"])
    source, calls = outcome(gateway, "good", api="responses")
    assert source == SOURCE and calls[-1] == "ok"  # a made-up response cannot be streamed


def test_failures_behind_the_gateway_are_named_for_what_they_are(gateway: str) -> None:
    limited, calls = outcome(gateway, "limited")
    assert "ProposerUnavailable" in limited and "proposer.wait_seconds allows" in limited
    assert set(calls) == {"rate_limited"}
    for model in ("broken", "away"):
        said, calls = outcome(gateway, model)
        assert "no reply after 2 tries" in said and calls == ["server_error"] * 2
    assert "give the server a larger context" in outcome(gateway, "small")[0]


def test_a_wrong_key_and_an_unknown_model_are_named_though_both_have_a_status_of_400(
    gateway: str,
) -> None:
    unknown, calls = outcome(gateway, "nobody")
    assert "ProposerRefused" in unknown and "check the model's name" in unknown
    assert calls == ["bad_request"]
    wrong, calls = outcome(gateway, "good", key="sk-of-another-0123456789")
    assert "ProposerRefused" in wrong and "check the API key" in wrong
    assert calls == ["auth_error"]
