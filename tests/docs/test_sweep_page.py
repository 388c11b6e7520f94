"""The page on sweeps: its file is read, its commands run against a local server."""

import shlex
from pathlib import Path

import pytest

from flows.settings.sweep import load_sweep
from simulator.domain import find_domain
from tests.docs.pages import DOCS, blocks, follows
from tests.support import model_server as server
from tests.support.in_process import command
from tests.support.model_server import ModelServer
from tests.support.small_suite import write_suite

PAGE = DOCS / "sweep.md"
LOCAL = "http://127.0.0.1:8000/v1"


def saved(folder: Path) -> Path:
    [block] = blocks(PAGE, "toml")
    assert block.file_name == "sweep.toml"
    path = folder / block.file_name
    path.write_text(block.take(), encoding="utf-8")
    return path


def test_the_file_of_the_page_has_the_searches_that_it_says(tmp_path: Path) -> None:
    members = load_sweep(saved(tmp_path), {}).members()

    assert [each.label for each in members[:5]] == [
        "gpt-5-mini low, refine, seed 1",
        "gpt-5-mini high, refine, seed 1",
        "gpt-5 medium, refine, seed 1",
        "qwen3-coder, refine, seed 1",
        "offline, refine, seed 1",
    ]
    assert len(members) == 15


@pytest.mark.slow
@pytest.mark.nightly  # by day tests/flows/test_sweep.py and tests/prefect/test_sweep_flow.py
@follows(PAGE, "sh", "toml")
def test_the_commands_of_the_page_run_against_a_local_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As they are written, but at a local server, on a small suite, with fewer searches."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / ".assay"))
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-of-ones-own")
    file, suite = saved(tmp_path), write_suite(tmp_path)
    lines = [line for block in blocks(PAGE, "sh") for line in block.take().splitlines()]
    few = f"--candidates 1 --cell process --suite {suite} --set baselines=[]"
    with ModelServer(server.policy(find_domain().policy_source("naive") + "# mine\n")) as running:
        text = file.read_text(encoding="utf-8").replace(LOCAL, running.url)
        prices = "{ input_per_million = 1.0, output_per_million = 2.0 }"
        text = text.replace('model = "gpt-5', f'prices = {prices}\nmodel = "gpt-5')
        file.write_text(text, encoding="utf-8")
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        typed = [line for line in lines if line.startswith("assay ")]
        fewer = "--seed 1 --model gpt-5"
        words = [
            shlex.split(f"{line} {few} {fewer if 'toml' in line and 'dry' not in line else ''}")[1:]
            for line in (line.replace("--seed 2", "") for line in typed)
        ]
        done = [command(capsys, *each) for each in words]

    assert [each.code for each in done] == [0] * 4, [each.err for each in done]
    plan, run, report, strategies = (each.out for each in done)
    assert "qwen3-coder" in plan and "search 2 of 2: offline, refine, seed 1" in run
    assert "gpt-5" in report and "page: .assay/sweeps/paper-models/sweep.html" in report
    assert "evolve" in strategies
    assert len(running.requests) == 1
