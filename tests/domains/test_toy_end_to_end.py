"""Everything that Assay does, on a domain that no line of it knows."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import model_server as behaves
from tests.support.command import assay
from tests.support.domains import TOY_FOLDER, copy_of_the_toy, toy
from tests.support.in_process import command_at
from tests.support.model_server import ModelServer
from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow

OLDEST_SHORT_JOB = """
@register_queue_init(key="mine")
def init(queue):
    queue.started = 0

@register_queue(key="mine")
def step(queue):
    if queue.running is not None or not queue.waiting:
        return None
    queue.started += 1
    return min(queue.waiting, key=lambda job: (job.estimate // 8, job.number))
"""
OF_PIPELINES = re.compile(r"pipeline|priorit|\bticks?\b|\bpools?\b|containers?\b|naive", re.I)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the toy in it, and a home with two searches: offline, and with a model."""
    here = tmp_path_factory.mktemp("toy")
    copy_of_the_toy(here / "queue")
    (here / "mine.py").write_text(OLDEST_SHORT_JOB)
    search = ("run", "--direct", "--domain", "./queue", "--cell", "process")
    type_in(here, *search, "--name", "offline", "--candidates", "2")
    with ModelServer(behaves.policy(OLDEST_SHORT_JOB), behaves.prose()) as server:
        asked = ("--proposer", "openai", "--model", "any", "--base-url", server.url)
        type_in(here, *search, "--name", "asked", "--candidates", "2", *asked, key="key")
        sent = [json.dumps(request.body) for request in server.requests]
    (here / "sent.json").write_text(json.dumps(sent))
    return here


def type_in(folder: Path, *arguments: str, key: str = "") -> str:
    """Return what a command prints that must succeed."""
    done = assay(*arguments, home=folder / "home", folder=folder, OPENAI_API_KEY=key)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(folder: Path, statement: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(type_in(folder, "sql", statement, "--format", "json"))
    return rows


def test_a_search_without_a_model_finds_a_better_policy(folder: Path) -> None:
    (best,) = ask(folder, "from leaderboard where experiment = 'offline' and is_best")
    tried = ask(folder, "select distinct outcome from candidates where iteration > 0")

    assert best["validation_score"] > 1.2
    assert {"outcome": "ok"} in tried


def test_a_model_is_told_of_this_domain_alone_and_its_policy_is_tried(folder: Path) -> None:
    sent = json.loads((folder / "sent.json").read_text())
    scores = ask(
        folder, "select score from candidates where experiment_id like 'asked-%' and iteration = 1"
    )

    contract = (TOY_FOLDER / "contract.md").read_text().splitlines()
    assert json.dumps(contract[-2])[1:-1] in sent[0]
    assert "mean time in the system" in sent[0]
    assert OF_PIPELINES.findall(sent[0]) == []
    assert scores[0]["score"] > 1.2


def test_a_policy_is_evaluated_and_compared(folder: Path) -> None:
    named = ("--domain", "./queue", "--cell", "process")

    evaluated = json.loads(type_in(folder, "evaluate", "mine.py", *named, "--json"))
    compared = json.loads(type_in(folder, "compare", "mine.py", "fifo", *named, "--json"))

    assert (evaluated["domain"]["name"], evaluated["outcome"]) == ("one-server", "ok")
    assert len(evaluated["evaluations"]) >= 4
    assert evaluated["score"] > 1.2
    assert "mine" in json.dumps(compared)


def test_the_history_names_domain_cost_and_unit(folder: Path) -> None:
    rows = ask(folder, "select distinct domain, domain_version, cost_unit from evaluations")
    (size,) = ask(
        folder, "select distinct size::varchar as size from scenarios where scenario = 'calm-1'"
    )
    figures = ask(
        folder,
        "select cost, metrics->>'$.mean_seconds_in_system' as figure from evaluations "
        "where outcome = 'ok' limit 50",
    )

    assert rows == [{"domain": "one-server", "domain_version": "1", "cost_unit": "s"}]
    assert json.loads(size["size"]) == {"jobs": 25}
    assert figures
    assert all(float(row["figure"]) == row["cost"] for row in figures)


def test_the_report_shows_what_the_domain_declares(folder: Path) -> None:
    type_in(folder, "report", "offline")

    (page,) = (folder / "home" / "experiments").glob("offline-*/report.html")
    text = re.sub(r"<(script|style).*?</\1>", "", page.read_text(), flags=re.DOTALL)
    for label in ("Mean time in the system", "jobs finished", "server busy", "fifo"):
        assert label in text
    assert OF_PIPELINES.findall(text) == []


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("show best", "(1.0 is fifo)"),
        ("policies list --domain ./queue", "shortest"),
        ("policies show shortest --domain ./queue", "register_queue"),
        ("policies check mine.py --domain ./queue", "no problems found"),
        ("prompts show", "queue.waiting"),
        ("traces list --domain ./queue", "calm-1"),
        ("traces describe small --domain ./queue", "calm-1"),
        ("db check", ""),
        ("export tables", "manifest.json"),
    ],
)
def test_a_command_speaks_of_this_domain(
    folder: Path,
    command: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    run = command_at(folder / "home", monkeypatch, capsys)
    monkeypatch.setenv("ASSAY_DOMAIN", "./queue")

    done = run(*command.split())

    assert (done.code, done.err) == (0, "")
    assert said in done.out
    if not command.startswith(("export", "db")):
        assert OF_PIPELINES.findall(done.out) == []


def test_what_init_writes_can_be_searched_with(folder: Path) -> None:
    type_in(folder, "init", "started", "--domain", "./queue")

    search = ("run", "--direct", "--config", "started/assay.toml", "--cell", "process")
    printed = type_in(folder, *search, "--name", "begun", "--candidates", "1")

    assert "begun" in printed


def test_a_search_is_not_continued_with_another_content_of_the_domain(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    with (tmp_path / "copy" / "queue" / "cell.py").open("a") as file:
        file.write("\n")
    again = ("run", "--direct", "--domain", "./queue", "--cell", "process", "--name", "offline")

    done = assay(
        *again, "--candidates", "6", home=tmp_path / "copy" / "home", folder=tmp_path / "copy"
    )

    assert done.returncode == 2
    assert "domain one-server has changed since" in done.stderr


def test_no_line_of_the_packages_names_the_toy() -> None:
    name = toy().name
    words = [name, name.replace("-", "_"), "register_queue", "mean_seconds_in_system"]
    places = ["flows", "sandbox", "simulator"]

    found = subprocess.run(
        ["git", "grep", "-n", "-i", "-E", "|".join(words), "--", *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert (found.returncode, found.stdout) == (1, "")
