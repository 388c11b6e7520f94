"""Lines that lie about when they were written keep nothing from being recorded or found again."""

import json
from pathlib import Path

import pytest

from flows.history.check import check
from flows.history.journal import Journal, JournalError, read_rows
from flows.history.records import CandidateRow
from flows.history.store import query
from tests.support.history_rows import candidate, remember


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


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("at", ["5000-01-01T00:00:00+00:00", "5000-01-01T00:00:00Z"])
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
