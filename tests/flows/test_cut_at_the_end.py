"""Killed in the moments in which it ends, a search leaves the same history and files as ever."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.history.journal import journal_files, read_rows
from flows.history.records import ArtifactRow
from tests.support.killing import Search
from tests.support.same_history import assert_same_history
from tests.support.small_suite import write_suite
from tests.support.warm import MODULES
from tests.support.zygote import Zygote

SETTINGS = """
suite = "{suite}"
cell = "process"
baselines = ["naive"]
guards.resamples = 1000
"""
LAST_LINES = ("artifact", "artifact", "experiment", "event", "event")
"""The report, the best policy, how the search ended twice, and what test says."""


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote(*MODULES) as started:
        yield started


@pytest.fixture(scope="module")
def calm(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a search that ended after two candidates, and then once more after three."""
    home = tmp_path_factory.mktemp("calm") / "home"
    suite = write_suite(home.parent, {"train": [1], "validation": [3], "test": [4]})
    (home.parent / "search.toml").write_text(SETTINGS.format(suite=suite), encoding="utf-8")
    search = a_search(zygote, home, home.parent, 2)
    search.finish()
    a_search(zygote, home, home.parent, 3).finish()
    return home


def a_search(zygote: Zygote, home: Path, settings: Path, candidates: int) -> Search:
    return Search(zygote, home, "--config", settings / "search.toml", "--candidates", candidates)


@pytest.mark.nightly  # by day tests/flows/test_search_resume.py: killed after any row
@pytest.mark.parametrize("lost", [1, 2, 3, 4, 5])
def test_killed_near_its_end_a_search_ends_as_if_nothing_had_happened(
    zygote: Zygote, calm: Path, tmp_path: Path, lost: int
) -> None:
    home = tmp_path / "home"
    shutil.copytree(calm, home)
    shutil.rmtree(home / "experiments")
    assert cut_lines(home, lost) == [f'"kind":"{kind}"' for kind in LAST_LINES[:lost]]

    a_search(zygote, home, calm.parent, 3).finish()

    assert_same_history(home, calm)
    for row in read_rows(home, next((home / "experiments").iterdir()).name):
        assert not isinstance(row, ArtifactRow) or (home / row.path).is_file()


def cut_lines(home: Path, count: int) -> list[str]:
    """Take away the last lines of the last journal; return their kinds, the last first."""
    journal = journal_files(home)[-1]
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    journal.write_text("".join(lines[:-count]), encoding="utf-8")
    return [line.split(",")[1] for line in reversed(lines[-count:])]
