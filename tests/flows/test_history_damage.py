"""Damaged, foreign and newer files: each is repaired or refused in words, and no row is lost."""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest

from flows.history.check import check
from flows.history.export import export_parquet
from flows.history.records import CandidateRow
from flows.history.store import (
    HistoryTooNewError,
    QueryError,
    StoreError,
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


def count(home: Path) -> int:
    return int(query(home, "SELECT count(*) FROM candidates").rows[0][0])


def test_a_torn_last_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate(slot=slot) for slot in range(2)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])

    torn = count(tmp_path)
    path.write_bytes(whole)

    assert (torn, count(tmp_path)) == (1, 2)


def test_a_line_that_gives_no_row_is_reported_and_stops_nothing(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"v": 2}, "journal version 2"),
        ({"kind": "thought"}, "unknown kind 'thought'"),
        ({"at": "someday"}, "someday"),
        ({"at": "9999-12-31T23:59:59.999999+00:00"}, "before the year 9999"),
        ({"row": None}, "expected"),
        ({"row": {"slot": "first"}}, "slot"),
        ({"row": {"slot": 2**70}}, "64 bits"),
        ({"row": {"created_at": "soon"}}, "soon"),
        ({"row": {"created_at": "0001-01-01T00:00:00+14:00"}}, "range"),
        ({"row": {"parents": "ca"}}, "parents"),
        ({"row": {"experiment_id": None}}, "experiment_id"),
    ]
    path = remember(tmp_path, [candidate(), candidate(slot=1)])
    first = json.loads(path.read_bytes().splitlines()[0])
    lines = []
    for line, _ in wrong:
        row = line.get("row", {})
        changed = {**first, **line, "row": None if row is None else {**first["row"], **row}}
        lines.append(json.dumps(changed).encode() + b"\n")
    path.write_bytes(b"".join([*lines, path.read_bytes()]))

    report = ingest(tmp_path)

    for (line, reason), skipped in zip(wrong, report.skipped, strict=True):
        assert reason in skipped.reason, line
    assert f"{len(wrong)} journal lines gave no row" in report.notes[0]
    assert count(tmp_path) == 2
    noted = query(
        tmp_path, "SELECT reason, start_byte FROM bookkeeping.skipped_lines ORDER BY start_byte"
    ).rows
    begins = [sum(map(len, lines[:number])) for number in range(len(lines))]
    assert noted == tuple(zip([each.reason for each in report.skipped], begins, strict=True))


def test_what_an_older_reader_left_out_gets_in_with_the_next_reader(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate()])
    later = path.read_text().replace('"slot":0', '"slot":1').replace('"v":1', '"v":2')
    path.write_text(path.read_text() + later)
    assert count(tmp_path) == 1
    path.write_text(path.read_text().replace('"v":2', '"v":1'))
    with duckdb.connect(str(build_path(tmp_path))) as connection:
        connection.execute("UPDATE bookkeeping.made_by SET fingerprint = 'an older reader'")

    assert count(tmp_path) == 2
    assert query(tmp_path, "FROM bookkeeping.skipped_lines").rows == ()


def test_fields_of_a_newer_version_are_left_out_and_named(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate()])
    path.write_text(path.read_text().replace('"slot":0', '"slot":0,"mood":"good"'))

    report = ingest(tmp_path)

    assert report.notes == ("fields of a newer assay were ignored: candidate.mood",)
    assert count(tmp_path) == 1


def test_a_row_that_lacks_a_later_field_is_complete(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate()])
    text = re.sub(r',"simulator_version":"\w*","config_sha256":"\w*"', "", path.read_text())
    path.write_text(text)

    found = query(tmp_path, "SELECT simulator_version FROM candidates").rows

    assert "simulator_version" not in text
    assert found == (("",),)


def test_a_journal_that_got_shorter_is_read_again_and_named(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate(slot=slot) for slot in range(3)])
    ingest(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])

    report = ingest(tmp_path)

    assert path.name in report.notes[0]
    assert count(tmp_path) == 3
    assert ingest(tmp_path).notes == ()


@pytest.mark.parametrize("damage", [b"", b"hello", b"hello" * 5000, None])
def test_a_damaged_database_is_rebuilt(tmp_path: Path, damage: bytes | None) -> None:
    remember(tmp_path, [candidate(), candidate(slot=1)])
    ingest(tmp_path)
    content = bytearray(build_path(tmp_path).read_bytes())
    content[12_288:60_000] = os.urandom(47_712)
    build_path(tmp_path).write_bytes(bytes(content) if damage is None else damage)

    report = ingest(tmp_path)

    assert report.rebuilt
    assert "rebuilt from the journals" in report.notes[0]
    assert count(tmp_path) == 2
    assert (tmp_path / "old-build.duckdb").exists()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])
    ingest(tmp_path)
    with duckdb.connect(str(build_path(tmp_path))) as connection:
        connection.execute("UPDATE bookkeeping.made_by SET schema_version = 9999")
    before = build_path(tmp_path).read_bytes()

    with pytest.raises(HistoryTooNewError, match=r"schema 9999.*upgrade assay"):
        query(tmp_path, "FROM candidates")

    assert build_path(tmp_path).read_bytes() == before


def test_a_file_of_a_newer_duckdb_is_refused_and_left_alone(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])
    ingest(tmp_path)
    write_storage_version(build_path(tmp_path), 60_000)
    before = build_path(tmp_path).read_bytes()

    with pytest.raises(HistoryTooNewError, match="newer DuckDB"):
        query(tmp_path, "FROM candidates")

    assert build_path(tmp_path).read_bytes() == before


