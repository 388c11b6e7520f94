"""What a reply costs in dollars: by your own price list, else by the published prices."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from flows.errors import ConfigError
from flows.history.records import LlmCallRow
from flows.proposers.choices import ModelSettings, model_settings
from flows.proposers.refusals import ANSWERED
from flows.settings.sections import ModelPrice, ProposerConfig, Section

MILLION = 1_000_000


class PriceList(Section):
    """Prices by model. What the list does not hold is looked up in those that are published."""

    models: Mapping[str, ModelPrice] = {}

    def cost_usd(
        self,
        model: str,
        base_url: str,
        input_tokens: int | None,
        cached_tokens: int | None,
        output_tokens: int | None,
    ) -> float | None:
        """Return the price of one reply, or None when the tokens or the price are not known.

        A server whose address no provider has published has the prices of the list and no others,
        whatever its models are called.
        """
        if input_tokens is None or output_tokens is None:
            return None
        cached = min(cached_tokens or 0, input_tokens)
        own = self.models.get(model)
        if own is not None:
            return _by_list(own, input_tokens, cached, output_tokens)
        return _published(model, base_url, input_tokens, cached, output_tokens)


def price_list(given: Path | Mapping[str, ModelPrice] | None) -> PriceList:
    """Return the prices by model, or those in a TOML file with a table ``[models."name"]`` each."""
    if given is None:
        return PriceList()
    if not isinstance(given, Path):
        return PriceList(models=given)
    try:
        return PriceList.model_validate(tomllib.loads(given.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"proposer.prices: {given} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"proposer.prices: {given} is not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"][:1].lower() + first["msg"][1:]
        raise ConfigError(
            f"proposer.prices: {given}: {key}: {message}; a model has input_per_million, "
            "output_per_million and perhaps cached_input_per_million, in dollars"
        ) from None


def unpriced_model(config: ProposerConfig) -> ModelSettings | None:
    """Return the first model whose price is not known; None where dollars can be counted."""
    if config.kind != "openai":
        return None
    prices = price_list(config.prices)
    for each in model_settings(config):
        if prices.cost_usd(each.model, each.base_url, 1000, 0, 1000) is None:
            return each
    return None


def _by_list(price: ModelPrice, fresh_and_cached: int, cached: int, output: int) -> float:
    cached_price = price.cached_input_per_million
    if cached_price is None:
        cached_price = price.input_per_million
    fresh = fresh_and_cached - cached
    dollars = fresh * price.input_per_million + cached * cached_price
    return (dollars + output * price.output_per_million) / MILLION


def _published(
    model: str, base_url: str, input_tokens: int, cached_tokens: int, output_tokens: int
) -> float | None:
    from genai_prices import Usage, calc_price  # its tables take half a second to read

    usage = Usage(
        input_tokens=input_tokens,
        cache_read_tokens=cached_tokens or None,
        output_tokens=output_tokens,
    )
    try:
        total: Decimal = calc_price(usage, model, provider_api_url=base_url).total_price
    except (LookupError, ValueError):
        return None
    return float(total)


UNANSWERED = ("timeout", "connection_lost")
"""Outcomes of a call that a server may have worked on, though no answer of it arrived."""


def may_be_charged(call: LlmCallRow) -> bool:
    """Return whether a server may have charged for a call without saying how much."""
    return not _is_counted(call) and call.outcome in (*ANSWERED, *UNANSWERED)


def is_unpriced(call: LlmCallRow) -> bool:
    """Return whether the tokens of a call are known and their price is not."""
    return _is_counted(call) and call.cost_usd is None


def _is_counted(call: LlmCallRow) -> bool:
    return call.input_tokens is not None and call.output_tokens is not None
