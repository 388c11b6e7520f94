"""A model that nobody would ask is refused, wherever it is named and whatever is said of it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flows.errors import ConfigError
from flows.settings.search import SearchConfig, load_config
from tests.support.command import assay

MODEL = '[proposer]\nmodel = "m"\n'


def file(folder: Path, text: str) -> Path:
    path = folder / "search.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model", '"m"'),
        ("models", '[{model = "a", weight = 4}, {model = "b"}]'),
        ("base_url", '"http://127.0.0.1:8000/v1"'),
        ("api", '"chat"'),
        ("api_key_env", '"MY_KEY"'),
        ("temperature", "0"),
        ("reasoning_effort", '"high"'),
        ("prices", '"prices.toml"'),
        ("replay_of", '"search-1a2b3c4d"'),
    ],
)
def test_nothing_that_is_said_of_a_model_is_passed_over(
    tmp_path: Path, key: str, value: str
) -> None:
    path = file(tmp_path, f"[proposer]\n{key} = {value}\n")
    wanted = "replay" if key == "replay_of" else "openai"

    with pytest.raises(ConfigError) as caught:
        load_config(path, {})

    assert str(caught.value) == (
        f"{path}: proposer.{key} has no effect while proposer.kind is not set, which means "
        f'"offline": set proposer.kind = "{wanted}", or remove proposer.{key}'
    )


def test_the_variable_and_the_users_own_file_are_named(tmp_path: Path) -> None:
    own = tmp_path / "assay" / "config.toml"
    own.parent.mkdir()
    own.write_text(MODEL, encoding="utf-8")

    with pytest.raises(ConfigError, match=rf"^{own}: proposer\.model has no effect"):
        load_config(None, {}, {"XDG_CONFIG_HOME": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"^ASSAY_PROPOSER__MODEL: .* ASSAY_PROPOSER__KIND=ope"):
        load_config(None, {}, {"ASSAY_PROPOSER__MODEL": "m"})
    with pytest.raises(ConfigError, match=r"^ASSAY_PROPOSER: proposer\.model has no effect"):
        load_config(None, {}, {"ASSAY_PROPOSER": '{model = "m"}'})


def test_offline_beside_a_model_is_a_kind_that_was_left_as_it_was(tmp_path: Path) -> None:
    path = file(tmp_path, f'{MODEL}kind = "offline"\n')

    with pytest.raises(ConfigError, match=r'while proposer\.kind is "offline": set proposer\.kind'):
        load_config(path, {})
    with pytest.raises(ConfigError, match=r"^ASSAY_PROPOSER__MODEL: .* is \"offline\""):
        load_config(
            file(tmp_path, '[proposer]\nkind = "offline"'), {}, {"ASSAY_PROPOSER__MODEL": "m"}
        )


@pytest.mark.parametrize(
    ("overrides", "environment"),
    [({"proposer.kind": "offline"}, {}), ({}, {"ASSAY_PROPOSER__KIND": "offline"})],
)
def test_a_stronger_place_can_say_offline(
    tmp_path: Path, overrides: dict[str, str], environment: dict[str, str]
) -> None:
    path = file(tmp_path, f'{MODEL}kind = "openai"\n')

    config = load_config(path, overrides, environment)

    assert (config.proposer.kind, config.proposer.model) == ("offline", "m")


def test_a_flag_is_called_what_was_typed() -> None:
    with pytest.raises(ConfigError, match=r"^--base-url has no effect .* or leave --base-url out$"):
        load_config(None, {"proposer.base_url": "http://h:1/v1"})
    with pytest.raises(
        ConfigError, match=r"^--set proposer\.temperature has no effect with the offline proposer"
    ):
        load_config(None, {"proposer.temperature": "0.5"})


def test_what_is_said_by_default_needs_no_model() -> None:
    usual = {
        "proposer.api": "auto",
        "proposer.api_key_env": "OPENAI_API_KEY",
        "proposer.model": None,
    }

    assert load_config(None, usual) == SearchConfig()


@pytest.mark.parametrize(
    "proposer", [{"model": "m"}, {"models": [{"model": "m"}]}, {"base_url": "http://h:1/v1"}]
)
def test_parameters_of_a_flow_are_refused_likewise(proposer: dict[str, Any]) -> None:
    [key] = proposer

    with pytest.raises(ValidationError, match=f"{key} has no effect while kind is not set"):
        SearchConfig.model_validate({"proposer": proposer})

    assert SearchConfig.model_validate({"proposer": {**proposer, "kind": "offline"}})


def test_the_command_says_so_before_anything_is_searched(tmp_path: Path) -> None:
    path = file(tmp_path, MODEL)

    done = assay("run", "--direct", "--config", path, home=tmp_path / "home")

    assert done.returncode == 2
    assert "proposer.model has no effect" in done.stderr
    assert not (tmp_path / "home").exists()
