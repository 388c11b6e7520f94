"""A file that is damaged anywhere is mended from what is whole, and told; queries' failures not."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.history.check import check
from flows.history.export import export_parquet
from flows.history.records import CandidateRow
from flows.history.store import (
    QueryError,
    copy_tables,
    copy_to_parquet,
    ingest,
    query,
    rebuild,
    vacuum,
)
from flows.home import build_path, published_path
from tests.support.history_rows import candidate, experiment, remember
from tests.support.in_process import command

ROWS = 120
COUNT = "SELECT count(*), count(DISTINCT source), count(DISTINCT candidate) FROM candidates"
BOTH = (build_path, published_path)
Find = Callable[[Path], Path]


def attempt(iteration: int, source: str) -> CandidateRow:
    sha256 = hashlib.sha256(source.encode()).hexdigest()
    return candidate(iteration=iteration, source=source, candidate=sha256)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of a few blocks."""
    home = tmp_path_factory.mktemp("whole")
    texts = random.Random(1)
    sources = [texts.randbytes(4000).hex() for _ in range(ROWS)]
    remember(home, [experiment(), *(attempt(n, text) for n, text in enumerate(sources))])
    ingest(home)
    return home


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "home")
    return tmp_path / "home"


def damage(path: Path, where: str) -> None:
    """Turn bits around in a part of a file, and leave its age as it was."""
    stat = path.stat()
    content = bytearray(path.read_bytes())
    size = len(content)
    third = size // 3
    start, end = {
        "first third": (12_288, third),
        "middle": (third, 2 * third),
        "end": (2 * third, size),
        "header": (0, 12_288),
        "all data": (12_288 + 262_144, size),
    }[where]
    content[start:end] = bytes(byte ^ 0x5A for byte in content[start:end])
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def touch(path: Path) -> None:
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


@pytest.mark.parametrize("where", ["header", "first third", "middle", "end"])
@pytest.mark.parametrize("files", [(build_path,), (published_path,), BOTH])
def test_damage_anywhere_is_mended_by_whatever_is_asked_next(
    home: Path, tmp_path: Path, files: tuple[Find, ...], where: str
) -> None:
    for find in files:
        damage(find(home), where)
        touch(build_path(home))

    found = query(home, COUNT)
    report = check(home)
    manifest = export_parquet(home, tmp_path / "out").manifest
    shrunk = vacuum(home)

    assert found.rows == ((ROWS, ROWS, ROWS),)
    assert (report.ok, report.problems) == (True, ())
    tables = json.loads(manifest.read_text())["tables"]
    assert [each["rows"] for each in tables if each["table"] == "candidates"] == [ROWS]
    assert shrunk.bytes_after > 0
    assert query(home, COUNT).notes == ()


def told(notes: tuple[str, ...]) -> bool:
    return any(
        "rebuilt from the journals (" in note and "Corrupt database file" in note for note in notes
    )


@pytest.mark.parametrize("ask", ["sql", "check", "export", "parquet", "vacuum"])
def test_each_command_mends_a_damaged_build_itself_and_tells(
    home: Path, tmp_path: Path, ask: str
) -> None:
    damage(build_path(home), "all data")
    touch(build_path(home))
    notes: list[str] = []

    match ask:
        case "sql":
            notes += query(home, COUNT).notes
        case "check":
            notes += check(home).notes
        case "export":
            notes += export_parquet(home, tmp_path / "out").notes
        case "parquet":
            notes += copy_to_parquet(home, "FROM candidates", tmp_path / "one").notes
        case _:
            notes += vacuum(home).notes

    assert told(tuple(notes))
    assert (home / "old-build.duckdb").exists()
    assert query(home, COUNT).rows == ((ROWS, ROWS, ROWS),)
    assert check(home).notes == ()


