"""The price of a reply."""

from pathlib import Path

import pytest

from flows.errors import ConfigError
from flows.proposers.prices import PriceList, price_list

OPENAI = "https://api.openai.com/v1"
LOCAL = "http://127.0.0.1:8000/v1"
PUBLISHED = PriceList()
OWN = """
[models."my-model"]
input_per_million = 2.0
cached_input_per_million = 0.5
output_per_million = 8.0

[models."gpt-5-mini"]
input_per_million = 0
output_per_million = 0
"""


def listed(folder: Path, text: str) -> PriceList:
    path = folder / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return price_list(path)


def test_a_known_model_at_its_provider_has_a_price() -> None:
    cost = PUBLISHED.cost_usd("gpt-5-mini", OPENAI, 1_000_000, 0, 0)

    assert cost is not None and 0 < cost < 10


def test_cached_tokens_cost_less() -> None:
    fresh = PUBLISHED.cost_usd("gpt-5-mini", OPENAI, 100_000, 0, 1_000)
    cached = PUBLISHED.cost_usd("gpt-5-mini", OPENAI, 100_000, 90_000, 1_000)

    assert fresh is not None and cached is not None and cached < fresh


def test_an_unknown_price_is_none_and_not_zero() -> None:
    assert PUBLISHED.cost_usd("my-own-model", OPENAI, 10, 0, 10) is None
    assert PUBLISHED.cost_usd("gpt-5-mini", LOCAL, 10, 0, 10) is None
    assert PUBLISHED.cost_usd("gpt-5-mini", OPENAI, None, None, None) is None


def test_a_list_of_ones_own_prices_any_server_and_comes_first(tmp_path: Path) -> None:
    prices = listed(tmp_path, OWN)

    assert prices.cost_usd("my-model", LOCAL, 1_000_000, 400_000, 100_000) == 1.2 + 0.2 + 0.8
    assert prices.cost_usd("gpt-5-mini", OPENAI, 1_000_000, 0, 1_000_000) == 0
    assert prices.cost_usd("gpt-5-nano", OPENAI, 1000, 0, 1000) is not None
    assert prices.cost_usd("my-model", LOCAL, None, None, None) is None


def test_cached_tokens_without_a_price_of_their_own_cost_as_much(tmp_path: Path) -> None:
    prices = listed(tmp_path, '[models."m"]\ninput_per_million = 3\noutput_per_million = 1\n')

    assert prices.cost_usd("m", LOCAL, 1_000_000, 1_000_000, 0) == 3.0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[models."m"]\ninput_per_million = 1\n', "models.m.output_per_million: field required"),
        ('[models."m"]\ninput = 1\n', "models.m.input_per_million"),
        ('[models."m"]\ninput_per_million = -1\noutput_per_million = 1\n', "greater than"),
        ('[models."m"]\ninput_per_million = nan\noutput_per_million = 1\n', "finite"),
        ("[model]\n", "model: "),
        ("[models", "not valid TOML"),
    ],
)
def test_a_broken_list_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"proposer\.prices") as refused:
        listed(tmp_path, text)

    assert words in str(refused.value)


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        price_list(tmp_path / "nowhere.toml")