def write_storage_version(path: Path, version: int) -> None:
    """Change the version in the file's header, and the header's checksum with it."""
    content = bytearray(path.read_bytes())
    content[12:20] = version.to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(duckdb.Error) as refused:
        duckdb.connect(str(path))
    computed = re.search(r"computed checksum (\d+)", str(refused.value))
    if computed:
        content[:8] = int(computed[1]).to_bytes(8, "little")
        path.write_bytes(content)


def test_a_database_of_another_version_is_rebuilt(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])
    ingest(tmp_path)
    with duckdb.connect(str(build_path(tmp_path))) as connection:
        connection.execute("UPDATE bookkeeping.made_by SET fingerprint = 'another'")

    report = ingest(tmp_path)

    assert report.rebuilt
    assert "was made by another version of assay" in report.notes[0]
    assert count(tmp_path) == 1


def test_a_database_of_before_there_were_versions_is_rebuilt(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])
    build_path(tmp_path).unlink()
    with duckdb.connect(str(build_path(tmp_path))) as connection:
        connection.execute("CREATE TABLE schema_migrations (version BIGINT)")

    assert "was made by an older assay" in ingest(tmp_path).notes[0]
    assert count(tmp_path) == 1


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"


def test_a_database_that_another_program_holds_is_explained(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])
    ingest(tmp_path)
    remember(tmp_path, [candidate(slot=1)])
    command = [sys.executable, "-c", HOLD, str(build_path(tmp_path))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StoreError, match="is open in another program: close it"):
            count(tmp_path)
        holder.communicate()

    assert count(tmp_path) == 2


READ_ONLY = """
import os, sys
from pathlib import Path
from flows.history.store import query
query(Path(sys.argv[2]), "SELECT 1")  # another user may not read this interpreter's modules
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
found = query(Path(sys.argv[1]), "SELECT status FROM experiments")
print(found.rows[0][0], "|", *found.notes)
"""


@pytest.mark.parametrize("published", [True, False])
def test_a_read_only_folder_answers_and_says_what_may_be_missing(published: bool) -> None:
    with TemporaryDirectory() as name:
        home = Path(name) / "home"
        other = Path(name) / "other"
        for each in (home, other):
            remember(each, [experiment()])
        if published:
            ingest(home)
        for folder in (Path(name), home, home / "journal"):
            folder.chmod(0o555)

        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(home), str(other)],
            capture_output=True,
            text=True,
        )
        for folder in (Path(name), home, home / "journal"):
            folder.chmod(0o755)

    assert done.stderr == ""
    status, note = done.stdout.split(" | ")
    assert status == "running"
    assert "cannot be written" in note


FULL_DISK = """
import resource, sys
from pathlib import Path
from flows.history.store import query

soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
found = query(Path(sys.argv[1]), "SELECT count(*) FROM candidates")
print(found.rows[0][0], "|", *found.notes)
"""


@pytest.mark.parametrize(
    "room", [1_000_000, *(pytest.param(n, marks=pytest.mark.nightly) for n in (100, 2_000_000))]
)
def test_a_full_disk_is_reported_and_making_room_repairs_it(tmp_path: Path, room: int) -> None:
    remember(tmp_path, [candidate()])
    ingest(tmp_path)
    large = os.urandom(4000).hex()
    remember(tmp_path, [candidate(iteration=n, source=f"{large}{n}") for n in range(2, 300)])

    command = [sys.executable, "-c", FULL_DISK, str(tmp_path), str(room)]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.stderr == ""
    assert re.match(
        r"(1|299) \| the answer may lack the newest rows: .*cannot be written", done.stdout
    )
    assert count(tmp_path) == 299
    assert not (tmp_path / "old-build.duckdb").exists()


ROWS = 90
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


BY_DAY = [((build_path,), "header"), ((published_path,), "middle"), (BOTH, "middle")]
ANYWHERE = [
    (files, where)
    for files in ((build_path,), (published_path,), BOTH)
    for where in ("header", "first third", "middle", "end")
]


@pytest.mark.parametrize(
    ("files", "where"),
    [pytest.param(*each, marks=() if each in BY_DAY else pytest.mark.nightly) for each in ANYWHERE],
)
def test_damage_anywhere_is_repaired_by_the_next_command(
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


def says_so(notes: tuple[str, ...]) -> bool:
    return any(
        "rebuilt from the journals (" in note and "Corrupt database file" in note for note in notes
    )


@pytest.mark.parametrize(
    "ask",
    ["sql", "export", "vacuum"]
    + [pytest.param(each, marks=pytest.mark.nightly) for each in ("check", "parquet")],
)
def test_each_command_repairs_a_damaged_build_and_says_so(
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

    assert says_so(tuple(notes))
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


def test_a_published_file_that_does_not_open_is_rebuilt(home: Path) -> None:
    stat = published_path(home).stat()
    published_path(home).write_bytes(b"x" * stat.st_size)
    os.utime(published_path(home), ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert query(home, COUNT, refresh=False).rows == ((ROWS, ROWS, ROWS),)


def test_what_was_whole_of_a_history_whose_journals_are_gone_is_kept_aside(home: Path) -> None:
    damage(build_path(home), "header")
    for journal in (home / "journal").iterdir():
        journal.unlink()

    report = ingest(home)

    assert "are now only in old-build.duckdb and old-history.duckdb" in report.notes[1]
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
def test_a_query_that_fails_does_not_start_a_rebuild(
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


def test_in_a_read_only_folder_the_command_that_repairs_is_named(
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
