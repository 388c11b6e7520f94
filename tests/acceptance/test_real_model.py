"""A search with a real language model behind a real server: the path is tested, not the policies.

The model has 135 million parameters and writes nonsense more often than policies. What it
answers differs from run to run, so nothing here depends on what it says.
"""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.outcome import Outcome
from tests.support.command import assay

pytestmark = [pytest.mark.nightly, pytest.mark.docker, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".assay-setup" / "model" / "bin" / "python"
CONFIG = ROOT / "examples" / "small-model.toml"
CANDIDATES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running llama.cpp server."""

    url: str

    def count(self, metric: str) -> int:
        """Return a counter of the server itself."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return next(
            int(line.split()[1]) for line in lines if line.startswith(f"llamacpp:{metric} ")
        )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The server with the small model, started as `make demo-model` starts it."""
    assert PYTHON.exists(), "type make model: it installs the model and its server"
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [PYTHON, ROOT / "scripts" / "model_server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, (tmp_path / "log").read_text(encoding="utf-8")[-2000:]
        yield Server(url=address)


def test_a_real_model_is_asked_and_every_reply_is_counted_recorded_and_tried(
    server: Server, tmp_path: Path
) -> None:
    home = tmp_path / "home"

    done = assay(
        *("run", "--direct", "--config", CONFIG, "--base-url", f"{server.url}/v1"),
        *("--candidates", str(CANDIDATES), "--baseline", "naive"),
        home=home,
        timeout=3000,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"all {CANDIDATES} candidates were tried" in done.stdout
    candidates = _ask(home, "select outcome, origin from candidates where iteration > 0")
    assert [each["origin"] for each in candidates] == ["model"] * CANDIDATES
    assert {each["outcome"] for each in candidates} <= set(Outcome)
    calls = _ask(home, "select * from llm_calls order by iteration")
    assert len(calls) == CANDIDATES
    assert {each["model"] for each in calls} == {"smollm2-135m-instruct"}
    assert {each["outcome"] for each in calls} <= {"ok", "truncated"}
    assert all(each["reply"].strip() for each in calls)
    assert all(each["input_tokens"] > 1000 for each in calls)
    written = [each["output_tokens"] for each in calls]
    assert min(written) > 0
    assert server.count("tokens_predicted_total") == sum(written)


def test_the_demo_ends_well_says_what_became_of_the_replies_and_leaves_no_server(
    tmp_path: Path,
) -> None:
    environment = {**os.environ, "ASSAY_HOME": str(tmp_path)}

    done = subprocess.run(
        [ROOT / "scripts" / "demo-model.sh", "1"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished: all 1 candidates were tried" in done.stdout
    assert "demo-model: what became of its replies:" in done.stdout
    [reply] = _ask(tmp_path, "select outcome from candidates where iteration > 0")
    assert reply["outcome"] in done.stdout.split("what became of its replies:")[1]
    address = done.stdout.split("answers at ")[1].split()[0]
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{address}/health", timeout=10)


def _ask(home: Path, statement: str) -> list[dict[str, Any]]:
    shown = assay("sql", statement, "--format", "json", home=home)
    rows: list[dict[str, Any]] = json.loads(shown.stdout)
    return rows
