"""The page about models: its configurations are read, its commands run against a local server."""

import shlex
from pathlib import Path

import pytest

from flows.proposers.choices import keys_of, model_settings
from flows.proposers.prices import price_list
from flows.settings.search import load_config
from flows.settings.sections import ProposerConfig
from simulator.domains.pipelines.library import policy_source
from tests.docs.pages import DOCS, blocks, follows
from tests.support import model_server as server
from tests.support.in_process import command
from tests.support.model_server import ModelServer
from tests.support.small_suite import write_suite

PAGE = DOCS / "models.md"
LOCAL = "http://127.0.0.1:8000/v1"


def saved(folder: Path) -> dict[str, Path]:
    """Save the files of the page and return them by name."""
    files = {}
    for block in blocks(PAGE, "toml"):
        if block.file_name is not None:
            files[block.file_name] = folder / block.file_name
            files[block.file_name].write_text(block.take(), encoding="utf-8")
    return files


def test_the_file_with_everything_names_every_key_of_one_model(tmp_path: Path) -> None:
    proposer = load_config(saved(tmp_path)["search.toml"], {}).proposer

    elsewhere = {"models", "api_key_env", "replay_of", "prices"}
    assert proposer.model_fields_set == set(ProposerConfig.model_fields) - elsewhere
    assert (proposer.temperature, proposer.tries) == (0.8, 4)


def test_the_file_with_several_models_gives_each_its_server_and_key(tmp_path: Path) -> None:
    proposer = load_config(saved(tmp_path)["models.toml"], {}).proposer

    shares = [(each.model, each.weight, each.address) for each in model_settings(proposer)]
    assert shares == [
        ("gpt-5-nano", 4, "api.openai.com"),
        ("gpt-5", 1, "api.openai.com"),
        ("local", 1, "127.0.0.1:8000"),
    ]
    keys = {"OPENAI_API_KEY": "a", "LOCAL_KEY": "b"}
    assert keys_of(proposer, keys) == keys


def test_the_file_with_prices_is_read(tmp_path: Path) -> None:
    prices = price_list(saved(tmp_path)["prices.toml"])

    assert prices.cost_usd("local", LOCAL, 1_000_000, 0, 1_000_000) == 0.75


@pytest.mark.slow
@follows(PAGE, "sh", "toml")
def test_the_commands_of_the_page_run_against_a_local_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they are written, but for the server's address, a small suite and one candidate, which is
    no better than the baseline: what is better is tried more often."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / ".assay"))
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-ones-own")
    files = saved(tmp_path)
    few = f"--direct --candidates 1 --cell process --baseline naive --suite {write_suite(tmp_path)}"
    with ModelServer(server.policy(policy_source("naive") + "# mine\n")) as running:
        lines = [_cut_short(line, few, files).replace(LOCAL, running.url) for line in _commands()]
        done = [command(capsys, *shlex.split(line)[1:]) for line in lines]

    assert [each.code for each in done] == [0] * 5, [each.err for each in done]
    assert "local" in done[3].out and "gpt-5-mini" in done[3].out
    assert "experiment search-replay-" in done[4].out


def _commands() -> list[str]:
    lines = [line for block in blocks(PAGE, "sh") for line in block.take().splitlines()]
    return [line for line in lines if line.startswith("assay ")]


def _cut_short(line: str, few: str, files: dict[str, Path]) -> str:
    """Return a command for one candidate; the model of OpenAI is asked at the local server."""
    if not line.startswith("assay run"):
        return line
    if "gpt-5-mini" in line:
        prices = files["prices.toml"].read_text(encoding="utf-8").replace("local", "gpt-5-mini")
        files["prices.toml"].with_name("mini.toml").write_text(prices, encoding="utf-8")
        few += f" --base-url {LOCAL} --prices mini.toml"
    return f"{line} {few}"
