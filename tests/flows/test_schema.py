"""The schema holds every field of every row, says what each column means, and is only added to."""

from pathlib import Path

import duckdb
import pytest

from flows.history.records import ROW_KINDS, RowKind
from flows.history.schema import migrations
from flows.history.store import ingest, query
from flows.home import build_path
from tests.support.history_rows import candidate, remember

VIEWS = (
    "leaderboard improvement_curve failures_by_kind cost_per_improvement lineage generalisation_gap"
).split()

# A released migration is never edited: change the history by adding the next one.
RELEASED = {
    "0001_tables": "a887d753d1840ad488084c867a99b62f000504f7e5e3156e45a25b4163fc45e0",
    "0002_views": "e2c86f2b7cdaf70be1f6ad6b6ad16aa71c291b7fe5ee51884253e4eed1af791c",
}


@pytest.mark.parametrize("kind", ROW_KINDS, ids=lambda kind: kind.table)
def test_a_table_has_the_fields_of_its_row_and_where_it_came_from(
    tmp_path: Path, kind: RowKind
) -> None:
    columns = query(tmp_path, f"SELECT * FROM {kind.table}").columns

    assert sorted(columns) == sorted((*kind.columns, "recorded_at", "recorded_in"))


@pytest.mark.parametrize("kind", ROW_KINDS, ids=lambda kind: kind.table)
def test_the_primary_key_of_a_table_is_the_key_of_its_row(tmp_path: Path, kind: RowKind) -> None:
    sql = (
        "SELECT constraint_column_names FROM duckdb_constraints() "
        "WHERE table_name = ? AND constraint_type = 'PRIMARY KEY'"
    )

    assert query(tmp_path, sql, [kind.table]).rows == ((list(kind.key),),)


def test_every_column_says_what_it_means(tmp_path: Path) -> None:
    sql = (
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'history' "
        "AND NOT internal AND table_name <> 'schema_migrations' AND comment IS NULL"
    )

    assert query(tmp_path, sql).rows == ()


def test_every_table_and_view_says_what_it_holds(tmp_path: Path) -> None:
    sql = (
        "SELECT table_name, comment FROM (FROM duckdb_tables() UNION ALL BY NAME "
        "SELECT *, view_name AS table_name FROM duckdb_views() WHERE NOT internal) "
        "WHERE schema_name = 'main' AND table_name <> 'schema_migrations'"
    )

    comments = dict(query(tmp_path, sql).rows)

    assert comments.keys() == {*VIEWS, *(kind.table for kind in ROW_KINDS)}
    assert all(comments.values())


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_an_empty_history_is_empty(tmp_path: Path, view: str) -> None:
    assert query(tmp_path, f"FROM {view}").rows == ()


def test_a_database_of_the_first_version_gets_what_was_added_since(tmp_path: Path) -> None:
    remember(tmp_path, [candidate(score=1.5, standing="promoted", improved=True)])
    with duckdb.connect(str(build_path(tmp_path))) as connection:
        connection.execute(
            "CREATE TABLE schema_migrations "
            "(version BIGINT PRIMARY KEY, name VARCHAR, sha256 VARCHAR, applied_at TIMESTAMP)"
        )
        for step in migrations()[:2]:
            connection.execute(step.sql)
            connection.execute(
                "INSERT INTO schema_migrations VALUES (?, ?, ?, now())",
                [step.version, step.name, step.sha256],
            )

    report = ingest(tmp_path)

    assert (report.rebuilt, report.notes) == (False, ())
    assert query(tmp_path, "SELECT standing, is_best FROM leaderboard").rows == (
        ("promoted", True),
    )
    applied = query(tmp_path, "SELECT version FROM schema_migrations ORDER BY version").rows
    assert [version for (version,) in applied] == [step.version for step in migrations()]


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    steps = migrations()

    assert [step.version for step in steps] == list(range(1, len(steps) + 1))


def test_released_migrations_are_as_they_were() -> None:
    found = {step.name: step.sha256 for step in migrations()}

    assert {name: found.get(name) for name in RELEASED} == RELEASED
