"""What is said about money before a search begins, and what is held back for each call."""

from pathlib import Path
from typing import Any

import pytest

from flows.search.budget import preflight_lines, reserve_of
from flows.settings.search import SearchConfig
from tests.support.search_fakes import SPLITS

OWN = """
[models."cheap"]
input_per_million = 1.0
output_per_million = 10.0

[models."strong"]
input_per_million = 10.0
output_per_million = 100.0
"""


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def config(prices: Path | None = None, **settings: Any) -> SearchConfig:
    """Return the configuration of a search with prompts of 3000 and replies of 2000 tokens."""
    proposer = {"kind": "openai", "model": "cheap", "max_output_tokens": 2000, "prices": prices}
    return SearchConfig.model_validate(
        {
            "proposer": {**proposer, **settings.pop("proposer", {})},
            "feedback": {"prompt_tokens": 3000},
            "budget": settings,
        }
    )


def test_a_budget_in_dollars_is_given_in_proposals(prices: Path) -> None:
    lines = preflight_lines(config(prices, dollars=1.0))

    assert lines == [
        "model cheap at api.openai.com: $1 for a million tokens in, $10 out",
        "$1 allow about 43 proposals at $0.0230 each; a call costs $0.0240 at most, which is "
        "reserved before it starts",
    ]


def test_a_budget_for_fewer_than_three_proposals_is_warned_about(prices: Path) -> None:
    two = preflight_lines(config(prices, dollars=0.05))
    none = preflight_lines(config(prices, dollars=0.02))

    assert two[-1].startswith("warning: 2 proposals are too few for a search: raise the budget")
    assert none[-1].startswith("warning: 0 proposals")


def test_an_unknown_price_is_named() -> None:
    lines = preflight_lines(config(proposer={"base_url": "http://127.0.0.1:1/v1"}, tokens=60_000))

    assert lines == [
        "model cheap at 127.0.0.1:1: the price is unknown, so its cost cannot be counted; add it "
        "to the file that proposer.prices names",
        "60000 tokens allow about 11 proposals of 5000 tokens; 6000 are reserved for each call",
    ]


def test_without_a_budget_the_whole_search_is_priced(prices: Path) -> None:
    priced = preflight_lines(config(prices, candidates=100))
    unpriced = preflight_lines(config(proposer={"model": "no-such-model"}, candidates=100))

    assert priced[-1] == (
        "no budget in dollars or tokens: 100 proposals cost about $2.30, at most $2.40"
    )
    assert unpriced[-1].endswith("take about 500000 tokens, at most 600000")


def test_of_several_models_the_mean_is_expected_and_the_dearest_reserved(prices: Path) -> None:
    models = [{"model": "cheap", "weight": 9}, {"model": "strong", "weight": 1}]
    several = config(prices, dollars=1.0, proposer={"model": None, "models": models})

    reserve = reserve_of(several, SPLITS)

    assert (reserve.tokens, round(reserve.dollars, 6)) == (6000, 0.24)
    assert "at $0.0437 each; a call costs $0.2400" in preflight_lines(several)[-1]


def test_with_one_model_of_unknown_price_the_others_are_reserved_for(prices: Path) -> None:
    models = [{"model": "cheap"}, {"model": "no-such-model"}]
    several = config(prices, dollars=1.0, proposer={"model": None, "models": models})

    assert reserve_of(several, SPLITS).dollars == pytest.approx(0.024)
    assert "the price is unknown" in preflight_lines(several)[-1]


def test_who_asks_no_model_holds_nothing_back() -> None:
    replay = SearchConfig.model_validate({"proposer": {"kind": "replay", "replay_of": "search-1"}})

    assert preflight_lines(SearchConfig()) == []
    assert preflight_lines(replay) == ["replays search-1: recorded replies cost nothing"]
    assert reserve_of(SearchConfig(), SPLITS) == reserve_of(replay, SPLITS)
