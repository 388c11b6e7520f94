"""Makes the proposer that a configuration names; only this and its caller ever see the keys."""

from collections.abc import Mapping
from pathlib import Path

from flows.errors import ConfigError
from flows.search.proposing import Proposer
from flows.settings.search import SearchConfig


def make_proposer(config: SearchConfig, keys: Mapping[str, str], home: Path) -> Proposer:
    """Return the proposer; the SDK of a model is imported only when one is asked."""
    match config.proposer.kind:
        case "offline":
            from flows.proposers.offline.proposer import OfflineProposer

            return OfflineProposer()
        case "openai":
            from flows.proposers.model import OpenAiProposer

            _refuse_uncountable_dollars(config)
            return OpenAiProposer(config.proposer, keys)
        case "replay":
            from flows.proposers.replay import ReplayProposer
            from flows.proposers.replay_source import recorded_rows

            return ReplayProposer(recorded_rows(home, config.proposer.replay_of or ""))


def _refuse_uncountable_dollars(config: SearchConfig) -> None:
    from flows.proposers.choices import model_settings
    from flows.proposers.prices import price_list

    prices = price_list(config.proposer.prices)
    if config.budget.dollars is None:
        return
    for each in model_settings(config.proposer):
        if prices.cost_usd(each.model, each.base_url, 1000, 0, 1000) is None:
            raise ConfigError(
                f"budget.dollars is {config.budget.dollars:g}, but the price of model "
                f"{each.model!r} at {each.address} is not known: name it in the file of "
                "proposer.prices, or use budget.tokens instead"
            )
