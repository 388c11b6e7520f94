"""The report from a real history: rows go through the journal and the database into the page."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.history.journal import Journal
from flows.report.data import ReportData, ReportError, load
from flows.report.page import write_report
from tests.support.report_rows import EXPERIMENT, search_rows


def remember(home: Path, data: ReportData) -> None:
    """Write all rows of a search to a journal."""
    rows = (data.scenarios, data.candidates, data.evaluations)
    more = (data.prompts, data.calls, data.events, data.artifacts)
    with Journal(home, EXPERIMENT) as journal:
        journal.append_all([data.experiment, *(row for part in (*rows, *more) for row in part)])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with one search of twelve attempts, which no test here changes."""
    found = tmp_path_factory.mktemp("home")
    remember(found, search_rows(12))
    return found


def test_the_report_lies_beside_the_best_policy(home: Path) -> None:
    path = write_report(home, EXPERIMENT)

    assert path == home / "experiments" / EXPERIMENT / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [item.name for item in path.parent.iterdir()] == ["report.html"]


def test_what_was_recorded_is_what_the_report_reads(tmp_path: Path) -> None:
    data = search_rows(6, model=True)
    remember(tmp_path, data)

    read = load(tmp_path, EXPERIMENT)

    assert [row.source for row in read.candidates] == [row.source for row in data.candidates]
    assert [row.parents for row in read.candidates] == [row.parents for row in data.candidates]
    assert read.scenarios[0].params == data.scenarios[0].params
    assert read.experiment.config == data.experiment.config
    assert read.calls == tuple(
        replace(row, created_at=read.calls[0].created_at) for row in data.calls
    )
    assert {row.prompt_sha256 for row in read.prompts} == {
        row.prompt_sha256 for row in data.prompts
    }


def test_metrics_are_read_for_the_best_and_the_baselines_only(home: Path) -> None:
    read = load(home, EXPERIMENT)

    assert read.best is not None
    measured = {(row.iteration, row.slot) for row in read.evaluations if row.metrics is not None}
    assert measured == {(0, 0), (0, 1), (read.best.iteration, read.best.slot)}


def test_other_experiments_do_not_show_up(tmp_path: Path) -> None:
    remember(tmp_path, search_rows(6))
    other = replace(search_rows(1).attempts[0], experiment_id="other-1", title="a stranger")
    with Journal(tmp_path, "other-1") as journal:
        journal.append(other)

    assert "a stranger" not in write_report(tmp_path, EXPERIMENT).read_text(encoding="utf-8")


def test_a_report_goes_where_it_is_sent(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "new folder" / "page.html"

    assert write_report(home, EXPERIMENT, out) == out
    assert out.stat().st_size > 10_000


def test_an_unknown_experiment_is_named_with_the_nearest_known_one(home: Path) -> None:
    with pytest.raises(ReportError, match=rf"did you mean '{EXPERIMENT}'\?"):
        write_report(home, "made-up-1a2b3c4")


def test_an_empty_history_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="start one with: assay run"):
        write_report(tmp_path, "anything")


def test_a_place_that_cannot_be_written_is_an_error_with_a_way_out(home: Path) -> None:
    with pytest.raises(ReportError, match="name another file or make the folder writable"):
        write_report(home, EXPERIMENT, home)


def test_a_report_that_cannot_be_written_says_so_where_nothing_can_be_removed_either(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ReportError, match=r"file/page\.html cannot be written: .*name another"):
        write_report(home, EXPERIMENT, tmp_path / "file" / "page.html")
