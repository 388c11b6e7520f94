"""The model proposer and servers that refuse: keys, models, parameters, recorded replies."""

import pytest

from flows.errors import ConfigError
from flows.proposers.choices import model_settings
from flows.proposers.model import OpenAiProposer
from flows.settings.sections import ProposerConfig
from tests.support import model_server as server
from tests.support.asking import KEY, SOURCE, ask


def test_a_refused_parameter_is_renamed_or_dropped_and_remembered() -> None:
    strict = server.unless(
        lambda body: "max_tokens" not in body,
        server.unsupported("max_tokens", "max_completion_tokens"),
        server.unless(
            lambda body: "temperature" not in body,
            server.unsupported("temperature"),
            server.policy(SOURCE),
        ),
    )

    asked = ask(strict, times=2, temperature=0.7)

    assert asked.proposal is not None and asked.proposal.source == SOURCE
    assert asked.outcomes == ["bad_request", "bad_request", "ok", "ok"]
    assert asked.bodies[-1]["max_completion_tokens"] == 16_000
    assert asked.clock.waits == []


@pytest.mark.parametrize(
    "said",
    [
        b'{"detail": [{"loc": ["body", "reasoning_effort"], "msg": "Extra inputs"}]}',
        b'{"object": "error", "message": "unknown field reasoning_effort", "code": 400}',
        b'{"error": "json: unknown field \\"reasoning_effort\\""}',
        b"reasoning_effort is not supported",
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_complaints_are_understood_in_every_shape(status: int, said: bytes) -> None:
    strict = server.unless(
        lambda body: "reasoning_effort" not in body,
        server.raw(said, status=status),
        server.policy(SOURCE),
    )

    asked = ask(strict, reasoning_effort="high")

    assert asked.outcomes == ["bad_request", "ok"]


def test_a_complaint_that_teaches_nothing_loses_the_attempt_once_no_stream_is_asked_for() -> None:
    asked = ask(server.fails(400, "something is odd"))

    assert asked.outcomes == ["bad_request", "bad_request"]
    assert ["stream" in body for body in asked.bodies] == [True, False]
    assert "something is odd" in asked.lost


def test_a_recorded_reply_is_used_instead_of_a_new_call() -> None:
    first = ask(server.server_error(), server.policy(SOURCE))

    again = ask(server.prose(), recorded=first.calls)

    assert again.proposal == first.proposal
    assert again.server.requests == []


def test_after_recorded_failures_the_numbers_of_the_calls_go_on() -> None:
    first = ask(server.server_error(), tries=2)

    again = ask(server.policy(SOURCE), recorded=first.calls)

    assert [call.attempt for call in again.calls] == [2]


def test_the_key_is_in_no_row_no_error_and_no_repr() -> None:
    echo = server.fails(400, f"Incorrect API key provided: {KEY}")
    loud = server.says(f"your key is {KEY}\n```python\n{SOURCE}```")

    asked, answered = ask(echo), ask(loud)

    proposer = OpenAiProposer(ProposerConfig(kind="openai", model="any"), {"OPENAI_API_KEY": KEY})
    texts = [repr(asked.calls), repr(answered.calls), str(asked.error), repr(proposer)]
    assert all(KEY not in text for text in texts)
    assert asked.server.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_an_unusable_address_is_refused_by_name() -> None:
    for url in ("127.0.0.1:80/v1", "http://", "ftp://host/v1", "http://h:x/v1", "http://h:99999/v1",
                "http://[::1/v1", "https:///v1", "x"):  # fmt: skip
        config = ProposerConfig(kind="openai", model="m", base_url=url)
        assert model_settings(config)[0].address  # shown before the address is checked

        with pytest.raises(ConfigError, match=r"proposer\.base_url"):
            OpenAiProposer(config, {})


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    config = ProposerConfig(kind="openai", model="m", api_key_env="MY_KEY")

    with pytest.raises(ConfigError, match="MY_KEY") as refused:
        OpenAiProposer(config, {"MY_KEY": key})

    assert not key or key not in str(refused.value)
