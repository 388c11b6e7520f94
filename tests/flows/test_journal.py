"""The journal keeps every row that was acknowledged, and reads back what was written."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from math import inf, nan
from pathlib import Path
from threading import Thread

import pytest

from flows.history.check import check
from flows.history.journal import (
    Journal,
    JournalError,
    JournalTooNewError,
    journal_files,
    read_rows,
)
from flows.history.records import CandidateRow
from flows.history.store import query
from flows.home import journal_folder
from tests.support.history_rows import AT, candidate, evaluation, experiment, one_of_each, remember


def test_rows_of_every_kind_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = one_of_each()

    remember(tmp_path, rows)

    assert list(read_rows(tmp_path, "night")) == rows


def test_a_line_says_version_kind_time_and_row(tmp_path: Path) -> None:
    with Journal(tmp_path, "night", now=lambda: datetime(2026, 3, 1, tzinfo=UTC)) as journal:
        journal.append(candidate(iteration=7))

    line = json.loads(journal.path.read_text())

    assert (line["v"], line["kind"], line["at"]) == (1, "candidate", "2026-03-01T00:00:00+00:00")
    assert line["row"]["iteration"] == 7


def test_every_journal_has_a_file_of_its_own(tmp_path: Path) -> None:
    paths = {remember(tmp_path, [candidate()]) for _ in range(3)}

    assert len(paths) == 3
    assert set(journal_files(tmp_path)) == paths
    assert {path.name.split(".")[0] for path in paths} == {"night"}


def test_the_newest_row_of_a_key_counts(tmp_path: Path) -> None:
    remember(tmp_path, [experiment(), candidate(), experiment(status="interrupted")])
    remember(tmp_path, [experiment(status="finished")])

    assert list(read_rows(tmp_path, "night")) == [experiment(status="finished"), candidate()]


def test_what_is_written_later_counts_even_when_the_clock_went_back(tmp_path: Path) -> None:
    remember(tmp_path, [experiment()])
    with Journal(tmp_path, "night", now=lambda: datetime(2001, 1, 1, tzinfo=UTC)) as journal:
        journal.append(experiment(status="finished"))

    assert list(read_rows(tmp_path, "night")) == [experiment(status="finished")]


def test_a_torn_last_line_is_ignored(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate(slot=slot) for slot in range(2)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])

    assert list(read_rows(tmp_path, "night")) == [candidate(slot=0)]


def test_a_doubled_line_changes_nothing(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate(), experiment()])
    path.write_bytes(path.read_bytes() * 2)

    assert list(read_rows(tmp_path, "night")) == [candidate(), experiment()]


@pytest.mark.parametrize(
    "line",
    [
        b'{"v":0,"kind":"candidate","at":"2026-03-01","row":{}}',
        b'{"v":1,"kind":null,"at":"2026-03-01","row":{}}',
        b'{"v":1,"kind":"candidate","at":"2026-03-01","row":{"iteration":1}}',
        b'{"v":1,"kind":"candidate","at":"someday","row":{}}',
        b"[]",
        b"NaN",
        b"\xff\xfe",
        b"[" * 100_000,
        b"",
    ],
)
def test_damaged_lines_are_passed_over(tmp_path: Path, line: bytes) -> None:
    path = remember(tmp_path, [candidate()])
    path.write_bytes(line + b"\n" + path.read_bytes())

    assert list(read_rows(tmp_path, "night")) == [candidate()]


@pytest.mark.parametrize("what", ['"v":2', '"kind":"thought"'])
def test_an_experiment_of_a_newer_version_is_not_gone_on_with(tmp_path: Path, what: str) -> None:
    path = remember(tmp_path, [candidate()])
    name = what.partition(":")[0]
    path.write_text(re.sub(rf'{name}:("\w+"|\d)', what, path.read_text(), count=1))

    with pytest.raises(JournalTooNewError, match=r"newer.*another name"):
        read_rows(tmp_path, "night")


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    remember(tmp_path, [evaluation(metrics={"a": nan, "b": [inf, -inf, 1.5]}, score=nan)])

    (row,) = read_rows(tmp_path, "night")

    assert row == evaluation(metrics={"a": None, "b": [None, None, 1.5]}, score=None)


def test_text_of_any_characters_can_be_kept(tmp_path: Path) -> None:
    text = 'nul \x00 line \u2028 emoji 😀 half \ud800 quote " slash \\ud800'

    remember(tmp_path, [evaluation(prints=text)])

    (row,) = read_rows(tmp_path, "night")
    assert row == evaluation(prints=text.replace("\ud800", "\ufffd"))


def test_experiments_whose_names_begin_alike_are_kept_apart(tmp_path: Path) -> None:
    remember(tmp_path, [candidate(experiment_id="a")], "a")
    remember(tmp_path, [candidate(experiment_id="a.b")], "a.b")

    assert list(read_rows(tmp_path, "a")) == [candidate(experiment_id="a")]


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "new\nline", "x" * 129])
def test_an_experiment_id_that_cannot_name_a_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(JournalError, match="cannot name a file"):
        Journal(tmp_path, name)


def test_a_row_of_another_experiment_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path, "night") as journal, pytest.raises(JournalError, match="'day'"):
        journal.append(candidate(experiment_id="day"))


def test_a_closed_journal_refuses_rows(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "night")
    journal.close()
    journal.close()

    with pytest.raises(JournalError, match="is closed"):
        journal.append(candidate())


def test_a_file_in_the_way_of_the_folder_is_explained(tmp_path: Path) -> None:
    journal_folder(tmp_path).write_text("")

    with pytest.raises(JournalError, match="set ASSAY_HOME"):
        Journal(tmp_path, "night")


def test_threads_share_a_journal(tmp_path: Path) -> None:
    def write(journal: Journal, iteration: int) -> None:
        for slot in range(25):
            journal.append(candidate(iteration=iteration, slot=slot))

    with Journal(tmp_path, "night") as journal:
        threads = [Thread(target=write, args=(journal, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(list(read_rows(tmp_path, "night"))) == 100


FULL_DISK = """
import resource, sys
from pathlib import Path
from flows.history.journal import Journal, JournalError
from tests.support.history_rows import candidate

