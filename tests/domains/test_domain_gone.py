"""What was found with a domain that is not here any more can still be read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import assay
from tests.support.domains import copy_of_the_toy
from tests.support.in_process import Done, command_at

Assay = Callable[..., Done]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a search in a domain whose folder was then deleted."""
    here = tmp_path_factory.mktemp("gone")
    folder = copy_of_the_toy(here / "queue")
    search = ("run", "--direct", "--domain", "./queue", "--cell", "process", "--name", "mine")
    done = assay(*search, "--candidates", "1", home=here / "home", folder=here)
    assert done.returncode == 0, done.stderr
    (next((here / "home" / "experiments").iterdir()) / "report.html").rename(here / "before.html")
    shutil.rmtree(folder)
    return here / "home"


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Assay:
    monkeypatch.chdir(home.parent)
    return command_at(home, monkeypatch, capsys)


def test_the_report_is_the_same(run: Assay, home: Path) -> None:
    done = run("report", "mine", "--out", "after.html")

    assert (done.code, done.err) == (0, "")
    before, after = (home.parent / name for name in ("before.html", "after.html"))
    assert "server busy" in after.read_text()
    assert after.stat().st_size == pytest.approx(before.stat().st_size, rel=0.01)


def test_attempts_and_figures_are_shown(run: Assay) -> None:
    shown = run("show", "0/0")
    statement = "select jobs_finished, jobs from one_server_evaluations where outcome = 'ok'"
    figures = run("sql", statement, "--format", "json")
    best = run("sql", "select domain from leaderboard where is_best", "--format", "json")

    assert (shown.code, figures.code, best.code) == (0, 0, 0)
    assert "finished" in shown.out
    assert all(0 < row["jobs_finished"] <= row["jobs"] for row in json.loads(figures.out))
    assert json.loads(best.out) == [{"domain": "one-server"}]


@pytest.mark.parametrize(
    "command",
    [
        "run --direct --domain ./queue --cell process --name mine --candidates 3",
        "evaluate fifo --domain ./queue --cell process",
        "doctor --domain ./queue --cell process",
    ],
)
def test_what_needs_the_domain_says_so_in_one_line(run: Assay, command: str) -> None:
    done = run(*command.split())

    assert done.code == 2
    assert "'queue': there is no such folder" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_rebuild_needs_no_domain_either(run: Assay) -> None:
    rebuilt, checked = run("db", "rebuild"), run("db", "check")
    asked = run("sql", "select count(*) as n from one_server_evaluations", "--format", "json")

    assert (rebuilt.code, checked.code) == (0, 0)
    assert json.loads(asked.out)[0]["n"] > 0
