"""Writes the requests to OpenAI-compatible servers and learns which parameters a server refuses."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flows.attempt import Prompt
from flows.prompting.prompts import CHARS_PER_TOKEN
from flows.proposers.choices import Api, ModelSettings, is_openai
from flows.proposers.refusals import is_too_long

SMALLEST_REPLY_TOKENS = 1024
"""A server that does not even allow this much for a reply cannot answer with a policy."""

MARGIN_TOKENS = 64
"""Between what a prompt and its reply are expected to take and the context: templates take some."""

MOST_CHARS_PER_TOKEN = 10
"""No tokenizer fits more characters of English and Python into a token, on average."""

Body = dict[str, Any]

STREAMED = ("stream_options", "stream")
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_OPTIONAL = (
    *STREAMED,
    *("temperature", "reasoning_effort", "reasoning", "response_format", "text"),
    *(*_LIMITS, "store"),
)
_ALSO_CALLED = {
    "response_format": ("response_format", "json_schema", "structured output", "guided_json"),
    "text": ("text.format", "response_format", "json_schema", "structured output"),
    "stream": ("stream", "streaming"),
}
"""What complaints call a parameter; all others are called by their name."""

_SYSTEM_ROLE = re.compile(
    r"system.{0,20}(role|message)|role.{0,20}system|developer instruction", re.IGNORECASE
)
_TOO_LARGE = re.compile(
    r"too (large|long|high|many)|at most|exceed|less than|greater than|<=|maximum"
)
_COUNT = r"(\d{2,9})"
_CONTEXT = tuple(
    re.compile(pattern)
    for pattern in (
        rf"> {_COUNT}",
        rf"context (?:length|size|window|limit)[^\d\n]{{0,40}}{_COUNT}",
        rf"{_COUNT} (?:tokens? )?(?:maximum|max) context",
        rf"(?:maximum|at most|limit|<=)[^\d\n]{{0,60}}{_COUNT}",
    )
)
"""Where complaints name the tokens of a context."""
_PROMPT_TOKENS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_COUNT} (?:tokens )?(?:in|from) (?:the )?(?:your )?(?:messages|prompt|input)",
        rf"{_COUNT} `?(?:input|prompt)s?`? tokens",
        rf"(?:prompt|request|input)[^\d\n]{{0,30}}{_COUNT}",
        rf"(?:resulted in|contains|given:) {_COUNT}",
    )
)
"""Where complaints name the tokens of a prompt."""
_LONGEST = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:at most|less than or equal to|<=|maximum(?: value)?(?: is| of)?|up to) {_COUNT}",
        rf"(?:maximum|limit)[^\d\n]{{0,60}}{_COUNT}",
    )
)
"""Where complaints name the most tokens of a reply."""
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


def first_body(settings: ModelSettings, api: Api, prompt: Prompt, reply_tokens: int) -> Body:
    """Return the request that the settings ask for, without what is not set.

    It asks for a stream: proxies between here and a server close connections that stand still.
    """
    body: Body = {"model": settings.model, "stream": True}
    effort = settings.reasoning_effort
    if api == "responses":
        body |= {"instructions": prompt.system, "input": prompt.user, "store": False}
        body["max_output_tokens"] = reply_tokens
        if effort is not None:
            body["reasoning"] = {"effort": effort}
    else:
        body["stream_options"] = {"include_usage": True}
        body["messages"] = [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ]
        name = "max_completion_tokens" if is_openai(settings.base_url) else "max_tokens"
        body[name] = reply_tokens
        if effort is not None:
            body["reasoning_effort"] = effort
    if settings.temperature is not None:
        body["temperature"] = settings.temperature
    if settings.structured:
        body |= _structured(api)
    return {**body, **settings.extra_body}


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
        """Parameter -> another name for it, or None to leave it out."""

    def apply(self, body: Mapping[str, Any]) -> Body:
        """Return the request as this server is known to accept it."""
        adapted = dict(body)
        for name, change in self._changes.items():
            if name not in adapted:
                continue
            if change is None:
                del adapted[name]
            elif name == "messages":
                adapted[name] = _without_system(adapted[name])
            else:
                adapted[change] = adapted.pop(name)
        return adapted

    def learn(self, sent: Mapping[str, Any], said: str) -> bool:
        """Note what a complaint about ``sent`` says; False when it teaches nothing new."""
        name = next((word for word in _OPTIONAL if word in sent and _is_named(said, word)), None)
        if name is None and _SYSTEM_ROLE.search(said):
            name = "messages"
        if name is None or (name == "messages" and name in self._changes):
            return self.ask_whole(sent)
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
        if name == "messages":
            self._changes[name] = True
        elif name in other and other[name] not in self._changes:
            self._changes[name] = other[name]
        else:
            self._changes[name] = None
        return True

    def ask_whole(self, sent: Mapping[str, Any]) -> bool:
        """Ask for whole replies where a server does not say what it minds: nobody set a stream."""
        self._changes |= dict.fromkeys(STREAMED)
        return any(name in sent for name in STREAMED)


class Room:
    """How much of a prompt and of a reply a server has room for, as its complaints say.

    What was learned is forgotten after ``HOLDS`` proposals, so that the smaller limits do not
    outlast a server that was given a larger context.
    """

    HOLDS = 10

    def __init__(self) -> None:
        self._context: int | None = None
        """Tokens for a prompt and its reply together."""
        self._longest: int | None = None
        """Tokens of a reply."""
        self._chars_per_token = float(CHARS_PER_TOKEN)
        self._uses = 0

    def begin(self) -> None:
        """Count one more proposal."""
        self._uses += 1
        if self._uses > self.HOLDS:
            self._context = self._longest = None

    def prompt_tokens(self, prompt: Prompt, wanted: int) -> int | None:
        """Return how small the prompt should be in tokens of four characters; None if it fits."""
        if self._context is None:
            return None
        left = self._context - self._reply(wanted) - MARGIN_TOKENS
        if self._tokens(prompt) <= left:
            return None
        return int(left * self._chars_per_token / CHARS_PER_TOKEN)

    def reply_tokens(self, prompt: Prompt, wanted: int) -> int:
        """Return how long a reply may be that is asked for with this prompt."""
        longest = wanted if self._longest is None else min(wanted, self._longest)
        if self._context is None:
            return longest
        left = self._context - self._tokens(prompt) - MARGIN_TOKENS
        return min(longest, max(left, SMALLEST_REPLY_TOKENS))

    def learn(self, prompt: Prompt, sent: Mapping[str, Any], said: str) -> bool:
        """Note what a complaint about ``sent`` says about sizes; False where it says nothing."""
        before = (self._context, self._longest)
        limits = [name for name in _LIMITS if name in sent]
        reply_tokens = int(sent[limits[0]]) if limits else 0
        self._uses = 0
        numbers = _without_separators(said.lower())
        if is_too_long(numbers):
            counted = _number(_PROMPT_TOKENS, numbers)
            if counted is not None:
                self._chars_per_token = _chars(prompt) / counted
            known = _number(_CONTEXT, numbers)
            together = self._tokens(prompt) + reply_tokens
            self._context = known if known is not None and known < together else together * 3 // 4
        elif limits and _is_named(said, limits[0]) and _TOO_LARGE.search(numbers):
            known = _number(_LONGEST, numbers)
            smaller = known if known is not None and known < reply_tokens else reply_tokens // 2
            if smaller < SMALLEST_REPLY_TOKENS:
                return False
            self._longest = smaller
        return before != (self._context, self._longest)

    def _reply(self, wanted: int) -> int:
        """Return the tokens that are kept for a reply: half of the context is enough."""
        assert self._context is not None
        return min(wanted, self._longest or wanted, self._context // 2)

    def _tokens(self, prompt: Prompt) -> int:
        return math.ceil(_chars(prompt) / self._chars_per_token)


def _chars(prompt: Prompt) -> int:
    return max(1, len(prompt.system) + len(prompt.user))


def _without_separators(text: str) -> str:
    """Return a text with numbers such as 8,192 written as 8192."""
    return re.sub(r"(?<=\d),(?=\d{3})", "", text)


def _number(patterns: Sequence[re.Pattern[str]], text: str) -> int | None:
    for pattern in patterns:
        found = pattern.search(text)
        if found is not None:
            return max(1, int(found.group(1)))
    return None


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
