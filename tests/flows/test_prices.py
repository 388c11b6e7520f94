"""The price of a reply."""

from flows.prices import cost_usd

OPENAI = "https://api.openai.com/v1"


def test_a_known_model_at_its_provider_has_a_price() -> None:
    cost = cost_usd("gpt-5-mini", OPENAI, 1_000_000, 0, 0)

    assert cost is not None and 0 < cost < 10


def test_cached_tokens_cost_less() -> None:
    fresh = cost_usd("gpt-5-mini", OPENAI, 100_000, 0, 1_000)
    cached = cost_usd("gpt-5-mini", OPENAI, 100_000, 90_000, 1_000)

    assert fresh is not None and cached is not None and cached < fresh


def test_an_unknown_price_is_none_and_not_zero() -> None:
    assert cost_usd("my-own-model", OPENAI, 10, 0, 10) is None
    assert cost_usd("gpt-5-mini", "http://127.0.0.1:8000/v1", 10, 0, 10) is None
    assert cost_usd("gpt-5-mini", OPENAI, None, None, None) is None
