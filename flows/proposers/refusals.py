"""Says what an error of a server means for the search, whatever status and shape it comes in."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

ERROR_CHARS = 500
"""Characters of a server's message that are read, shown and kept."""
MOST_FIELDS = 200
"""Fields that are looked at in the body of an error."""

FINAL = ("ok", "empty", "refused", "truncated")
"""Outcomes of a call in which the model answered: good or bad, the answer stands."""

ANSWERED = (*FINAL, "bad_reply", "filtered", "failed", "thinking")
"""Outcomes of a call that a server worked on, and may have charged for."""

Then = Literal["take", "again", "wait", "change", "chat", "lose", "stop"]
"""What follows an answer: it is taken; the request is repeated after a moment, or after a wait
that does not count as a try; it is changed, or sent to the other API; the attempt is lost; the
search ends, since this configuration will never be answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What an error means: ``outcome`` for the record, ``advice`` for the end of the message."""

    outcome: str
    then: Then
    advice: str = ""
    wait_seconds: float | None = None
    """What the server asks to wait, None when it names no time."""


def read_error(
    status: int, body: object, headers: Mapping[str, str], now: datetime, api: str = "chat"
) -> Refusal:
    """Return what an error means; its codes and words count before its status.

    Gateways put any status around the errors of the servers behind them, 200 included.
    """
    error = _error_of(body)
    said, codes = complaint(body).lower(), _codes(error)
    status = next((int(code) for code in sorted(codes) if _STATUS.fullmatch(code)), status)
    wait = requested_wait(headers, body, now)
    if codes & FILTER_CODES:
        return Refusal(outcome="filtered", then="lose", advice=FILTER_ADVICE)
    if codes & NO_CREDIT_CODES or (wait is None and (status == 402 or _NO_CREDIT.search(said))):
        advice = " (no credit or budget is left for this key: see the account at the provider)"
        return Refusal(outcome="no_credit", then="stop", advice=advice)
    if status == 413 or is_too_long(said):
        return Refusal(outcome="bad_request", then="change")
    if codes & WRONG_KEY_CODES or _WRONG_KEY.search(said):
        return Refusal(outcome="auth_error", then="stop", advice=KEY_ADVICE)
    cools_down = status == 429 and wait is not None  # a gateway whose deployments all rest
    if codes & NO_MODEL_CODES or (not cools_down and _NO_MODEL.search(said)):
        advice = " (check the model's name: --model or proposer.model)"
        return Refusal(outcome="bad_request", then="stop", advice=advice)
    return _by_status(status, said, codes, wait, api)


def _by_status(status: int, said: str, codes: set[str], wait: float | None, api: str) -> Refusal:
    """Return what a status means where neither codes nor words say more."""
    if status in (429, 529) or codes & RATE_CODES or (status == 403 and "rate limit" in said):
        return Refusal(outcome="rate_limited", then="wait", wait_seconds=wait)
    if status in (401, 403):
        return Refusal(outcome="auth_error", then="stop", advice=KEY_ADVICE)
    if status in (404, 405, 501) or _NO_ENDPOINT.search(said):
        if api == "responses":
            return Refusal(outcome="no_api", then="chat", advice=CHAT_ADVICE)
        then: Then = "stop" if status >= 300 else "lose"
        return Refusal(outcome="no_api", then=then, advice=ADDRESS_ADVICE)
    if status == 407:
        advice = " (the proxy asks for a user and a password: http://USER:PASSWORD@HOST:PORT)"
        return Refusal(outcome="connection_error", then="stop", advice=advice)
    if 300 <= status < 400:
        return Refusal(outcome="no_api", then="stop", advice=ADDRESS_ADVICE)
    if _LOADING.search(said):
        return Refusal(outcome="server_error", then="wait", wait_seconds=wait)
    if status in (408, 504, 524):
        return Refusal(outcome="timeout", then="again", wait_seconds=wait)
    if status in (409, 425):
        return Refusal(outcome="rate_limited", then="again", wait_seconds=wait)
    if status >= 500 or codes & SERVER_CODES or status < 300:
        return Refusal(outcome="server_error", then="again", wait_seconds=wait)
    return Refusal(outcome="bad_request", then="change")


