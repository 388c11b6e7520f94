"""The configuration: what is accepted, what is refused and how, and what names an experiment."""

from pathlib import Path

import pytest

from flows.errors import ConfigError
from flows.settings.search import SearchConfig, config_sha256, experiment_id, load_config


def write(folder: Path, text: str) -> Path:
    path = folder / "search.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_nothing_given_is_a_whole_configuration() -> None:
    config = load_config(None, {})

    assert config == SearchConfig()
    assert (config.suite, config.proposer.kind, config.budget.candidates) == (
        "smoke",
        "offline",
        24,
    )


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'name = "mine"\nseed = 3\n[budget]\ncandidates = 50\nminutes = 2.5\n')

    config = load_config(path, {"budget.candidates": 7, "seed": 4})

    assert (config.name, config.seed) == ("mine", 4)
    assert (config.budget.candidates, config.budget.minutes) == (7, 2.5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('nmae = "x"', "unknown key 'nmae': did you mean 'name'?"),
        ("[budget]\ncandidate = 3", "unknown key 'budget.candidate': did you mean 'candidates'?"),
        ("zzz = 1", "unknown key 'zzz'; known keys: name, domain, suite"),
        ("[sweep]", "unknown key 'sweep': this is the file of a sweep, which assay sweep runs"),
        ("[budget]\ncandidates = 0", "budget.candidates: input should be greater than or equal"),
        ("[budget]\nminutes = nan", "budget.minutes: input should be"),
        ("[budget]\ndollars = inf", "budget.dollars: input should be a finite number"),
        ("name = 'a/b'", "name: expected a letter or digit, then at most 60 letters, digits,"),
        ("slots = 'two'", "slots: input should be a valid integer"),
        ('[proposer]\nkind = "openai"', "proposer: the openai proposer needs a model"),
        (
            '[proposer]\nkind = "oracle"',
            "proposer.kind: input should be 'offline', 'openai' or 'replay'",
        ),
        ("budget = 3", "budget: expected a table ([budget]), got 3"),
        (
            "[limits]\nmemory_mb = 1",
            "limits.memory_mb: input should be greater than or equal",
        ),
        ("name = ", "is not valid TOML"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        load_config(path, {})

    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_key_where_the_name_of_its_variable_belongs_is_not_repeated(tmp_path: Path) -> None:
    path = write(tmp_path, '[proposer]\nkind = "openai"\nmodel = "m"\napi_key_env = "sk-12"\n')

    with pytest.raises(ConfigError, match="the name of an environment variable") as caught:
        load_config(path, {})

    assert "sk-12" not in str(caught.value)


def test_a_missing_file_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_config(tmp_path / "missing.toml", {})
    with pytest.raises(ConfigError, match="not a text file"):
        load_config(binary, {})


def test_a_flag_cannot_reach_into_a_value(tmp_path: Path) -> None:
    path = write(tmp_path, "budget = 3")

    with pytest.raises(ConfigError, match="budget must be a table"):
        load_config(path, {"budget.candidates": 4})


def test_equal_configurations_are_one_experiment() -> None:
    one = load_config(None, {"name": "My search!".rstrip("!"), "seed": 1})
    same = load_config(None, {"seed": 1, "name": "My search"})
    other = load_config(None, {"seed": 2, "name": "My search"})

    assert experiment_id(one) == experiment_id(same)
    assert experiment_id(one).startswith("my-search-")
    assert experiment_id(one) != experiment_id(other)


def test_a_raised_budget_continues_the_same_experiment() -> None:
    small = load_config(None, {"budget.candidates": 10})
    large = load_config(None, {"budget.candidates": 20, "budget.minutes": 5})

    assert config_sha256(small) == config_sha256(large)
