"""Makes the proposer that a configuration names; only this and its caller ever see the key."""

from collections.abc import Mapping

from flows.config import SearchConfig
from flows.config_sections import ProposerConfig
from flows.errors import ConfigError
from flows.proposing import Proposer

NO_KEY = "no-key"
"""Sent to servers of one's own that ask for no key; the SDK insists on some text."""


def api_key(config: ProposerConfig, environment: Mapping[str, str]) -> str | None:
    """Return the key from the environment; None where none is needed."""
    if config.kind == "offline":
        return None
    key = environment.get(config.api_key_env, "").strip()
    if key:
        return key
    if config.base_url is None:
        raise ConfigError(
            f"the environment variable {config.api_key_env} holds no key: set it, name another "
            "one with --api-key-env, or give the --base-url of a server that needs none"
        )
    return None


def make_proposer(config: SearchConfig, key: str | None) -> Proposer:
    """Return the proposer; the SDK of a model is imported only when one is asked."""
    match config.proposer.kind:
        case "offline":
            from flows.offline.proposer import OfflineProposer

            return OfflineProposer()
        case "openai":
            from flows.model_proposer import OpenAiProposer

            _refuse_uncountable_dollars(config)
            return OpenAiProposer(config.proposer, key or NO_KEY)
        case "replay":
            raise ConfigError("proposer.kind: replay is not built yet")


def _refuse_uncountable_dollars(config: SearchConfig) -> None:
    from flows.model_requests import OPENAI_URL
    from flows.prices import cost_usd

    proposer = config.proposer
    price = cost_usd(proposer.model or "", proposer.base_url or OPENAI_URL, 1000, 0, 1000)
    if config.budget.dollars is not None and price is None:
        raise ConfigError(
            f"budget.dollars is {config.budget.dollars:g}, but the price of model "
            f"{proposer.model!r} at that server is not known: use budget.tokens instead"
        )