KEY_ADVICE = " (check the API key, the variable that holds it, and what it may be used for)"
ADDRESS_ADVICE = " (check --base-url, the address of the API: it usually ends in /v1)"
CHAT_ADVICE = ' (this server has no Responses API: use --api chat, or proposer.api = "chat")'
FILTER_ADVICE = (
    " (the server's content filter stopped it: change the filter at the provider, or the prompt "
    "templates with --prompts)"
)
FILTER_CODES = {
    *("content_filter", "content_policy_violation", "responsibleaipolicyviolation"),
    *("content_filtered", "data_inspection_failed", "moderation_blocked"),
}
NO_CREDIT_CODES = {
    *("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "no_credit"),
    *("exceeded_current_quota_error", "insufficient_balance", "budget_exceeded"),
    *("insufficient_credits", "credit_balance_too_low", "billing_error"),
}
WRONG_KEY_CODES = {
    *("invalid_api_key", "authentication_error", "unauthenticated", "invalid_authentication"),
    *("permission_denied", "permission_error", "auth_error", "missing_api_key"),
    *("invalid_authentication_error", "incorrect_api_key_error", "unauthorized"),
    "no_db_connection",  # what LiteLLM says of a key that it could only look up in a database
}
NO_MODEL_CODES = {
    *("model_not_found", "invalid_model", "unknown_model", "deploymentnotfound"),
    *("model_not_supported", "model_not_available", "modelnotfound", "invalid_model_name"),
}
RATE_CODES = {
    *("rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "too_many_requests"),
    *("rate_limited", "toomanyrequests", "overloaded_error", "throttlingexception"),
    *("rate_limit_reached_error", "engine_overloaded_error", "ratelimitreached", "throttling"),
}
SERVER_CODES = {"server_error", "internal_error", "internal_server_error", "unavailable"}

_STATUS = re.compile(r"[45]\d\d")
_NO_CREDIT = re.compile(
    r"insufficient (?:account )?(?:balance|credits?|funds|quota)|credit balance is too low"
    r"|budget has been exceeded|exceeded (?:your|the|its)? ?budget|budget (?:is )?exceeded"
    r"|(?:out of|not enough|no) credits?\b|plan and billing|billing (?:hard )?limit"
    r"|payment required|key limit exceeded|spend(?:ing)? limit"
)
_WRONG_KEY = re.compile(
    r"\b(?:invalid|incorrect|wrong|missing|expired|malformed|unknown|bad|no)"
    r" (?:[\w-]{1,20} ){0,3}(?:api[ _-]?key|credentials?|(?:auth|access|bearer|server) token)"
    r"|api[ _-]?key (?:is |was )?(?:not |in)(?:valid|found|correct|set|provided)"
    r"|api[ _-]?key (?:is |has )?(?:missing|expired|required|incorrect|wrong|disabled|revoked)"
    r"|authentication (?:error|failed|fails|required|is required)|\bunauthori[sz]ed\b"
    r"|no auth(?:entication)? credentials|user not found"
)
_NO_MODEL = re.compile(
    r"\bmodels?\b(?:[^.\n]|\.(?=\S)){0,120}?"
    r"(?:\bnot (?:be )?found|does(?: not|n't) exist|\bnot exist\b"
    r"|is not a valid model|is not available\b|no longer available|has been (?:removed|retired)"
    r"|identifier is invalid|is unknown|is not supported\b(?! with| on| in| by)|isn't supported\b)"
    r"|is not a valid model\b"
    r"|\b(?:unknown|invalid|no such|unrecognized|unrecognised|nonexistent) (?:llm )?model\b"
    r"(?! (?:parameter|output|response|state))"
    r"|(?:no|not any) (?:available )?(?:endpoints?|channels?|providers?|deployments?)"
    r"(?: found| available)? for (?:the )?(?:selected |requested )?model"
    r"|api deployment for this resource does not exist|unable to access model"
)
_NO_ENDPOINT = re.compile(
    r"unexpected endpoint|unknown (?:endpoint|path|route|url)|no such (?:endpoint|route)"
    r"|invalid url|cannot post|method not allowed|(?:endpoint|route|path|page) not found"
)
_LOADING = re.compile(
    r"model is (?:currently |still )?loading|loading (?:the )?model|is (?:still )?warming up"
    r"|currently loading|model is not (?:yet )?ready"
)
_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|window|size|limit)|maximum context|prompt is too long"
    r"|(?:input|prompt|request)[^.\n]{0,40} (?:is )?too (?:long|large)"
    r"|(?:input|prompt)[^.\n]{0,60}exceed|reduce the length|too many (?:input )?tokens"
    r"|`?inputs`? tokens \+|string too long|context_length_exceeded"
)


def is_too_long(said: str) -> bool:
    """Return whether a complaint says that the prompt, or it and the reply, do not fit."""
    return _TOO_LONG.search(said.lower()) is not None


def complaint(body: object) -> str:
    """Return the server's own words in the body of an error, on one line."""
    error = _error_of(body)
    text = error if isinstance(error, str) else _message(error)
    page = re.search(r"<title>([^<]{1,200})", text[:5000], re.IGNORECASE)
    if text.lstrip()[:1] == "<":
        text = f"a web page{f', {page.group(1).strip()!r}' if page else ''}"
    parameter = error.get("param") if isinstance(error, dict) else None
    if isinstance(parameter, str) and parameter and parameter not in text:
        text = f"{parameter}: {text}"
    return " ".join(text[: 20 * ERROR_CHARS].split())[:ERROR_CHARS] or "no explanation"


def _error_of(body: object) -> Any:
    """Return the error in a body: Gemini has it in a list, most have it in a field."""
    if isinstance(body, list) and body:
        body = body[0]
    for name in ("error", "errors"):
        inner = body.get(name) if isinstance(body, dict) else None
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, dict) or (isinstance(inner, str) and inner):
            return inner
    return body


