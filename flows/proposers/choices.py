"""The models that a search may ask: their servers, keys and parameters, and whose turn it is."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from flows.errors import ConfigError
from flows.settings.sections import HEADER_NAME, ModelConfig, ProposerConfig

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "no-key"
"""Sent to servers that ask for no key; the SDK insists on some text."""

_KEY_QUERIES = ("key", "api_key", "api-key", "apikey", "token", "access_token", "sig")
_KEY_HEADERS = ("authorization", "api-key", "x-api-key", "cookie", "proxy-authorization")

Api = Literal["chat", "responses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """One model behind one server, and how it is asked."""

    model: str
    weight: float
    base_url: str
    """Without a query."""
    api: Api
    tries_chat: bool
    """Whether a server without a Responses API is asked for a chat completion instead."""
    api_key_env: str | None
    """The variable with the key for this server; None sends no key there."""
    temperature: float | None
    reasoning_effort: str | None
    key_header: str | None
    headers: Mapping[str, str]
    query: Mapping[str, str]
    extra_body: Mapping[str, Any]
    max_output_tokens: int
    timeout_seconds: float
    wait_seconds: float
    tries: int
    structured: bool

    @property
    def address(self) -> str:
        """The server's host and port, for the record: never a path, a user or a password."""
        try:
            parts = urlsplit(self.base_url)
            port = f":{parts.port}" if parts.port else ""
        except ValueError:  # no address; ``unusable`` says so
            return "unknown"
        return f"{parts.hostname or 'unknown'}{port}"


def model_settings(config: ProposerConfig) -> tuple[ModelSettings, ...]:
    """Return the models of a configuration; what one of several leaves open is the proposer's."""
    models = config.models or (ModelConfig(model=config.model or ""),)
    return tuple(_settings(config, each) for each in models)


def whose_turn(settings: Sequence[ModelSettings], seed: int, iteration: int, slot: int) -> int:
    """Return the place of the model that is asked for this slot: by weight, the same each time."""
    rng = random.Random(f"{seed}/{iteration}/{slot}/model")
    return rng.choices(range(len(settings)), [each.weight for each in settings])[0]


def keys_of(config: ProposerConfig, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the keys that the models need, by the name of their variable."""
    if config.kind != "openai":
        return {}
    keys = {}
    for each in model_settings(config):
        key = environment.get(each.api_key_env or "", "").strip()
        if each.api_key_env is not None and key:
            keys[each.api_key_env] = key
        elif is_openai(each.base_url) and each.api_key_env is None:
            raise ConfigError(
                f"model {each.model!r} at {each.address} needs a key: name the variable that holds "
                "it with the model's api_key_env"
            )
        elif is_openai(each.base_url):
            raise ConfigError(
                f"the environment variable {each.api_key_env} holds no key: set it, name another "
                "one with --api-key-env, or give the --base-url of a server that needs none"
            )
    return keys


def key_for(settings: ModelSettings, keys: Mapping[str, str]) -> str:
    """Return the key for this model's server, a placeholder where none is sent."""
    return keys.get(settings.api_key_env or "", NO_KEY)


def unusable(settings: ModelSettings, key: str) -> str | None:
    """Return why no request can be made with this address and key, or None when one can."""
    try:
        parts = urlsplit(settings.base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return (
            "proposer.base_url: expected http://HOST[:PORT]/PATH or https://..., "
            f"got {settings.base_url!r}"
        )
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        return (
            f"the API key in {settings.api_key_env} is empty or holds characters that cannot be "
            "sent in a header: set the variable to the bare key"
        )
    secret = next((name for name in settings.query if name.lower() in _KEY_QUERIES), None)
    if secret is not None:
        return (
            f"the query {secret!r} of the model's address: no key is kept in a configuration: name "
            "the header with proposer.key_header and the key's variable with proposer.api_key_env"
        )
    for name, value in settings.headers.items():
        if name.lower() in _KEY_HEADERS:
            return (
                f"proposer.headers.{name}: no key is kept in a configuration: name the header "
                "with proposer.key_header and the key's variable with proposer.api_key_env"
            )
        if not re.fullmatch(HEADER_NAME, name) or not (value.isascii() and value.isprintable()):
            return f"proposer.headers.{name}: its name or its value cannot be sent in a header"
    return None


def is_openai(base_url: str) -> bool:
    """Return whether this is OpenAI's own server."""
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return False
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def _settings(config: ProposerConfig, model: ModelConfig) -> ModelSettings:
    default_url = config.base_url or OPENAI_URL
    base_url = model.base_url or default_url
    effort = model.reasoning_effort
    address, query = _without_query(base_url)
    same_server = base_url == default_url  # what is meant for one server is not sent to another
    return ModelSettings(
        model=model.model,
        weight=model.weight,
        base_url=address,
        api=_api(config, base_url),
        tries_chat=config.api == "auto",
        api_key_env=model.api_key_env or (config.api_key_env if same_server else None),
        temperature=config.temperature if model.temperature is None else model.temperature,
        reasoning_effort=config.reasoning_effort if effort is None else effort,
        key_header=model.key_header or (config.key_header if same_server else None),
        headers=_own(model.headers, config.headers, same_server),
        query={**query, **_own(model.query, config.query, same_server)},
        extra_body=config.extra_body if model.extra_body is None else model.extra_body,
        max_output_tokens=config.max_output_tokens,
        timeout_seconds=config.deadline_seconds,
        wait_seconds=config.wait_seconds,
        tries=config.tries,
        structured=config.structured,
    )


def _own(
    model: Mapping[str, str] | None, proposer: Mapping[str, str], same_server: bool
) -> Mapping[str, str]:
    return model if model is not None else proposer if same_server else {}


def _without_query(base_url: str) -> tuple[str, dict[str, str]]:
    """Return an address and its query apart: paths are put to the end of the one, not the other."""
    try:
        parts = urlsplit(base_url)
    except ValueError:
        return base_url, {}
    bare = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    return bare, dict(parse_qsl(parts.query, keep_blank_values=True))


def _api(config: ProposerConfig, base_url: str) -> Api:
    """Return the API to use: what is set, else Responses at OpenAI and chat everywhere else."""
    if config.api != "auto":
        return config.api
    return "responses" if is_openai(base_url) else "chat"
