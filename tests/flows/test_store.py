"""The database holds what the journals hold, once each, whoever writes and asks at a time."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.history.journal import Journal
from flows.history.store import (
    Ask,
    QueryError,
    StoreError,
    Table,
    UnwritableError,
    answers,
    ingest,
    open_history,
    query,
    rebuild,
)
from flows.home import hold, lock_path, published_path
from tests.support.history_rows import candidate, evaluation, experiment, one_of_each, remember

TABLES = "artifacts candidates evaluations events experiments llm_calls prompts scenarios".split()


def values(home: Path, sql: str) -> list[tuple]:
    return list(query(home, sql).rows)


def test_a_row_of_every_kind_arrives_in_its_table(tmp_path: Path) -> None:
    remember(tmp_path, one_of_each())

    counts = {name: values(tmp_path, f"SELECT count(*) FROM {name}")[0][0] for name in TABLES}

    assert counts == dict.fromkeys(TABLES, 1)


def test_values_arrive_as_they_were(tmp_path: Path) -> None:
    remember(tmp_path, [candidate(parents=["a'", "b,]"], score=0.1 + 0.2, improved=True)])

    found = values(tmp_path, "SELECT parents, score, improved, problem, created_at FROM candidates")

    assert found[0][:4] == (["a'", "b,]"], 0.1 + 0.2, True, None)
    assert found[0][4].isoformat() == "2026-03-01T20:00:00"


def test_moments_are_kept_in_utc(tmp_path: Path) -> None:
    remember(tmp_path, [candidate(created_at="2026-03-01T20:00:00+02:00")])

    assert str(values(tmp_path, "SELECT created_at FROM candidates")[0][0]) == "2026-03-01 18:00:00"


def test_nested_values_can_be_asked_for(tmp_path: Path) -> None:
    remember(tmp_path, [evaluation()])

    found = values(tmp_path, "SELECT (metrics->>'$.latency.query.p99')::DOUBLE FROM evaluations")

    assert found == [(4.0,)]


def test_every_row_says_where_and_when_it_was_recorded(tmp_path: Path) -> None:
    path = remember(tmp_path, [candidate()])

    assert values(tmp_path, "SELECT recorded_in FROM candidates") == [(path.name,)]


def test_ingesting_again_changes_nothing(tmp_path: Path) -> None:
    remember(tmp_path, one_of_each())
    first = ingest(tmp_path)
    before = published_path(tmp_path).stat()

    second = ingest(tmp_path)

    assert (first.lines, first.published) == (8, True)
    assert (second.lines, second.published) == (0, False)
    assert published_path(tmp_path).stat() == before


def test_reading_a_journal_twice_doubles_nothing(tmp_path: Path) -> None:
    path = remember(tmp_path, one_of_each())
    ingest(tmp_path)
    shutil.copy(path, path.with_name("night.copy.1.jsonl"))

    ingest(tmp_path)

    assert values(tmp_path, "SELECT count(*) FROM candidates") == [(1,)]


def test_the_newest_row_counts_in_whatever_order_files_are_read(tmp_path: Path) -> None:
    old = remember(tmp_path, [experiment(status="running")])
    remember(tmp_path, [experiment(status="finished")])
    aside = tmp_path / "aside"
    old.rename(aside)
    ingest(tmp_path)
    aside.rename(old)

    assert values(tmp_path, "SELECT status FROM experiments") == [("finished",)]


def test_of_a_key_written_twice_at_once_the_later_counts(tmp_path: Path) -> None:
    remember(tmp_path, [experiment(), experiment(status="interrupted")])

    assert values(tmp_path, "SELECT status FROM experiments") == [("interrupted",)]


def test_a_query_sees_what_was_appended_before_it(tmp_path: Path) -> None:
    for slot in range(3):
        remember(tmp_path, [candidate(slot=slot)])
        assert values(tmp_path, "SELECT count(*) FROM candidates") == [(slot + 1,)]


def test_a_query_without_refresh_answers_from_what_is_published(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])
    ingest(tmp_path)
    remember(tmp_path, [candidate(slot=1)])

    found = query(tmp_path, "SELECT count(*) FROM candidates", refresh=False)

    assert found.rows == ((1,),)


def test_questions_asked_together_are_answered_from_one_moment(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])

    def twice(ask: Ask) -> list[Table]:
        before = ask("SELECT slot FROM candidates WHERE slot >= ?", [0])
        remember(tmp_path, [candidate(slot=1)])
        ingest(tmp_path)
        return [before, ask("SELECT slot FROM candidates")]

    assert [found.rows for found in answers(tmp_path, twice)] == [((0,),), ((0,),)]


def test_a_folder_without_history_answers_from_empty_tables(tmp_path: Path) -> None:
    home = tmp_path / "nowhere"

    found = query(home, "SELECT title, score FROM leaderboard")

    assert found == Table(columns=("title", "score"), types=("VARCHAR", "DOUBLE"), rows=())
    assert not home.exists()


def test_an_empty_query_is_explained_and_a_bad_one_gives_the_words_of_duckdb(
    tmp_path: Path,
) -> None:
    remember(tmp_path, [candidate()])

    for sql, words in [
        ("", "the query is empty"),
        (" ; ", "the query is empty"),
        ("-- nothing", "the query is empty"),
        ("SELEC 1", "syntax error"),
        ("SELECT nope FROM candidates", 'column "nope"'),
        ("SELECT 'a'::INT", "Could not convert"),
        ("SELECT ?", "parameter"),
    ]:
        with pytest.raises(QueryError, match=words):
            query(tmp_path, sql)


def test_the_database_can_be_rebuilt_from_the_journals(tmp_path: Path) -> None:
    remember(tmp_path, one_of_each())
    remember(tmp_path, [candidate(slot=n, score=n / 3) for n in range(20)])
    before = {name: values(tmp_path, f"FROM {name} ORDER BY ALL") for name in TABLES}

    report = rebuild(tmp_path)

    assert (report.lines, report.rebuilt, report.published) == (28, True, True)
    assert {name: values(tmp_path, f"FROM {name} ORDER BY ALL") for name in TABLES} == before


def test_a_home_that_is_a_file_is_explained(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")

    with pytest.raises(StoreError, match="set ASSAY_HOME"):
        query(home, "FROM candidates")
    with pytest.raises(UnwritableError, match="set ASSAY_HOME"):
        ingest(home)


def test_values_of_a_query_can_be_given_apart(tmp_path: Path) -> None:
    remember(tmp_path, [candidate(), candidate(slot=1)])

    by_place = query(tmp_path, "SELECT slot FROM candidates WHERE slot = ?", [1])
    by_name = query(tmp_path, "SELECT $x + 1 AS y", {"x": 1})

    assert by_place.rows == ((1,),)
    assert (by_name.columns, by_name.rows) == (("y",), ((2,),))


def test_of_several_statements_none_is_passed_over_in_silence(tmp_path: Path) -> None:
    for sql in ("SELECT 1; SELECT 2", "SET threads = 1; FROM candidates"):
        with pytest.raises(QueryError, match="expected one statement, got 2"):
            query(tmp_path, sql)


def test_a_reader_of_an_old_file_goes_on_and_a_new_one_sees_the_new_file(tmp_path: Path) -> None:
    count = "SELECT count(*) FROM candidates"
    remember(tmp_path, [candidate()])
    ingest(tmp_path)
    with open_history(tmp_path) as old:
        remember(tmp_path, [candidate(slot=1)])
        ingest(tmp_path)
        with open_history(tmp_path) as new:
            assert old.execute(count).fetchall() == [(1,)]
            assert new.execute(count).fetchall() == [(2,)]


WRITER = """
import sys
from pathlib import Path
from flows.history.journal import Journal
from tests.support.history_rows import candidate