def _codes(error: object) -> set[str]:
    """Return the codes of an error and of those inside of it, in lower case."""
    found = set()
    for name, value in _fields(error):
        if name in ("code", "type", "status", "reason") and isinstance(value, str | int):
            found.add(str(value).strip().lower())
    return found


def _fields(value: object) -> Iterator[tuple[str, object]]:
    """Yield the named values of a body, the outer ones first, and not too many of them."""
    waiting, seen = [("", value)], 0
    while waiting and seen < MOST_FIELDS:
        name, value = waiting.pop(0)
        seen += 1
        if isinstance(value, dict):
            waiting += [(str(key).lower(), inner) for key, inner in list(value.items())[:50]]
        elif isinstance(value, list):
            waiting += [(name, inner) for inner in value[:50]]
        yield name, value


def _message(body: object) -> str:
    fields = body if isinstance(body, dict) else {}
    for name in ("message", "error", "detail", "msg", "error_message"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict):
            return _message(value)
    return json.dumps(body, default=str) if body else ""


# How long a server asks to wait.

_WAIT_FIELDS = (
    *("retry-after-ms", "retry_after_ms", "retry-after", "retry_after", "retryafter"),
    *("retrydelay", "retry_delay", "retry_after_seconds", "ratelimit-reset", "reset_after"),
)
_RESETS = ("requests", "tokens", "input-tokens", "output-tokens")
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(
    r"(\d{1,9}(?:\.\d{1,9})?)\s?"
    r"(ms|milliseconds?|s\b|secs?\b|seconds?|m(?![a-z])|mins?\b|minutes?|h(?![a-z])|hours?"
    r"|d(?![a-z])|days?)"
)
_ASKED = re.compile(
    r"(?:try again|retry|retrying|wait|reset|resets|available)"
    r"(?: again)?(?: (?:in|after|for|at least|about|your request|a|another)){0,3}[ :]{1,3}"
    r"(?=\d)"
)


def requested_wait(headers: Mapping[str, str], body: object, now: datetime) -> float | None:
    """Return the seconds that a server asks to wait, in its headers, its fields or its words."""
    named: dict[str, object] = {name.lower(): value for name, value in headers.items()}
    for name, value in _fields(body):
        if isinstance(value, str | int | float | dict) and name:
            named.setdefault(name, value if isinstance(value, dict) else str(value))
    for name in _WAIT_FIELDS:
        seconds = _seconds(named.get(name), now)
        if seconds is not None:
            return seconds / 1000 if name.endswith("ms") else seconds
    return _until_reset(named, now) if _said(body) is None else _said(body)


def _said(body: object) -> float | None:
    """Return the wait that the words of an error name: try again in 1m30s."""
    text = complaint(body).lower()
    asked = _ASKED.search(text)
    return _duration(text[asked.end() : asked.end() + 60]) if asked is not None else None


def _until_reset(named: Mapping[str, Any], now: datetime) -> float | None:
    """Return when the exhausted limit resets; the earliest reset if the limit is unknown."""
    resets: dict[str, float] = {}
    used_up = []
    for kind in ("", *(f"-{each}" for each in _RESETS)):
        for prefix in ("x-ratelimit-", "anthropic-ratelimit-"):
            for form in (f"{prefix}reset{kind}", f"{prefix}{kind[1:]}-reset"):
                seconds = _seconds(named.get(form), now)
                if seconds is not None:
                    resets[form] = seconds
                    left = form.replace("reset", "remaining")
                    used_up += [form] if str(named.get(left, "")).strip() == "0" else []
    if used_up:
        return max(resets[form] for form in used_up)
    return min(resets.values(), default=None)


def _seconds(value: object, now: datetime) -> float | None:
    """Return the seconds that a field stands for: a number, a duration, a date or a moment."""
    if isinstance(value, dict):  # Google's duration, spelled out
        whole, nanos = _number(value.get("seconds", 0)), _number(value.get("nanos", 0))
        return None if whole is None or nanos is None else whole + nanos / 1e9
    if value is None:
        return None
    text = str(value)[:100].strip()
    number = _number(text)
    if number is not None:
        if number > 1e11:  # a moment in milliseconds
            number /= 1000
        return max(0.0, number - now.timestamp()) if number > 1e9 else number
    duration = _duration(text.lower())
    return _until(text, now) if duration is None else duration


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _duration(text: str) -> float | None:
    """Return the duration that a text begins with: 20.5s, 1m30s, 2 minutes, 250 ms."""
    total, place, parts = 0.0, 0, 0
    while parts < 4 and (found := _PART.match(text, place)) is not None:
        unit = "ms" if found.group(2).startswith(("ms", "mil")) else found.group(2)[0]
        total += float(found.group(1)) * _UNIT[unit]
        place, parts = found.end(), parts + 1
        while text[place : place + 1] in (" ", ","):
            place += 1
    return total if parts else None


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
