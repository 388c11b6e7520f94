"""Broken, foreign and newer files: each is survived or refused in words, and no row is lost."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest

from flows.history.store import HistoryTooNewError, StoreError, ingest, query
from flows.home import build_path
from tests.support.history_rows import candidate, experiment, remember


def count(home: Path) -> int:
    return int(query(home, "SELECT count(*) FROM candidates").rows[0][0])


def test_a_torn_last_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate(slot=slot) for slot in range(2)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])

    torn = count(tmp_path)
    path.write_bytes(whole)

    assert (torn, count(tmp_path)) == (1, 2)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
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
    ],
)
def test_a_line_that_gives_no_row_is_reported_and_stops_nothing(
    tmp_path: Path, line: dict, reason: str
) -> None:
    path = remember(tmp_path, [candidate(), candidate(slot=1)])
    first = json.loads(path.read_bytes().splitlines()[0])
    row = line.get("row", {})
    changed = {**first, **line, "row": None if row is None else {**first["row"], **row}}
    path.write_bytes(json.dumps(changed).encode() + b"\n" + path.read_bytes())

    report = ingest(tmp_path)

    assert [reason in skipped.reason for skipped in report.skipped] == [True]
    assert "1 journal lines gave no row" in report.notes[0]
    assert count(tmp_path) == 2
    noted = query(tmp_path, "SELECT reason, start_byte FROM bookkeeping.skipped_lines").rows
    assert noted == ((report.skipped[0].reason, 0),)


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

    assert report.notes == ("fields of a newer assay were left out: candidate.mood",)
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
        remember(home, [experiment()])
        if published:
            ingest(home)
        for folder in (Path(name), home, home / "journal"):
            folder.chmod(0o555)

        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(home)], capture_output=True, text=True
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


@pytest.mark.parametrize("room", [100, 1_000_000, 2_000_000])
def test_a_full_disk_is_told_and_mended_by_making_room(tmp_path: Path, room: int) -> None:
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