home, name = Path(sys.argv[1]), sys.argv[2]
with Journal(home, name) as journal:
    for n in range(100):
        journal.append(candidate(experiment_id=name, iteration=n))
        print(n, flush=True)
"""

INGESTER = """
import sys
from pathlib import Path
from flows.history.store import ingest

for _ in range(5):
    assert not ingest(Path(sys.argv[1])).busy
"""

EVERYTHING = "SELECT * EXCLUDE (recorded_at, recorded_in) FROM candidates ORDER BY ALL"


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    output, problem = process.communicate(timeout=120)
    assert (process.returncode, problem) == (0, "")
    return output


def fill(home: Path) -> None:
    """Three journals; every row is written twice, the second time as it is meant."""
    for part in range(3):
        rows = [candidate(iteration=part, slot=slot) for slot in range(40)]
        remember(home, [*rows, *(candidate(iteration=part, slot=s, title="x") for s in range(40))])


def test_two_ingests_at_once_take_turns(tmp_path: Path) -> None:
    fill(tmp_path)

    for process in [start(INGESTER, tmp_path), start(INGESTER, tmp_path)]:
        finish(process)

    assert len(query(tmp_path, EVERYTHING).rows) == 120


def test_an_ingest_that_may_not_wait_says_that_another_is_at_work(tmp_path: Path) -> None:
    with hold(lock_path(tmp_path), 0) as held:
        report = ingest(tmp_path, wait_seconds=0)

    assert held
    assert report.busy
    assert not ingest(tmp_path, wait_seconds=0).busy


def test_a_query_beside_a_long_ingest_says_that_rows_may_be_missing(tmp_path: Path) -> None:
    remember(tmp_path, [candidate()])
    ingest(tmp_path)

    with hold(lock_path(tmp_path), 0):
        found = query(tmp_path, "SELECT count(*) FROM candidates", wait_seconds=0)

    assert found.rows == ((1,),)
    assert "another ingest" in found.notes[0]


def test_writers_and_a_reader_never_meet(tmp_path: Path) -> None:
    writers = [start(WRITER, tmp_path, name) for name in "abcd"]
    counts = [0]

    while any(writer.poll() is None for writer in writers):
        counts.append(query(tmp_path, "SELECT count(*) FROM candidates").rows[0][0])
    for writer in writers:
        finish(writer)

    assert counts == sorted(counts)
    total = "SELECT count(*), count(DISTINCT (experiment_id, iteration)) FROM candidates"
    assert query(tmp_path, total).rows == ((400, 400),)


def test_a_row_that_was_acknowledged_survives_the_death_of_its_writer(tmp_path: Path) -> None:
    writer = start(WRITER, tmp_path, "a")
    assert writer.stdout is not None
    seen = [int(writer.stdout.readline()) for _ in range(30)]
    writer.kill()
    seen += [int(line) for line in writer.stdout]  # not communicate(): it forgets what was read
    writer.communicate()

    found = query(tmp_path, "SELECT iteration FROM candidates ORDER BY ALL").rows

    assert [row[0] for row in found[: len(seen)]] == seen
    assert len(found) <= len(seen) + 1


def test_rows_appended_while_the_file_is_read_are_taken_by_the_next_ingest(tmp_path: Path) -> None:
    with Journal(tmp_path, "night") as journal:
        for number in range(5):
            journal.append(evaluation(attempt=number))
            assert ingest(tmp_path).lines == 1