journal = Journal(Path(sys.argv[1]), "night")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
kept = 0
try:
    while True:
        journal.append(candidate(slot=kept))
        kept += 1
except JournalError as problem:
    print(problem)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
journal.append(candidate(slot=kept))
print(kept + 1)
"""


def test_a_full_disk_is_an_error_and_leaves_no_torn_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True
    )

    assert done.stderr == ""
    problem, kept = done.stdout.splitlines()
    assert "cannot write" in problem
    assert "run the same command again" in problem
    assert len(list(read_rows(tmp_path, "night"))) == int(kept)
    (path,) = journal_files(tmp_path)
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_nothing_is_written_for_no_rows(tmp_path: Path) -> None:
    path = remember(tmp_path, [])

    assert path.read_bytes() == b""
    assert list(read_rows(tmp_path, "night")) == []
    assert list(read_rows(tmp_path / AT, "night")) == []


def lie(path: Path, at: str, *, spaced: bool = False) -> None:
    """Change when the first line of a journal says that it was written."""
    first, *others = path.read_text(encoding="utf-8").splitlines(keepends=True)
    frame = {**json.loads(first), "at": at}
    text = json.dumps(frame, separators=None if spaced else (",", ":"))
    path.write_text(text + "\n" + "".join(others), encoding="utf-8")


def titles(home: Path) -> list[str]:
    """Titles as a search that goes on reads them, which must be those of the database."""
    found = [row.title for row in read_rows(home, "night") if isinstance(row, CandidateRow)]
    stored = query(home, "SELECT title FROM candidates").rows
    assert sorted(stored) == sorted((title,) for title in found)
    return found


@pytest.mark.parametrize(
    "at",
    [
        "9999-12-31T23:59:59.999999+00:00",
        "9999-12-31T23:59:59.999999-01:00",
        "0001-01-01T00:00:00+14:00",
        "99-1",
    ],
)
def test_a_moment_that_cannot_be_gives_no_row_and_stops_no_search(tmp_path: Path, at: str) -> None:
    path = remember(tmp_path, [candidate(slot=0, title="lost"), candidate(slot=1, title="kept")])
    lie(path, at)

    remember(tmp_path, [candidate(slot=0, title="again")])

    assert sorted(titles(tmp_path)) == ["again", "kept"]
    assert check(tmp_path).problems[0].startswith(f"{path.name}, byte 0: candidate: ")


@pytest.mark.parametrize(
    ("at", "spaced"),
    [("5000-01-01T00:00:00+00:00", False), ("5000-01-01T00:00:00Z", True)],
)
def test_what_comes_after_a_line_of_the_far_future_counts_as_later(
    tmp_path: Path, at: str, spaced: bool
) -> None:
    path = remember(tmp_path, [candidate(slot=0, title="old"), candidate(slot=1, title="other")])
    lie(path, at, spaced=spaced)

    remember(tmp_path, [candidate(slot=0, title="new"), candidate(slot=2, title="third")])

    assert titles(tmp_path) == ["new", "other", "third"]
    assert not any(each.missing or each.extra for each in check(tmp_path).tables)


def test_where_nothing_can_be_later_it_is_said_before_anything_is_written(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate()])
    lie(path, "9998-12-31T23:59:59.999999+00:00")

    with (
        Journal(tmp_path, "night") as journal,
        pytest.raises(JournalError, match="give the search another name"),
    ):
        journal.append(candidate(slot=1))

    assert journal.path.read_bytes() == b""
    assert titles(tmp_path) == ["smallest first"]
