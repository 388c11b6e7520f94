"""The schema holds every field of every row, says what each column means, and has a number."""

import hashlib
from pathlib import Path

import pytest

import flows.history.ingest as ingest_module
from flows.history.records import ROW_KINDS, RowKind
from flows.history.store import query

VIEWS = (
    "leaderboard improvement_curve failures_by_kind cost_per_improvement lineage generalisation_gap"
).split()

# With every change of the schema its number goes up, so that an older assay refuses the database
# instead of rebuilding it without what it does not know.
SCHEMAS = {6: "a15b46199cfb8c7cbf5e3c924cdf0600e8820fad27bfc7c958d365ee1e27c08a"}


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
        "AND NOT internal AND comment IS NULL"
    )

    assert query(tmp_path, sql).rows == ()


def test_every_table_and_view_says_what_it_holds(tmp_path: Path) -> None:
    sql = (
        "SELECT table_name, comment FROM (FROM duckdb_tables() UNION ALL BY NAME "
        "SELECT *, view_name AS table_name FROM duckdb_views() WHERE NOT internal) "
        "WHERE schema_name = 'main'"
    )

    comments = dict(query(tmp_path, sql).rows)

    assert comments.keys() == {*VIEWS, *(kind.table for kind in ROW_KINDS)}
    assert all(comments.values())


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_an_empty_history_is_empty(tmp_path: Path, view: str) -> None:
    assert query(tmp_path, f"FROM {view}").rows == ()


def test_a_changed_schema_has_a_new_number() -> None:
    schema = Path(ingest_module.__file__).with_name("schema.sql").read_bytes()

    assert SCHEMAS[ingest_module.SCHEMA_VERSION] == hashlib.sha256(schema).hexdigest()
