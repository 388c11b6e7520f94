"""Writes the requests to OpenAI-compatible servers and learns which parameters a server refuses."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from flows.attempt import Prompt
from flows.proposers.choices import Api, ModelSettings, is_openai

SMALLEST_REPLY_TOKENS = 1024
"""A server that does not even allow this much for a reply cannot answer with a policy."""

MOST_CHARS_PER_TOKEN = 10
"""No tokenizer fits more characters of English and Python into a token, on average."""

Body = dict[str, Any]

_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_OPTIONAL = (
    *("temperature", "reasoning_effort", "reasoning", "response_format", "text"),
    *(*_LIMITS, "store"),
)
_ALSO_CALLED = {
    "response_format": ("response_format", "json_schema", "structured output", "guided_json"),
    "text": ("text.format", "response_format", "json_schema", "structured output"),
}
"""What complaints call a parameter; all others are called by their name."""

_TOO_LARGE = re.compile(
    r"too (large|long|high|many)|at most|context.{0,20}(length|window|size)|exceed|less than",
    re.IGNORECASE,
)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "idea": {"type": "string", "description": "what the policy does and why it should win"},
        "policy": {"type": "string", "description": "the complete Python module, nothing else"},
    },
    "required": ["idea", "policy"],
    "additionalProperties": False,
}
"""What a reply looks like when it is asked for as JSON."""


def first_body(settings: ModelSettings, prompt: Prompt) -> Body:
    """Return the request that the settings ask for, without what is not set."""
    body: Body = {"model": settings.model}
    if settings.api == "responses":
        body |= {"instructions": prompt.system, "input": prompt.user, "store": False}
        body["max_output_tokens"] = settings.max_output_tokens
        if settings.reasoning_effort is not None:
            body["reasoning"] = {"effort": settings.reasoning_effort}
    else:
        body["messages"] = [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ]
        name = "max_completion_tokens" if is_openai(settings.base_url) else "max_tokens"
        body[name] = settings.max_output_tokens
        if settings.reasoning_effort is not None:
            body["reasoning_effort"] = settings.reasoning_effort
    if settings.temperature is not None:
        body["temperature"] = settings.temperature
    if settings.structured:
        body |= _structured(settings.api)
    return body


def advice_on(said: str) -> str:
    """Return what a user can do about a complaint that no change of the request can answer."""
    if _TOO_LARGE.search(said):
        return (
            " (the prompt and its reply do not fit: lower feedback.prompt_tokens or "
            "proposer.max_output_tokens, or give the server a larger context)"
        )
    return ""


def cut_short(body: Mapping[str, Any], counted: int | None) -> str | None:
    """Return a warning when the server counted far fewer tokens than the prompt must have.

    Some servers drop the beginning of a prompt that is longer than their context and say nothing.
    """
    texts = [str(body.get(name) or "") for name in ("instructions", "input")]
    texts += [str(each["content"]) for each in body.get("messages", ())]
    chars = sum(len(text) for text in texts)
    if counted is None or counted * MOST_CHARS_PER_TOKEN >= chars:
        return None
    return (
        f"the server counted {counted} tokens in a prompt of {chars} characters: it seems to have "
        "cut it; give the server a larger context, or lower feedback.prompt_tokens"
    )


class Lessons:
    """What a server's complaints taught about its parameters, remembered for later requests."""

    def __init__(self) -> None:
        self._changes: dict[str, Any] = {}
        """Parameter -> another name for it, a smaller value, or None to leave it out."""

    def apply(self, body: Mapping[str, Any]) -> Body:
        """Return the request as this server is known to accept it."""
        adapted = dict(body)
        for name, change in self._changes.items():
            if name not in adapted:
                continue
            if change is None:
                del adapted[name]
            elif isinstance(change, str):
                adapted[change] = adapted.pop(name)
            elif name == "messages":
                adapted[name] = _without_system(adapted[name])
            else:
                adapted[name] = min(adapted[name], change)
        return adapted

    def learn(self, sent: Mapping[str, Any], said: str) -> bool:
        """Note what a complaint about ``sent`` says; False when it teaches nothing new."""
        name = next((word for word in _OPTIONAL if word in sent and _is_named(said, word)), None)
        if name is None and re.search(r"system.{0,20}(role|message)|role.{0,20}system", said, re.I):
            name = "messages"
        if name is None and _TOO_LARGE.search(said):
            name = next((word for word in _LIMITS if word in sent), None)
        if name is None or (name == "messages" and name in self._changes):
            return False
        return self._note(name, sent, said)

    def _note(self, name: str, sent: Mapping[str, Any], said: str) -> bool:
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
        if name == "messages":
            self._changes[name] = True
        elif name in _LIMITS and _TOO_LARGE.search(said):
            smaller = int(sent[name]) // 2
            if smaller < SMALLEST_REPLY_TOKENS:
                return False
            self._changes = {**self._changes, name: smaller}
        elif name in other and other[name] not in self._changes:
            self._changes[name] = other[name]
        else:
            self._changes[name] = None
        return True


def request_sha256(api: Api, body: Mapping[str, Any]) -> str:
    """Return the hash that names a request: the API and the body, never a key or an address."""
    text = json.dumps([api, body], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _structured(api: Api) -> Body:
    """Return the parameter that asks for JSON by a schema."""
    schema = {"name": "policy", "strict": True, "schema": dict(SCHEMA)}
    if api == "responses":
        return {"text": {"format": {"type": "json_schema", **schema}}}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _is_named(said: str, parameter: str) -> bool:
    names = _ALSO_CALLED.get(parameter, (parameter,))
    return any(re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", said, re.I) for name in names)


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the messages as one of the user, for models that know no system role."""
    return [{"role": "user", "content": "\n\n".join(each["content"] for each in messages)}]
