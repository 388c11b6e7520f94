"""Reads the bodies that OpenAI-compatible servers answer with, however they are shaped."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ERROR_CHARS = 500

FILTERS = ("content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation")
"""Codes of errors by which content filters answer: Azure, OpenAI, Azure inside of another."""

FINAL = ("ok", "bad_reply", "refused", "truncated")
"""Outcomes of a call that was answered: the answer stands, good or bad, and is not asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the server says it counted; None where it says nothing."""

    input: int | None = None
    cached: int | None = None
    output: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReply:
    """One answered request. ``outcome`` is ok, bad_reply, refused, truncated, rate_limited or
    server_error; ``problem`` says what is wrong when it is not ok."""

    outcome: str
    text: str | None = None
    problem: str | None = None
    finish_reason: str | None = None
    tokens: Tokens = Tokens()


def read_body(api: str, data: bytes) -> ModelReply:
    """Return the reply in a body that came with a status of 200."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return _bad(f"the server's reply is not JSON: {_head(data)}")
    if not isinstance(body, dict):
        return _bad(f"the server's reply is not a JSON object: {_head(data)}")
    error = body.get("error")
    if error and not body.get("choices") and not body.get("output"):
        return _error_in_body(error)
    return _read_chat(body) if api == "chat" else _read_responses(body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What an HTTP status means for the search; ``advice`` ends the message to the user."""

    outcome: str
    hopeless: bool = False
    advice: str = ""


def read_status(status: int, body: object) -> Refusal:
    """Return what a status other than 200 means."""
    code = _dict(body).get("code")
    if _is_filtered(body):
        return Refusal(outcome="refused", advice=" (the server's content filter)")
    if status in (401, 403):
        advice = " (check the API key and the variable that holds it)"
        return Refusal(outcome="auth_error", hopeless=True, advice=advice)
    if status == 404 or code in ("model_not_found", "invalid_model"):
        advice = " (check the model's name and the base URL, which usually ends in /v1)"
        return Refusal(outcome="bad_request", hopeless=True, advice=advice)
    if status == 402 or code == "insufficient_quota":
        return Refusal(outcome="rate_limited", hopeless=True, advice=" (the account has no credit)")
    if status in (408, 504):
        return Refusal(outcome="timeout")
    if status in (409, 425, 429):
        return Refusal(outcome="rate_limited")
    return Refusal(outcome="server_error" if status >= 500 else "bad_request")


def complaint(body: object) -> str:
    """Return the server's own words in the body of an error, on one line."""
    text = body if isinstance(body, str) else _message(body)
    parameter = _dict(body).get("param")
    if isinstance(parameter, str) and parameter and parameter not in text:
        text = f"{parameter}: {text}"
    return " ".join(text.split())[:ERROR_CHARS]


def _read_chat(body: Mapping[str, Any]) -> ModelReply:
    tokens = _chat_tokens(_dict(body.get("usage")))
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        return _bad("the server's reply has no choices", tokens=tokens)
    choice = _dict(choices[0])
    message = _dict(choice.get("message"))
    reason = _word(choice.get("finish_reason"))
    text = _text(message.get("content"), "text")
    return _judge(text, _text(message.get("refusal"), "refusal"), reason, tokens)


def _read_responses(body: Mapping[str, Any]) -> ModelReply:
    tokens = _responses_tokens(_dict(body.get("usage")))
    output = body.get("output")
    if not isinstance(output, list) or not output:
        return _bad("the server's reply has no output", tokens=tokens)
    parts = [
        part
        for item in output
        if _dict(item).get("type") == "message"
        for part in _list(_dict(item).get("content"))
    ]
    text = _text([part for part in parts if _dict(part).get("type") == "output_text"], "text")
    refusal = _text([part for part in parts if _dict(part).get("type") == "refusal"], "refusal")
    reason = _word(_dict(body.get("incomplete_details")).get("reason"))
    return _judge(text, refusal, reason or _word(body.get("status")), tokens)


def _judge(text: str, refusal: str, reason: str | None, tokens: Tokens) -> ModelReply:
    outcome, problem = "ok", None
    if refusal:
        outcome, problem = "refused", f"the model refused: {' '.join(refusal.split())[:300]}"
    elif reason == "content_filter":
        outcome, problem = "refused", "the reply was stopped by the server's content filter"
    elif reason in ("length", "max_output_tokens", "max_tokens"):
        outcome = "truncated"
        problem = "the reply was cut off at the limit of output tokens: write a shorter policy"
    elif not text.strip():
        outcome, problem = "bad_reply", f"the reply is empty (finish reason: {reason})"
    return ModelReply(
        outcome=outcome, text=text or refusal, problem=problem, finish_reason=reason, tokens=tokens
    )


def _is_filtered(error: object) -> bool:
    """Whether a server's content filter stopped the request, or the reply, with an error."""
    inner = _dict(_dict(error).get("innererror"))
    return any(_dict(each).get("code") in FILTERS for each in (error, inner))


def _error_in_body(error: object) -> ModelReply:
    code = _dict(error).get("code")
    outcome = "refused" if _is_filtered(error) else "bad_reply"
    if code == 429 or code == "rate_limit_exceeded":
        outcome = "rate_limited"
    elif (isinstance(code, int) and code >= 500) or code == "server_error":
        outcome = "server_error"
    return ModelReply(outcome=outcome, problem=f"the server reported an error: {complaint(error)}")


def _chat_tokens(usage: Mapping[str, Any]) -> Tokens:
    return Tokens(
        input=_count(usage.get("prompt_tokens")),
        cached=_count(_dict(usage.get("prompt_tokens_details")).get("cached_tokens")),
        output=_count(usage.get("completion_tokens")),
        reasoning=_count(_dict(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )


def _responses_tokens(usage: Mapping[str, Any]) -> Tokens:
    return Tokens(
        input=_count(usage.get("input_tokens")),
        cached=_count(_dict(usage.get("input_tokens_details")).get("cached_tokens")),
        output=_count(usage.get("output_tokens")),
        reasoning=_count(_dict(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )


def _bad(problem: str, tokens: Tokens = Tokens()) -> ModelReply:
    return ModelReply(outcome="bad_reply", problem=problem, tokens=tokens)


def _message(body: object) -> str:
    fields = _dict(body)
    for name in ("message", "error", "detail"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict):
            return _message(value)
    return json.dumps(body, default=str) if body else "no explanation"


def _text(content: object, field: str) -> str:
    """Return a text that may come whole or in parts."""
    if isinstance(content, str):
        return content
    parts = [part if isinstance(part, str) else _dict(part).get(field) for part in _list(content)]
    return "".join(part for part in parts if isinstance(part, str))


def _head(data: bytes) -> str:
    return repr(data[:120].decode("utf-8", "replace")) if data else "it is empty"


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**53 else None
