"""The configuration of a sweep: its members, what they are called, and what is refused and how."""

from pathlib import Path

import pytest

from flows.errors import ConfigError
from flows.proposers.choices import OPENAI_URL, keys_of, model_settings
from flows.proposers.prices import price_list
from flows.settings.search import SearchConfig, experiment_id
from flows.settings.sweep import SweepConfig, load_sweep

LOCAL = "http://127.0.0.1:9/v1"
SWEEP = f"""
name = "mine"
[proposer]
temperature = 0.5
[sweep]
efforts = ["low", "high"]
strategies = ["refine", "evolve"]
seeds = [1, 2]
offline = true
[[sweep.models]]
model = "a"
[[sweep.models]]
model = "b"
base_url = "{LOCAL}"
api_key_env = "B_KEY"
efforts = []
prices = {{ input_per_million = 1.0, output_per_million = 2.0 }}
"""


def load(folder: Path, text: str, **flags: object) -> SweepConfig:
    path = folder / "sweep.toml"
    path.write_text(text, encoding="utf-8")
    return load_sweep(path, flags)


def test_members_are_the_product_of_the_axes_with_seeds_outermost(tmp_path: Path) -> None:
    members = load(tmp_path, SWEEP).members()

    assert [each.label for each in members[:8]] == [
        "a low, refine, seed 1",
        "a low, evolve, seed 1",
        "a high, refine, seed 1",
        "a high, evolve, seed 1",
        "b, refine, seed 1",
        "b, evolve, seed 1",
        "offline, refine, seed 1",
        "offline, evolve, seed 1",
    ]
    assert [each.seed for each in members] == [1] * 8 + [2] * 8
    assert [each.number for each in members] == list(range(1, 17))


def test_a_member_is_an_ordinary_search_with_an_id_of_its_own(tmp_path: Path) -> None:
    members = load(tmp_path, SWEEP).members()

    ids = {experiment_id(each.config) for each in members}
    again = [SearchConfig.model_validate(each.config.model_dump(mode="json")) for each in members]
    assert len(ids) == len(members)
    assert {experiment_id(each) for each in again} == ids
    assert members[1].config.name == "mine a low evolve 1"
    assert members[6].config.proposer == SearchConfig().proposer


def test_each_model_is_asked_at_its_server_with_its_effort_key_and_prices(tmp_path: Path) -> None:
    low, *_, local, _, _, _ = load(tmp_path, SWEEP).members()[:8]

    [first], [second] = (model_settings(each.config.proposer) for each in (low, local))
    assert (first.model, first.base_url, first.reasoning_effort) == ("a", OPENAI_URL, "low")
    assert (second.model, second.base_url, second.reasoning_effort) == ("b", LOCAL, None)
    assert (first.temperature, second.temperature) == (0.5, 0.5)
    prices = price_list(local.config.proposer.prices)
    assert prices.cost_usd("b", LOCAL, 1_000_000, 0, 1_000_000) == 3.0
    keys = {"OPENAI_API_KEY": "of-openai", "B_KEY": "of-b"}
    assert keys_of(local.config.proposer, keys) == {"B_KEY": "of-b"}


def test_an_axis_that_is_left_out_has_the_value_of_the_search(tmp_path: Path) -> None:
    text = 'seed = 7\nstrategy = "evolve"\n[proposer]\nkind = "openai"\nmodel = "m"\n'

    [member] = load(tmp_path, f'{text}reasoning_effort = "high"\n').members()
    [offline] = load(tmp_path, "seed = 7\n").members()

    assert member.label == "m high, evolve, seed 7"
    assert offline.label == "offline, refine, seed 7"


def test_flags_replace_axes_and_choose_among_the_models_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP, encoding="utf-8")

    chosen = load_sweep(path, {"sweep.seeds": [3], "sweep.offline": False}, models=["b"])
    named = load_sweep(None, {}, models=["x", "y"])

    assert [each.label for each in chosen.members()] == ["b, refine, seed 3", "b, evolve, seed 3"]
    assert [each.model for each in named.members()] == ["x", "y"]
    with pytest.raises(ConfigError, match=r"sweep\.models has no model 'c': --model takes one of"):
        load_sweep(path, {}, models=["c"])


def test_equal_names_at_two_servers_are_told_apart_and_long_ones_still_name_a_search(
    tmp_path: Path,
) -> None:
    other = "http://user:pw@other:8000/v1"
    long = "an/extremely-long-name-of-a-model-that-nobody-can-remember-at-all"
    models = (
        f'["{long}", {{model = "m", base_url = "{LOCAL}"}}, {{model = "m", base_url = "{other}"}}]'
    )

    first, second, third = load(tmp_path, f"[sweep]\nmodels = {models}\n").members()

    assert (second.model, third.model) == ("m at 127.0.0.1:9", "m at other:8000")
    assert len(first.config.name) <= 61 and first.config.name.endswith(" refine 0")


def test_a_wrong_sweep_is_refused_by_file_key_and_value(tmp_path: Path) -> None:
    told = {
        "[sweep]\nseeds = [1, 2, 1]": "sweep.seeds: 1 stands in seeds twice: remove one",
        "[sweep]\nseeds = [-1]": "sweep.seeds.0: input should be greater than or equal to 0",
        '[sweep]\nstrategies = ["best"]': "sweep.strategies.0: input should be 'refine'",
        '[sweep]\nmodel = ["a"]': "unknown key 'sweep.model': did you mean 'models'?",
        '[[sweep.models]]\nmodell = "a"': "unknown key 'sweep.models.0.modell': did you mean",
        "[[sweep.models]]\nefforts = []": "sweep.models.0.model: field required",
        '[[sweep.models]]\nmodel = "a"\nweight = 2': "weight is given for model 'a', but a sweep",
        '[[sweep.models]]\nmodel = "a"\nreasoning_effort = "low"': 'as in efforts = ["high"]',
        '[[sweep.models]]\nmodel = "a"\nprices = { input_per_million = 1 }': (
            "sweep.models.0.prices.output_per_million: field required"
        ),
        '[sweep]\nmodels = ["a", "b", "a"]': "a, refine, seed 0 is in the sweep twice",
        '[sweep]\nefforts = ["low"]': "sweep.efforts has no effect where no model is asked",
        "[sweep.budget]\ndollar = 1": "unknown key 'sweep.budget.dollar': did you mean 'dollars'?",
        '[proposer]\nkind = "offline"\n[sweep]\nmodels = ["a"]': "proposer.kind is 'offline', but",
        '[proposer]\nkind = "replay"\nreplay_of = "x"': "a sweep replays nothing",
        '[proposer.prices.a]\ninput_per_milion = 1\n[sweep]\nmodels = ["a"]': (
            "unknown key 'proposer.prices.a.input_per_milion': did you mean 'input_per_million'?"
        ),
    }
    for text, words in told.items():
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, f"{text}\n")
        assert words in str(caught.value), (text, str(caught.value))
        assert str(tmp_path / "sweep.toml") in str(caught.value), text


def test_a_file_in_the_folder_sends_no_key_of_the_environment_to_its_models() -> None:
    planted = {"ASSAY_SWEEP__MODELS": f'[{{model = "m", base_url = "{LOCAL}", api_key_env = "K"}}]'}

    with pytest.raises(ConfigError, match="names a server"):
        load_sweep(None, {}, {"K": "a-key"}, planted)
    assert load_sweep(None, {}, {}, planted).members()[0].model == "m"
