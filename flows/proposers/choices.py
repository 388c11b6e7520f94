"""The models that a search may ask: their servers, keys and parameters, and whose turn it is."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from flows.errors import ConfigError
from flows.settings.sections import ModelConfig, ProposerConfig

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "no-key"
"""Sent to servers of one's own that ask for no key; the SDK insists on some text."""

Api = Literal["chat", "responses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """One model behind one server, and how it is asked."""

    model: str
    weight: float
    base_url: str
    api: Api
    api_key_env: str | None
    """The variable with the key for this server; None sends no key there."""
    temperature: float | None
    reasoning_effort: str | None
    max_output_tokens: int
    timeout_seconds: float
    tries: int
    structured: bool

    @property
    def address(self) -> str:
        """The server's host and port, for the record: never a path, a user or a password."""
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
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
                "it with api_key_env beside the model"
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
    return ModelSettings(
        model=model.model,
        weight=model.weight,
        base_url=base_url,
        api=_api(config, base_url),
        # The proposer's key is for the proposer's server: another server never sees it.
        api_key_env=model.api_key_env or (config.api_key_env if base_url == default_url else None),
        temperature=config.temperature if model.temperature is None else model.temperature,
        reasoning_effort=config.reasoning_effort if effort is None else effort,
        max_output_tokens=config.max_output_tokens,
        timeout_seconds=config.timeout_seconds,
        tries=config.tries,
        structured=config.structured,
    )


def _api(config: ProposerConfig, base_url: str) -> Api:
    """Return the API to use: what is set, else Responses at OpenAI and chat everywhere else."""
    if config.api != "auto":
        return config.api
    return "responses" if is_openai(base_url) else "chat"
