"""The model proposer against servers as they are: their published answers, through the real SDK."""

import json
from typing import Any

import pytest

from tests.support import model_server as server
from tests.support import server_shapes as shapes
from tests.support.asking import SOURCE, ask
from tests.support.model_server import Behaviour, Json

FENCED = f"Queries come first.\n\n```python\n{SOURCE}```\n\nThat is all."
SERVERS = [
    pytest.param(shapes.vllm, "chat", id="vllm"),
    pytest.param(shapes.ollama, "chat", id="ollama"),
    pytest.param(shapes.llama_cpp, "chat", id="llama.cpp"),
    pytest.param(shapes.openai_chat, "chat", id="openai-chat"),
    pytest.param(shapes.openai_responses, "responses", id="openai-responses"),
]


@pytest.mark.parametrize(("shape", "api"), SERVERS)
def test_a_policy_is_found_in_the_answer_of_every_server(shape: shapes.Shape, api: str) -> None:
    asked = ask(shapes.answers(shape, FENCED), api=api)

    assert asked.proposal is not None and asked.proposal.source == SOURCE
    assert (asked.calls[0].input_tokens, asked.calls[0].output_tokens) == (900, 100)


def test_a_server_that_still_loads_its_model_is_waited_for() -> None:
    loading = shapes.llama_cpp_error(503, "unavailable_error", "Loading model")

    asked = ask(shapes.says_error(503, loading), shapes.answers(shapes.llama_cpp, FENCED))

    assert asked.outcomes == ["server_error", "ok"]
    assert len(asked.clock.waits) == 1


@pytest.mark.parametrize(
    ("settings", "name", "complaint"),
    [
        (
            {"api": "responses", "temperature": 0.7},
            "temperature",
            "Unsupported parameter: 'temperature' is not supported with this model.",
        ),
        (
            {"temperature": 0.7},
            "temperature",
            "Unsupported value: 'temperature' does not support 0.7 with this model. Only the "
            "default (1) value is supported.",
        ),
        (
            {"api": "responses", "reasoning_effort": "high"},
            "reasoning",
            "Unsupported parameter: 'reasoning.effort' is not supported with this model.",
        ),
        (
            {"reasoning_effort": "high"},
            "reasoning_effort",
            "Unrecognized request argument supplied: reasoning_effort",
        ),
        (
            {"structured": True},
            "response_format",
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with "
            "this model.",
        ),
        (
            {"structured": True, "api": "responses"},
            "text",
            "Invalid parameter: 'text.format' of type 'json_schema' is not supported with this "
            "model.",
        ),
        ({"api": "responses"}, "store", "Unknown parameter: 'store'."),
    ],
)
def test_a_parameter_that_a_server_does_not_know_is_left_out_from_then_on(
    settings: dict[str, Any], name: str, complaint: str
) -> None:
    strict = _refusing(name, shapes.openai_error(complaint, param=name))

    asked = ask(strict, times=2, **settings)

    assert asked.outcomes == ["bad_request", "ok", "ok"]
    assert "stream" in asked.bodies[-1]
    assert [name in body for body in asked.bodies] == [True, False, False]


def test_a_limit_of_another_name_is_sent_under_that_name() -> None:
    complaint = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead."
    )

    asked = ask(_refusing("max_tokens", shapes.openai_error(complaint, param="max_tokens")))

    assert asked.bodies[1]["max_completion_tokens"] == 16_000


def test_a_model_without_a_system_role_gets_one_message() -> None:
    message = "System role not supported"
    picky = shapes.follows(
        lambda body: (
            shapes.says_error(400, shapes.vllm_error(400, "BadRequestError", message))
            if body["messages"][0]["role"] == "system"
            else None
        ),
        shapes.answers(shapes.vllm, FENCED),
    )

    asked = ask(picky)

    assert asked.bodies[-1]["messages"] == [{"role": "user", "content": "the job\n\nthe past"}]


def test_a_prompt_that_a_server_cut_without_a_word_is_noted() -> None:
    body = shapes.ollama(FENCED, "stop")
    body["usage"]["prompt_tokens"] = 30

    asked = ask(server.raw(json.dumps(body).encode()), prompt_chars=4000)

    assert asked.proposal is not None and asked.proposal.source == SOURCE
    assert "it seems to have cut it" in (asked.calls[0].error or "")


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    "reply",
    [
        json.dumps({"idea": "queries first", "policy": SOURCE}),
        json.dumps({"idea": "queries first", "policy": f"```python\n{SOURCE}```"}),
        f"```json\n{json.dumps({'idea': 'x', 'policy': SOURCE})}\n```",
        FENCED,
    ],
)
def test_a_structured_answer_is_read_and_a_fenced_one_still_does(api: str, reply: str) -> None:
    asked = ask(server.says(reply), api=api, structured=True)

    assert asked.proposal is not None and asked.proposal.source == SOURCE
    body = asked.bodies[0]
    form = body["text"]["format"] if api == "responses" else body["response_format"]["json_schema"]
    assert form["schema"]["required"] == ["idea", "policy"]


def test_an_answer_without_usage_has_no_price_and_no_tokens() -> None:
    body = shapes.vllm(FENCED, "stop")
    del body["usage"]

    asked = ask(server.raw(json.dumps(body).encode()))

    call = asked.calls[0]
    assert (call.outcome, call.input_tokens, call.output_tokens) == ("ok", None, None)


def _refusing(name: str, complaint: Json) -> Behaviour:
    """Refuse requests with this parameter, answer the others."""
    return server.unless(
        lambda body: name not in body,
        shapes.says_error(400, complaint),
        server.says(FENCED),
    )
