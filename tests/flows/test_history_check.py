"""A check finds whatever differs between journals and database, and accepts what is well."""

import hashlib
import shutil
from pathlib import Path

import duckdb
import pytest

from flows.history.check import check
from flows.history.records import CandidateRow
from flows.history.redact import REDACTED
from flows.history.store import HistoryTooNewError, StoreError, ingest, rebuild
from flows.home import build_path, published_path
from tests.support.history_rows import candidate, experiment, remember

SOURCE = "x = 1\n"
SHA256 = hashlib.sha256(SOURCE.encode()).hexdigest()


def attempt(slot: int = 0) -> CandidateRow:
    return candidate(slot=slot, candidate=SHA256, source=SOURCE)


def change(home: Path, sql: str) -> None:
    """Change the database behind the history's back, in both of its files."""
    with duckdb.connect(str(build_path(home))) as connection:
        connection.execute(sql)
    shutil.copy2(build_path(home), published_path(home))


def test_a_history_that_is_as_its_journals_say_is_well(tmp_path: Path) -> None:
    remember(tmp_path, [experiment(), experiment(status="finished"), attempt(0), attempt(1)])

    report = check(tmp_path)

    assert (report.ok, report.problems, report.notes) == (True, (), ())
    assert (report.journals, report.lines, report.superseded) == (1, 4, 1)
    assert {each.table: each.rows for each in report.tables if each.rows} == {
        "experiments": 1,
        "candidates": 2,
    }


def test_doubled_lines_are_counted_and_change_nothing(tmp_path: Path) -> None:
    path = remember(tmp_path, [attempt(0), attempt(1)])
    path.write_bytes(path.read_bytes() * 3)

    report = check(tmp_path)

    assert (report.ok, report.lines, report.superseded) == (True, 6, 4)


def test_a_torn_end_is_noted_and_no_problem(tmp_path: Path) -> None:
    path = remember(tmp_path, [attempt(0), attempt(1)])
    path.write_bytes(path.read_bytes()[:-9])

    report = check(tmp_path)

    assert report.ok
    assert f"{path.name} ends within a line" in report.notes[0]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE candidates SET score = 9 WHERE slot = 0", "candidates: 1 rows of the journals"),
        ("DELETE FROM candidates", "candidates: 2 rows of the journals are not in the database"),
        (
            "INSERT INTO candidates SELECT * REPLACE (7 AS slot) FROM candidates WHERE slot = 0",
            "candidates: 1 rows are in no journal",
        ),
    ],
)
def test_a_database_that_differs_is_found_and_a_rebuild_repairs_it(
    tmp_path: Path, sql: str, words: str
) -> None:
    remember(tmp_path, [attempt(0), attempt(1)])
    ingest(tmp_path)
    change(tmp_path, sql)

    found = check(tmp_path)
    rebuild(tmp_path)

    assert len(found.problems) == 1
    assert words in found.problems[0]
    assert check(tmp_path).ok


def test_a_journal_that_is_gone_is_missed_before_and_by_a_rebuild(tmp_path: Path) -> None:
    path = remember(tmp_path, [attempt(0)])
    remember(tmp_path, [attempt(1)])
    ingest(tmp_path)
    path.unlink()

    found = check(tmp_path)
    report = rebuild(tmp_path)

    assert "1 rows are in no journal any more: a rebuild would lose them" in found.problems[0]
    assert report.notes == (
        f"rows of deleted journals are now only in old-build.duckdb: {path.name}",
    )


def test_each_line_that_gives_no_row_is_named(tmp_path: Path) -> None:
    wrong = {
        "journal version 2: this assay reads 1, a newer one can: upgrade assay": ('"v":1', '"v":2'),
        "unknown kind 'thought'": ('"kind":"candidate"', '"kind":"thought"'),
        "slot": ('"slot":0', '"slot":"first"'),
        "not JSON": ("{", ""),
    }
    path = remember(tmp_path, [attempt(0), attempt(1)])
    first, *others = path.read_text().splitlines(keepends=True)
    lines = [first.replace(old, new, 1) for old, new in wrong.values()]
    path.write_text("".join([*lines, *others]))

    report = check(tmp_path)

    assert not report.ok
    begin = 0
    for line, words, problem in zip(lines, wrong, report.problems, strict=False):
        assert f"{path.name}, byte {begin}: " in problem
        assert words in problem
        begin += len(line.encode())


def test_of_many_damaged_lines_some_are_named_and_all_counted(tmp_path: Path) -> None:
    path = remember(tmp_path, [attempt(0)])
    path.write_text("damage\n" * 30 + path.read_text())

    assert check(tmp_path).problems[-1] == "and 20 more like the last"


def test_a_source_with_another_sha256_is_a_problem_unless_a_secret_was_taken_out(
    tmp_path: Path,
) -> None:
    remember(
        tmp_path,
        [
            candidate(slot=0, candidate=SHA256, source="x = 2\n"),
            candidate(slot=1, candidate=SHA256, source=f"x = '{REDACTED}'\n"),
            candidate(slot=2, candidate=None, source=None, outcome="malformed"),
        ],
    )

    report = check(tmp_path)

    assert report.problems == ("candidate night 1/0: its source has another sha256",)
    assert "1 sources had a secret redacted" in report.notes[0]


def test_a_damaged_published_file_is_rebuilt_and_noted(tmp_path: Path) -> None:
    remember(tmp_path, [attempt(0)])
    ingest(tmp_path)
    shutil.copystat(published_path(tmp_path), tmp_path / "ingest.lock")
    published_path(tmp_path).write_bytes(b"x" * published_path(tmp_path).stat().st_size)
    shutil.copystat(tmp_path / "ingest.lock", published_path(tmp_path))

    report = check(tmp_path)

    assert report.ok
    assert "rebuilt from the journals (history.duckdb is damaged" in report.notes[0]


def test_a_database_without_its_tables_names_the_command_that_rebuilds_it(tmp_path: Path) -> None:
    remember(tmp_path, [attempt(0)])
    ingest(tmp_path)
    change(tmp_path, "DROP TABLE prompts CASCADE")

    with pytest.raises(StoreError, match="type assay db rebuild"):
        check(tmp_path)


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    remember(tmp_path, [attempt(0)])
    ingest(tmp_path)
    change(tmp_path, "UPDATE bookkeeping.made_by SET schema_version = 9999")

    with pytest.raises(HistoryTooNewError, match="upgrade assay"):
        check(tmp_path)


def test_without_a_history_there_is_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no history in .* start a search"):
        check(tmp_path)
