"""Writes the requests to OpenAI-compatible servers and learns which parameters a server refuses."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from flows.config_sections import ProposerConfig
from flows.proposing import Prompt

OPENAI_URL = "https://api.openai.com/v1"
SMALLEST_REPLY_TOKENS = 1024
"""A server that does not even allow this much for a reply cannot answer with a policy."""

Api = Literal["chat", "responses"]
Body = dict[str, Any]

_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_OPTIONAL = ("temperature", "reasoning_effort", "reasoning", "response_format", *_LIMITS)
_TOO_LARGE = re.compile(
    r"too (large|long|high|many)|at most|context.{0,20}(length|window|size)|exceed|less than",
    re.IGNORECASE,
)


def unusable(settings: ProposerConfig, api_key: str) -> str | None:
    """Return why no request can be made with this address and key, or None when one can."""
    url = settings.base_url or OPENAI_URL
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return f"proposer.base_url: expected http://HOST[:PORT]/PATH or https://..., got {url!r}"
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        return (
            f"the API key in {settings.api_key_env} is empty or holds characters that cannot be "
            "sent in a header: set the variable to the bare key"
        )
    return None


def api_of(settings: ProposerConfig) -> Api:
    """Return the API to use: what is set, else Responses at OpenAI and chat everywhere else."""
    if settings.api != "auto":
        return settings.api
    return "responses" if _is_openai(settings) else "chat"


def address_of(settings: ProposerConfig) -> str:
    """Return the server's host and port, for the record: never a path, a user or a password."""
    parts = urlsplit(settings.base_url or OPENAI_URL)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.hostname or 'unknown'}{port}"


def first_body(settings: ProposerConfig, prompt: Prompt) -> Body:
    """Return the request that the settings ask for, without what is not set."""
    body: Body = {"model": settings.model}
    if api_of(settings) == "responses":
        body |= {"instructions": prompt.system, "input": prompt.user, "store": False}
        body["max_output_tokens"] = settings.max_output_tokens
        if settings.reasoning_effort is not None:
            body["reasoning"] = {"effort": settings.reasoning_effort}
    else:
        body["messages"] = [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ]
        name = "max_completion_tokens" if _is_openai(settings) else "max_tokens"
        body[name] = settings.max_output_tokens
        if settings.reasoning_effort is not None:
            body["reasoning_effort"] = settings.reasoning_effort
    if settings.temperature is not None:
        body["temperature"] = settings.temperature
    return body


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
        name = next((word for word in _OPTIONAL if word in sent and _names(said, word)), None)
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


def _is_openai(settings: ProposerConfig) -> bool:
    host = urlsplit(settings.base_url or OPENAI_URL).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def _names(said: str, parameter: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(parameter)}(?![\w])", said) is not None


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the messages as one of the user, for models that know no system role."""
    return [{"role": "user", "content": "\n\n".join(each["content"] for each in messages)}]
