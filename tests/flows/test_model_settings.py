"""Several models: who is asked when, with which key, at which server, recorded as whose."""

from collections import Counter
from typing import Any

import pytest

from flows.errors import ConfigError
from flows.history.records import LlmCallRow
from flows.proposers.choices import keys_of, model_settings, whose_turn
from flows.proposers.model import OpenAiProposer
from flows.settings.sections import ProposerConfig
from tests.support import model_server as server
from tests.support.asking import SOURCE, StillClock, request
from tests.support.model_server import ModelServer

CHEAP_AND_STRONG = ({"model": "cheap", "weight": 4}, {"model": "strong", "weight": 1})


def config(*models: dict[str, Any], **settings: Any) -> ProposerConfig:
    return ProposerConfig.model_validate({"kind": "openai", "models": models, **settings})


def turns(seed: int) -> list[int]:
    settings = model_settings(config(*CHEAP_AND_STRONG))
    return [whose_turn(settings, seed, iteration, 0) for iteration in range(1, 1001)]


def test_models_are_asked_by_weight_and_the_same_ones_every_time() -> None:
    counts = Counter(turns(seed=7))

    assert 740 < counts[0] < 860
    assert turns(seed=7) == turns(seed=7) != turns(seed=8)


def test_a_turn_depends_on_its_place_alone() -> None:
    settings = model_settings(config(*CHEAP_AND_STRONG))

    late = whose_turn(settings, 7, 500, 0)

    assert late == turns(seed=7)[499]
    assert len({whose_turn(settings, 7, 1, slot) for slot in range(40)}) == 2


def test_what_a_model_leaves_open_is_the_proposers() -> None:
    plain, own = model_settings(
        config(
            {"model": "a"},
            {"model": "b", "base_url": "http://b:1/v1", "temperature": 0, "reasoning_effort": "x"},
            base_url="http://a:1/v1",
            temperature=0.5,
            max_output_tokens=999,
        )
    )

    assert (plain.base_url, plain.temperature, plain.max_output_tokens) == (
        "http://a:1/v1",
        0.5,
        999,
    )
    assert (own.base_url, own.temperature, own.reasoning_effort) == ("http://b:1/v1", 0, "x")
    assert (plain.api, own.address) == ("chat", "b:1")


def test_a_key_goes_to_the_server_that_it_is_for_and_to_no_other() -> None:
    calls: list[LlmCallRow] = []
    with ModelServer(server.policy(SOURCE)) as first, ModelServer(server.policy(SOURCE)) as second:
        models = config(
            {"model": "one"},
            {"model": "two", "base_url": second.url},
            {"model": "three", "base_url": second.url, "api_key_env": "SECOND_KEY"},
            base_url=first.url,
            api_key_env="FIRST_KEY",
        )
        keys = keys_of(models, {"FIRST_KEY": "key-of-the-first", "SECOND_KEY": "key-of-second"})
        proposer = OpenAiProposer(models, keys, StillClock())
        for iteration in range(1, 13):
            proposer.propose(request(calls, iteration=iteration))

    sent = {
        (received.body["model"], received.headers["authorization"])
        for received in (*first.requests, *second.requests)
    }
    assert sent == {
        ("one", "Bearer key-of-the-first"),
        ("two", "Bearer no-key"),
        ("three", "Bearer key-of-second"),
    }
    assert {call.model: call.provider for call in calls} == {
        "one": first.url[7:-3],
        "two": second.url[7:-3],
        "three": second.url[7:-3],
    }
    assert proposer.model == "one, two, three"


def test_every_key_that_is_needed_is_found_or_missed_by_name() -> None:
    both = config({"model": "a"}, {"model": "b", "api_key_env": "OTHER"})

    assert keys_of(both, {"OPENAI_API_KEY": "k1", "OTHER": "k2"}) == {
        "OPENAI_API_KEY": "k1",
        "OTHER": "k2",
    }
    with pytest.raises(ConfigError, match="variable OTHER holds no key"):
        keys_of(both, {"OPENAI_API_KEY": "k1"})


def test_a_model_at_openai_beside_a_server_of_ones_own_names_its_key() -> None:
    mixed = config(
        {"model": "gpt", "base_url": "https://api.openai.com/v1"}, base_url="http://local:1/v1"
    )

    with pytest.raises(ConfigError, match=r"'gpt' at api\.openai\.com needs a key"):
        keys_of(mixed, {"OPENAI_API_KEY": "k1"})


def test_proposers_without_a_model_need_no_key() -> None:
    assert keys_of(ProposerConfig(), {"OPENAI_API_KEY": "k"}) == {}
    assert keys_of(ProposerConfig(kind="replay", replay_of="e"), {}) == {}
