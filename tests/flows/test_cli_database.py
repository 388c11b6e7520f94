"""``assay db`` as a person types it, and what a vacuum keeps and removes."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from flows.history.schema_page import schema_page
from flows.history.store import ingest, query, rebuild, vacuum
from flows.home import build_path, published_path
from tests.support.history_rows import candidate, experiment, one_of_each, remember
from tests.support.in_process import Done, command

TABLES = "artifacts candidates evaluations events experiments llm_calls prompts scenarios".split()


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``assay db ...`` on the test's own home folder."""
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    return lambda *arguments: command(capsys, "db", *arguments)


def contents(home: Path) -> dict[str, object]:
    return {name: query(home, f"FROM {name} ORDER BY ALL").rows for name in TABLES}


def test_check_says_that_all_is_well_or_what_is_not(tmp_path: Path, run: Run) -> None:
    remember(tmp_path, [experiment()])
    good = run("check")
    path = remember(tmp_path, [candidate(candidate=None, source=None)])
    path.write_text("damage\n" + path.read_text())

    bad, machine = run("check"), run("check", "--json")

    assert (good.code, good.err) == (0, "")
    assert good.out.endswith("the database matches the journals\n")
    assert (bad.code, bad.err) == (2, "")
    assert f"WRONG: {path.name}, byte 0: not JSON" in bad.out.replace("\n", " ")
    assert machine.code == 2
    report = json.loads(machine.out)
    assert (report["ok"], report["lines"], len(report["problems"])) == (False, 3, 1)


def test_rebuild_counts_what_it_read(tmp_path: Path, run: Run) -> None:
    remember(tmp_path, one_of_each())

    shown, machine = run("rebuild"), run("rebuild", "--json")

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("read 8 journal lines in ")
    report = json.loads(machine.out)
    assert (report["lines"], report["skipped"], report["notes"]) == (8, [], [])


def test_vacuum_tells_what_it_removed_and_freed(tmp_path: Path, run: Run) -> None:
    remember(tmp_path, one_of_each())
    rebuild(tmp_path)
    rebuild(tmp_path)

    shown, machine = run("vacuum"), run("vacuum", "--json")

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("removed old-build.duckdb\nthe database took ")
    report = json.loads(machine.out)
    assert report["removed"] == []
    assert 0 < report["bytes_after"] <= report["bytes_before"]


@pytest.mark.parametrize("name", ["check", "rebuild", "vacuum"])
def test_a_folder_without_history_is_bad_input_and_stays_as_it_is(
    tmp_path: Path, run: Run, name: str
) -> None:
    done = run(name)

    assert (done.code, done.out) == (2, "")
    assert "there is no history" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["check", "vacuum"])
def test_a_newer_database_is_refused_in_one_line(tmp_path: Path, run: Run, name: str) -> None:
    remember(tmp_path, one_of_each())
    ingest(tmp_path)
    with duckdb.connect(str(build_path(tmp_path))) as connection:
        connection.execute("UPDATE bookkeeping.made_by SET schema_version = 9999")

    done = run(name)

    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "was written by a newer assay: it has schema 9999" in done.err


@pytest.mark.parametrize("name", ["check", "rebuild", "vacuum"])
def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path, run: Run, name: str) -> None:
    remember(tmp_path, one_of_each())
    (tmp_path / "ingest.lock").mkdir()

    done = run(name)

    assert done.code == 2
    assert f"{tmp_path}/ingest.lock cannot be written" in done.err


def test_a_vacuum_changes_no_row_and_no_word_of_the_schema(tmp_path: Path) -> None:
    remember(tmp_path, one_of_each())
    page, before = schema_page(tmp_path), contents(tmp_path)

    vacuum(tmp_path)

    assert contents(tmp_path) == before
    assert schema_page(tmp_path) == page
    remember(tmp_path, [candidate(title="newer")])
    assert query(tmp_path, "SELECT title FROM candidates").rows == (("newer",),)


def test_a_vacuum_gives_back_the_room_that_changes_left(tmp_path: Path) -> None:
    for turn in range(4):
        rows = [
            candidate(slot=n, source=os.urandom(9000).hex(), title=str(turn)) for n in range(60)
        ]
        remember(tmp_path, rows)
        ingest(tmp_path)
    before = build_path(tmp_path).stat().st_size

    report = vacuum(tmp_path)

    assert build_path(tmp_path).stat().st_size < before
    assert report.bytes_after < report.bytes_before
    assert published_path(tmp_path).read_bytes() == build_path(tmp_path).read_bytes()


def test_a_vacuum_removes_what_was_left_and_keeps_what_is_in_use(tmp_path: Path) -> None:
    journal = remember(tmp_path, one_of_each())
    ingest(tmp_path)
    folder = tmp_path / "experiments" / "night"
    folder.mkdir(parents=True)
    for name in ("history.duckdb.new", "build.duckdb.new", "old-build.duckdb.wal"):
        (tmp_path / name).write_bytes(b"half")
    for name in (".best_policy.py.11", ".best_policy.py.12", "best_policy.py", "lock"):
        (folder / name).write_text("x = 1\n")
    long_ago = time.time() - 7200
    os.utime(folder / ".best_policy.py.11", (long_ago, long_ago))
    os.utime(folder / "best_policy.py", (long_ago, long_ago))

    report = vacuum(tmp_path)

    assert set(report.removed) == {
        "history.duckdb.new",
        "build.duckdb.new",
        "old-build.duckdb.wal",
        "experiments/night/.best_policy.py.11",
    }
    assert {path.name for path in folder.iterdir()} == {
        ".best_policy.py.12",
        "best_policy.py",
        "lock",
    }
    assert journal.exists()