def test_rows_arrive_in_a_build_whose_damage_nobody_met_yet(home: Path) -> None:
    damage(build_path(home), "all data")
    remember(home, [attempt(n, f"newer {n}") for n in range(ROWS + 5)])

    found = query(home, "SELECT count(*), count(*) FILTER (source[:5] = 'newer') FROM candidates")

    assert found.rows == ((ROWS + 5, ROWS + 5),)
    assert check(home).ok


def test_a_damaged_published_file_is_rebuilt_and_said(home: Path) -> None:
    damage(published_path(home), "all data")

    found = query(home, COUNT)

    assert found.rows == ((ROWS, ROWS, ROWS),)
    assert "rebuilt from the journals (history.duckdb is damaged: " in found.notes[0]
    assert query(home, COUNT).notes == ()


def test_a_published_file_that_no_longer_opens_is_mended_too(home: Path) -> None:
    stat = published_path(home).stat()
    published_path(home).write_bytes(b"x" * stat.st_size)
    os.utime(published_path(home), ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert query(home, COUNT, refresh=False).rows == ((ROWS, ROWS, ROWS),)


def test_what_was_whole_of_a_history_whose_journals_are_gone_is_kept_aside(home: Path) -> None:
    damage(build_path(home), "header")
    for journal in (home / "journal").iterdir():
        journal.unlink()

    report = ingest(home)

    assert "are only in old-build.duckdb and old-history.duckdb now" in report.notes[1]
    with duckdb.connect(str(home / "old-history.duckdb"), read_only=True) as kept:
        assert kept.execute(COUNT).fetchall() == [(ROWS, ROWS, ROWS)]


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_parquet('mine.parquet')",
        "FROM read_duckdb('mine.duckdb', table_name = 'candidates')",
        "SELECT error('Corrupt database file')",
        "SELECT 'Corrupt database file'::INT",
        "FROM read_csv('missing.csv')",
    ],
)
def test_a_failure_of_the_query_mends_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.parquet").write_bytes(b"PAR1" + b"x" * 500 + b"PAR1")
    shutil.copy(published_path(home), tmp_path / "mine.duckdb")
    damage(tmp_path / "mine.duckdb", "all data")
    before = {path.name: path.stat().st_ino for path in home.iterdir()}

    with pytest.raises(QueryError):
        query(home, sql, files=tmp_path)

    assert {path.name: path.stat().st_ino for path in home.iterdir()} == before


def test_where_nothing_can_be_written_the_command_that_mends_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for find in BOTH:
        damage(find(home), "all data")
    (home / "ingest.lock").unlink()
    (home / "ingest.lock").mkdir()
    monkeypatch.setenv("ASSAY_HOME", str(home))

    done = command(capsys, "sql", COUNT)

    assert done.code == 2
    assert "make the folder writable, then type assay db rebuild" in done.err
    (home / "ingest.lock").rmdir()
    assert rebuild(home).rebuilt
    assert query(home, COUNT).rows == ((ROWS, ROWS, ROWS),)


class WhileSearchesGoOn(dict[str, Path]):
    """What to copy where; between two tables something new is published."""

    def __init__(self, home: Path, paths: dict[str, Path]) -> None:
        super().__init__(paths)
        self._home = home

    def items(self) -> Any:
        for number, item in enumerate(super().items()):
            if number:
                row = experiment(status="finished")
                remember(self._home, [row, attempt(ROWS, "newer")])
                assert ingest(self._home).published
            yield item


def test_an_export_is_of_one_moment_whatever_is_published_meanwhile(
    home: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "experiments", tmp_path / "candidates"
    paths = {"FROM experiments": first, "FROM candidates": second}

    copied = copy_tables(home, WhileSearchesGoOn(home, paths))

    assert copied.rows == {first: 1, second: ROWS}
    newest = query(home, "SELECT max(recorded_at) FROM candidates", refresh=False).rows[0][0]
    assert copied.recorded_until is not None
    assert copied.recorded_until < newest
