"""Errors of servers and gateways: the key, the model, the account, and how long to wait."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from flows.proposers.refusals import read_error, requested_wait
from tests.support import model_server as server
from tests.support import server_shapes as shapes
from tests.support.asking import SOURCE, ask

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STATUSES = (200, 400, 401, 403, 404, 422, 429, 500, 503)

WRONG_KEY: list[Any] = [
    shapes.openai_error("Incorrect API key provided: sk-x.", code="invalid_api_key"),
    [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}],
    {"error": {"message": "No auth credentials found"}},
    {"error": {"message": "Authentication Error, Invalid proxy server token passed"}},
    {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}},
    {"detail": "Unauthorized"},
    "Invalid API Key",
]
UNKNOWN_MODEL: list[Any] = [
    shapes.vllm_error(404, "NotFoundError", "The model `any` does not exist."),
    shapes.vllm_old_error(404, "NotFoundError", "The model `any` does not exist."),
    shapes.ollama_error('model "any" not found, try pulling it first'),
    {"error": {"message": "The model `qwen2.5-coder:7b` does not exist or you lack access."}},
    {"error": {"message": "any is not a valid model ID, see the list of models"}},
    {"error": {"message": "Invalid model name passed in model=any. Call `/v1/models`"}},
    {"error": {"message": "Model Not Exist", "type": "invalid_request_error"}},
    {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource"}},
    {"error": {"code": "model_not_found", "message": "no available channel for model any"}},
    {"message": "models/any is not found for API version v1", "status": "NOT_FOUND"},
]
NO_CREDIT: list[Any] = [
    {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}},
    {"error": {"message": "quota", "type": "insufficient_quota", "code": None}},
    {"error": {"message": "Budget has been exceeded! Current cost: 1", "type": "budget_exceeded"}},
    {"error": {"message": "Insufficient Balance"}},
    {"error": {"message": "Your credit balance is too low to access the API"}},
    {"error": {"message": "Key limit exceeded (monthly limit)."}},
]


@pytest.mark.parametrize(
    ("bodies", "words"),
    [(WRONG_KEY, "check the API key"), (UNKNOWN_MODEL, "check the model's name"),
     (NO_CREDIT, "no credit or budget")],
    ids=["key", "model", "credit"],
)  # fmt: skip
def test_what_is_wrong_with_a_configuration_is_named_whatever_the_status(
    bodies: list[Any], words: str
) -> None:
    for body in bodies:
        for status in STATUSES:
            if isinstance(body, dict | list):
                found = read_error(status, body, {}, NOW)
                assert found.then == "stop" and words in found.advice, (status, body)
    asked = ask(server.raw(json.dumps(bodies[0]).encode(), status=500))
    assert words in asked.refused and len(asked.calls) == 1 and asked.clock.waits == []


def test_complaints_about_parameters_are_not_taken_for_a_wrong_model_or_key() -> None:
    complaints = [
        "Unsupported parameter: 'max_tokens' is not supported with this model.",
        "'temperature' does not support 0.7 with this model. Only the default is supported.",
        "max_tokens is too large: this model supports at most 4096 completion tokens",
        "Invalid value for 'max_tokens': expected at most 8192 tokens",
        "This model's maximum context length is 8192 tokens.",
        "The model `any` does not support system messages",
        "Unrecognized request argument supplied: reasoning_effort",
    ]
    for said in complaints:
        assert read_error(400, {"error": {"message": said}}, {}, NOW).then == "change", said


WAITS: list[tuple[dict[str, str], Any, float | None]] = [
    ({"retry-after": "7"}, {}, 7),
    ({"Retry-After-Ms": "1500"}, {}, 1.5),
    ({"retry-after": "Thu, 01 Jan 2026 00:00:30 GMT"}, {}, 30),
    ({"x-ratelimit-reset-requests": "20s", "x-ratelimit-reset-tokens": "6m0s"}, {}, 20),
    (
        {"x-ratelimit-reset-requests": "20s", "x-ratelimit-reset-tokens": "6m0s",
         "x-ratelimit-remaining-tokens": "0"}, {}, 360,
    ),
    ({"anthropic-ratelimit-requests-reset": "2026-01-01T00:00:12Z"}, {}, 12),
    ({"x-ratelimit-reset": "1767225645"}, {}, 45),
    ({"x-ratelimit-reset": "1767225645000"}, {}, 45),
    ({"x-ratelimit-reset": "9"}, {}, 9),
    ({}, [{"error": {"details": [{"@type": "RetryInfo", "retryDelay": "20.5s"}]}}], 20.5),
    ({}, {"error": {"details": [{"retryDelay": {"seconds": 3, "nanos": 500_000_000}}]}}, 3.5),
    ({}, {"error": {"message": "Rate limit reached. Please try again in 20s."}}, 20),
    ({}, {"error": {"message": "Please try again in 1m30.5s. Visit us"}}, 90.5),
    ({}, {"error": {"message": "Try again in 250ms"}}, 0.25),
    ({}, {"error": {"message": "Please retry in 41.9s."}}, 41.9),
    ({}, {"error": {"message": "Too many requests, retry after 2 minutes"}}, 120),
    ({}, {"error": {"message": "please wait 15 seconds"}}, 15),
    ({}, {"error": {"message": "slow down", "metadata": {"headers": {"Retry-After": "8"}}}}, 8),
    ({}, {"error": {"message": "slow down"}}, None),
    ({"retry-after": "soon"}, {}, None),
    ({"retry-after": "-5"}, {}, None),
    ({"retry-after": "nan"}, {}, None),
]  # fmt: skip


def test_the_wait_that_a_server_asks_for_is_read_wherever_it_says_so() -> None:
    for headers, body, seconds in WAITS:
        assert requested_wait(headers, body, NOW) == seconds, (headers, body)


def test_a_rate_limit_is_waited_for_without_an_end_of_tries() -> None:
    said = [{"error": {"code": 429, "message": "You exceeded your current quota, please check "
                       "your plan and billing details. Please retry in 20.5s.",
                       "status": "RESOURCE_EXHAUSTED"}}]  # fmt: skip
    limited = server.raw(json.dumps(said).encode(), status=429)

    asked = ask(*[limited] * 9, server.policy(SOURCE), tries=2)

    assert asked.proposal is not None and asked.proposal.source == SOURCE
    assert asked.clock.waits == [20.5] * 9
    assert "waiting 20 s for" in asked.notices[0]


def test_a_gateway_whose_deployments_rest_is_waited_for() -> None:
    said = {"message": "No deployments available for selected model, Try again in 5 seconds."}

    found = read_error(429, {"error": said}, {}, NOW)

    assert (found.outcome, found.then, found.wait_seconds) == ("rate_limited", "wait", 5)


def test_a_rate_limit_that_names_no_time_is_asked_again_ever_later() -> None:
    for limited in (server.fails(429, "slow down"), server.rate_limited(0)):
        asked = ask(*[limited] * 5, server.policy(SOURCE))

        assert asked.proposal is not None
        bounds = zip([0.5, 1, 2, 4, 8], asked.clock.waits, strict=True)
        assert all(low <= wait <= 2 * low for low, wait in bounds)


def test_a_wait_longer_than_the_search_has_time_for_loses_the_attempt_at_once() -> None:
    asked = ask(server.rate_limited(50), seconds_left=120)

    assert asked.clock.waits == [50, 50]
    assert "another wait of 50 s is longer than the search has time for: 20 s" in asked.lost


def test_without_a_budget_of_time_the_setting_bounds_the_wait_of_all_attempts_together() -> None:
    asked = ask(server.rate_limited(40), wait_seconds=100, times=5)

    assert asked.clock.waits == [40, 40]
    assert len(asked.calls) == 3  # the next attempts find the gate closed, and do not ask
    assert "proposer.wait_seconds allows" in asked.lost


def test_a_gate_is_closed_for_every_attempt_and_an_answer_forgets_the_wait() -> None:
    script = [server.rate_limited(40), server.policy(SOURCE)] * 4

    asked = ask(*script, wait_seconds=50, times=4)

    assert asked.error is None
    assert asked.outcomes == ["rate_limited", "ok"] * 4


def test_a_model_that_loads_is_waited_for_like_a_rate_limit() -> None:
    loading = shapes.llama_cpp_error(503, "unavailable_error", "Loading model")

    asked = ask(*[shapes.says_error(503, loading)] * 6, server.policy(SOURCE), tries=2)

    assert asked.outcomes == ["server_error"] * 6 + ["ok"]


def test_every_expression_over_what_a_server_says_takes_linear_time() -> None:
    from time import process_time

    units = ["retry ", "try again in ", "1m", "model ", "a" * 10, "no api ", "> ", "1,", "input ",
             "<title>", '{"error":', " ", "context length ", "budget ", "0"]  # fmt: skip
    for unit in units:
        seconds = []
        for length in (20_000, 160_000):
            text = unit * (length // len(unit))
            began = process_time()
            for _ in range(3):
                read_error(429, {"error": {"message": text}}, {"retry-after": text}, NOW)
                read_error(429, text, {}, NOW)
            seconds.append(process_time() - began)
        assert seconds[1] < 24 * max(seconds[0], 0.01), unit  # the square would be 64
