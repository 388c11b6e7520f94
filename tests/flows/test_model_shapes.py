"""The model proposer against servers as they are: their published answers, through the real SDK."""

import json
from typing import Any

import pytest

from flows.attempt import ProposerRefused, ProposerUnavailable
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


@pytest.mark.parametrize(("shape", "api"), SERVERS)
@pytest.mark.parametrize(
    ("text", "reason", "outcome", "words"),
    [
        ("```python\n@register_sch", "length", "truncated", "cut off at the limit"),
        ("", "length", "truncated", "cut off at the limit"),
        ("", "content_filter", "refused", "content filter"),
        ("", "stop", "bad_reply", "the reply is empty"),
        ("Serve short work first.", "stop", "ok", "the reply holds no code"),
    ],
)
def test_what_is_no_policy_is_told_in_the_feedback_and_not_asked_again(
    shape: shapes.Shape, api: str, text: str, reason: str, outcome: str, words: str
) -> None:
    asked = ask(shapes.answers(shape, text, reason), api=api)

    assert asked.outcomes == [outcome]
    assert asked.proposal is not None and asked.proposal.source is None
    assert words in (asked.proposal.problem or "")


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, shapes.AZURE_FILTER),
        (400, {"message": "Not allowed.", "code": "content_policy_violation"}),
        (400, {"message": "Bad.", "code": "x", "innererror": shapes.AZURE_FILTER["innererror"]}),
        (403, {"message": "Flagged.", "code": "content_filter"}),
        (200, {"message": "Stopped.", "code": "content_filter"}),
    ],
)
def test_a_content_filter_that_answers_with_an_error_is_a_refusal_and_no_loss(
    api: str, status: int, error: Json
) -> None:
    asked = ask(shapes.says_error(status, {"error": error}), api=api)

    assert asked.outcomes == ["refused"]
    assert asked.proposal is not None and asked.proposal.source is None
    assert error["message"] in (asked.proposal.problem or "")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, shapes.openai_error("Incorrect API key provided: sk-x.", code="invalid_api_key")),
        (401, {"error": "Unauthorized"}),
        (401, shapes.llama_cpp_error(401, "authentication_error", "Invalid API Key")),
        (404, shapes.vllm_error(404, "NotFoundError", "The model `any` does not exist.")),
        (404, shapes.vllm_old_error(404, "NotFoundError", "The model `any` does not exist.")),
        (404, shapes.ollama_error('model "any" not found, try pulling it first')),
    ],
)
def test_a_wrong_key_and_an_unknown_model_end_the_search(status: int, body: Json) -> None:
    asked = ask(shapes.says_error(status, body))

    assert isinstance(asked.error, ProposerRefused)
    assert "check the" in str(asked.error)
    assert len(asked.calls) == 1


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
    assert [name in body for body in asked.bodies] == [True, False, False]


def test_a_limit_of_another_name_is_sent_under_that_name() -> None:
    complaint = (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
        "'max_completion_tokens' instead."
    )

    asked = ask(_refusing("max_tokens", shapes.openai_error(complaint, param="max_tokens")))

    assert asked.bodies[1]["max_completion_tokens"] == 16_000


def test_a_context_that_is_too_small_for_the_reply_gets_a_shorter_one() -> None:
    message = (
        "This model's maximum context length is 8192 tokens. However, you requested 20000 tokens "
        "(4000 in the messages, 16000 in the completion). Please reduce the length of the messages "
        "or completion."
    )
    small = shapes.follows(
        lambda body: (
            shapes.says_error(400, shapes.vllm_error(400, "BadRequestError", message))
            if body["max_tokens"] > 4192
            else None
        ),
        shapes.answers(shapes.vllm, FENCED),
    )

    asked = ask(small)

    assert [body["max_tokens"] for body in asked.bodies] == [16_000, 8_000, 4_000]


def test_a_prompt_that_no_server_can_take_is_lost_with_advice() -> None:
    message = "the request exceeds the available context size, try increasing it"
    body = shapes.llama_cpp_error(
        400, "exceed_context_size_error", message, n_prompt_tokens=9000, n_ctx=4096
    )

    asked = ask(shapes.says_error(400, body))

    assert isinstance(asked.error, ProposerUnavailable)
    assert "lower feedback.prompt_tokens" in str(asked.error)


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
