"""Settings from the environment, ``.env`` and ``KEY=VALUE``: what wins, what is refused."""

import re
from pathlib import Path

import pytest

from flows.errors import ConfigError
from flows.settings.search import SearchConfig, load_config
from flows.settings.sources import assignments, environment_settings, read_dotenv
from tests.support.command import assay
from tests.support.in_process import command

ROOT = Path(__file__).resolve().parents[2]


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "search.toml"
    path.write_text('suite = "paper"\nseed = 1\nslots = 1\n[proposer]\ntries = 9\n')
    environment = {"ASSAY_SEED": "2", "ASSAY_SLOTS": "2", "ASSAY_PROPOSER__TRIES": "7"}

    config = load_config(path, {"slots": 3}, environment)

    assert (config.suite, config.seed, config.slots, config.proposer.tries) == ("paper", 2, 3, 7)


def test_lists_and_tables_are_written_as_in_toml() -> None:
    environment = {
        "ASSAY_BASELINES": '["naive", "priority"]',
        "ASSAY_PROPOSER__MODELS": '[{model = "small"}, {model = "large", weight = 0.2}]',
        "ASSAY_PROPOSER__KIND": "openai",
    }

    config = load_config(None, {}, environment)

    assert config.baselines == ("naive", "priority")
    assert [(each.model, each.weight) for each in config.proposer.models] == [
        ("small", 1.0),
        ("large", 0.2),
    ]


def test_what_is_no_setting_is_passed_over() -> None:
    environment = {
        "ASSAY_HOME": "/h",
        "ASSAY_SEED": "",
        "PATH": "/bin",
        "ASSAY_SETUP_DIR": "d",
        "ASSAY_FOLDER": "/f",
    }

    assert environment_settings({**environment, "ASSAY_EVALUATOR_SUITE": "smoke"}) == {}


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(
        ConfigError, match=r"ASSAY_SIUTE: unknown key 'siute': did you mean 'suite'"
    ):
        load_config(None, {}, {"ASSAY_SIUTE": "smoke"})
    with pytest.raises(ConfigError, match=r"ASSAY_BUDGET__MINUTES: budget.minutes: .*got 'soon'"):
        load_config(None, {}, {"ASSAY_BUDGET__MINUTES": "soon"})


def test_variables_count_for_the_search_of_each_night_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "search.toml"
    path.write_text('suite = "paper"\n')
    monkeypatch.setenv("ASSAY_BUDGET__MINUTES", "soon")

    done = command(capsys, "serve", "--config", path, "--cron", "never")

    assert done.code == 2
    assert "ASSAY_BUDGET__MINUTES: budget.minutes: " in done.err


def test_any_key_can_be_set_and_unset_by_a_flag() -> None:
    given = assignments(["guards.gap_percent=20", "baselines=['naive']", "budget.minutes="])

    config = load_config(None, given, {"ASSAY_BUDGET__MINUTES": "5"})

    assert config.guards.gap_percent == 20
    assert config.baselines == ("naive",)
    assert config.budget.minutes is None


def test_a_flag_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not KEY=VALUE"):
        assignments(["guards.gap_percent"])


def test_the_file_is_read_as_other_programs_read_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "# mine\nexport ASSAY_SUITE=paper   # small\nASSAY_NAME='a b'\n"
        'TOKEN="x\\"y\\nz" # quoted\nEMPTY=\nHOME=/nowhere\nOTHER=$HOME\n\n'
        'not an assignment\nKEY="-----BEGIN\nMII\n'
    )

    assert read_dotenv(tmp_path) == {
        "HOME": "/nowhere",
        "ASSAY_SUITE": "paper",
        "ASSAY_NAME": "a b",
        "TOKEN": 'x"y\nz',
        "EMPTY": "",
        "OTHER": "$HOME",
    }


def test_a_setting_in_the_file_that_cannot_be_read_is_an_error_without_its_value(
    tmp_path: Path,
) -> None:
    for text in ('\nASSAY_NAME="secret\n', "A=1\nASSAY_NAME secret", "A=1\nASSAY_NAME=\0secret"):
        (tmp_path / ".env").write_text(text)

        with pytest.raises(ConfigError, match=r"\.env:2: is not NAME=VALUE") as caught:
            read_dotenv(tmp_path)
        assert "secret" not in str(caught.value)


def test_a_folder_without_the_file_is_fine(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()

    assert read_dotenv(tmp_path) == read_dotenv(tmp_path / "missing") == {}


def test_the_environment_wins_over_the_file_and_that_over_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "search.toml"
    path.write_text("seed = 1\nslots = 1\n")

    config = load_config(path, {}, {"ASSAY_SEED": "3"}, {"ASSAY_SEED": "2", "ASSAY_SLOTS": "2"})

    assert (config.seed, config.slots) == (3, 2)
    with pytest.raises(ConfigError, match=r"^\.env: ASSAY_SIUTE: unknown key"):
        load_config(None, {}, {}, {"ASSAY_SIUTE": "smoke"})


def test_every_command_reads_the_file_and_shows_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("ASSAY_SUITE=nowhere-to-be-found\nOPENAI_API_KEY=sk-secret\n")

    done = assay("run", "--direct", home=tmp_path / "home")

    assert done.returncode == 2
    assert "unknown suite 'nowhere-to-be-found'" in done.stderr
    assert "sk-secret" not in done.stdout + done.stderr


def test_the_users_own_defaults_come_last_section_by_section(tmp_path: Path) -> None:
    personal = tmp_path / "assay" / "config.toml"
    personal.parent.mkdir()
    personal.write_text("slots = 3\n[proposer]\nmax_output_tokens = 999\ntries = 2\n")
    file = tmp_path / "search.toml"
    file.write_text("[proposer]\ntries = 5\n")

    config = load_config(file, {}, {"XDG_CONFIG_HOME": str(tmp_path)})

    assert (config.slots, config.proposer.max_output_tokens, config.proposer.tries) == (3, 999, 5)


def test_a_mistake_in_the_users_own_defaults_names_their_file(tmp_path: Path) -> None:
    personal = tmp_path / ".config" / "assay" / "config.toml"
    personal.parent.mkdir(parents=True)
    personal.write_text("[budget]\ncandidates = 0\n")

    with pytest.raises(ConfigError, match=rf"^{personal}: budget\.candidates: .* got 0$"):
        load_config(None, {}, {"HOME": str(tmp_path)})


def test_every_variable_that_our_programs_read_is_a_setting_or_known_as_none() -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for place, pattern in (("flows", "*.py"), ("sandbox", "*.py"), ("scripts", "*.sh"))
        for path in (ROOT / place).rglob(pattern)
    ]
    read = {name for text in texts for name in re.findall(r"\bASSAY_([A-Z]\w*)", text)}

    settings = environment_settings({f"ASSAY_{name}": "1" for name in read})

    sections = {key.partition(".")[0] for key in settings}
    assert read and sections <= SearchConfig.model_fields.keys()
