"""``assay init``: a configuration that cannot drift from its models, and a policy to change."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from flows.cli.policies import starter_policy
from flows.judging.scoring import geometric_mean
from flows.settings.page import config_toml
from flows.settings.search import SearchConfig, load_config
from sandbox.screen import screen
from simulator.domain import find_domain
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.library import PIPELINES, load_suite, policy_source
from tests.support.in_process import command


def keys(model: type[BaseModel], path: str = "") -> list[tuple[str, Any]]:
    """Return every key of a configuration with its field."""
    found = []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{path}{name}.")
        else:
            found.append((path + name, field))
    return found


def test_both_files_are_written_and_what_to_do_next_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = command(capsys, "init", tmp_path / "new folder")

    assert (done.code, done.err) == (0, "")
    assert sorted(path.name for path in (tmp_path / "new folder").iterdir()) == [
        "assay.toml",
        "my_policy.py",
    ]
    assert f"assay evaluate '{tmp_path}/new folder/my_policy.py'" in done.out


def test_the_current_folder_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    done = command(capsys, "init")

    assert done.code == 0
    assert "assay run --config assay.toml" in done.out


@pytest.mark.parametrize("name", ["assay.toml", "my_policy.py"])
def test_nothing_is_overwritten_and_then_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")

    done = command(capsys, "init", tmp_path)

    assert done.code == 2
    assert f"{tmp_path / name} would be overwritten" in done.err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_a_folder_that_cannot_be_made_is_bad_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")

    done = command(capsys, "init", tmp_path / "file" / "folder")

    assert done.code == 2
    assert "cannot be written: Not a directory" in done.err


def test_the_written_configuration_is_the_default_one(tmp_path: Path) -> None:
    path = tmp_path / "assay.toml"
    path.write_text(config_toml(find_domain()), encoding="utf-8")

    assert load_config(path, {}) == SearchConfig()


def test_every_key_is_there_with_its_meaning() -> None:
    text = config_toml(find_domain())
    written = [line.removeprefix("# ").partition(" ")[0] for line in text.splitlines()]

    for key, field in keys(SearchConfig):
        assert field.description, f"{key} has no description"
        name = key.rpartition(".")[2]
        assert name in written or f"# [[{key}]]" in text, key


def test_what_has_no_default_is_ready_to_be_uncommented() -> None:
    text = config_toml(find_domain())
    for before, after in (
        ('# model = "..."  # the model\'s name at that', 'model = "any"  #'),
        ("# minutes = 0", "minutes = 5"),
        ("# temperature = 0  # sampling", "temperature = 1  #"),
    ):
        assert before in text
        text = text.replace(before, after)

    config = SearchConfig.model_validate(tomllib.loads(text))

    assert (config.proposer.model, config.proposer.temperature) == ("any", 1.0)
    assert config.budget.minutes == 5.0


def test_no_line_is_too_long_to_read() -> None:
    assert max(map(len, config_toml(find_domain()).splitlines())) <= 100


def test_the_starter_policy_passes_the_screen_and_beats_naive_and_priority() -> None:
    scenarios = load_suite("smoke").split("validation")

    def latency(source: str) -> float:
        runs = [simulate(s.workload, s.params, local_policy(source)) for s in scenarios]
        return geometric_mean([run.metrics["weighted_latency_seconds"] for run in runs])

    own = latency(starter_policy(PIPELINES))

    assert screen(starter_policy(PIPELINES)) == ()
    assert len(starter_policy(PIPELINES).splitlines()) < 70
    assert 2 * own < latency(policy_source("priority")) < latency(policy_source("naive"))
