"""What a person asks in SQL reads files of theirs and writes none, whatever the statement says."""

from contextlib import suppress
from pathlib import Path

import pytest

from flows.history.store import QueryError, copy_to_parquet, ingest, query
from tests.support.history_rows import candidate, remember

COPY = "COPY (SELECT 1 AS a) TO 'out.csv' (FORMAT csv)"
PIVOT = "PIVOT (SELECT 1 AS a, 2 AS b) ON a USING sum(b)"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history that no test changes."""
    folder = tmp_path_factory.mktemp("history")
    remember(folder, [candidate()])
    ingest(folder)
    return folder


@pytest.fixture
def home(history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The history, asked from a working folder that is empty but for a file of the person's."""
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("title,copy\nsmallest first,7\n", encoding="utf-8")
    return history


def test_no_query_overwrites_a_journal(home: Path) -> None:
    (journal,) = (home / "journal").iterdir()
    before = journal.read_bytes()

    for sql in (
        f"EXPLAIN ANALYZE COPY (SELECT 1 AS a) TO '{journal}' (FORMAT csv)",
        f"WITH c AS (COPY (SELECT 1 AS a) TO '{journal}' (FORMAT csv)) FROM c",
        f"PRAGMA profiling_output = '{journal}'; PRAGMA enable_profiling = 'json'; SELECT 1",
    ):
        with pytest.raises(QueryError, match="read-only"):
            query(home, sql)

    assert journal.read_bytes() == before


@pytest.mark.parametrize(
    "sql",
    [
        f"EXPLAIN {COPY}",
        f"EXPLAIN ANALYZE {COPY}",
        f"EXPLAIN (ANALYZE, FORMAT json) {COPY}",
        f"-- why\nexplain /* it */ analyze -- is\n {COPY}",
        f"explain\u00a0analyze\u00a0{COPY}",
        f"/* a /* b */ c */ EXPLAIN ANALYZE {COPY}",
        f"SELECT 1; EXPLAIN ANALYZE {COPY}",
        "EXPLAIN ANALYZE CREATE PERSISTENT SECRET s (TYPE http)",
        "EXPLAIN ANALYZE CHECKPOINT",
        f"WITH c AS ({COPY}) FROM c",
        f"WITH c AS MATERIALIZED (/* */\u00a0{COPY}) SELECT 1",
        f"WITH c AS ({COPY}) VALUES (1)",
        f"EXPLAIN ANALYZE WITH c AS ({COPY}) FROM c",
        f"WITH c AS ({COPY}) {PIVOT}",
        f"COPY ({PIVOT}) TO 'out.csv'",
        f"EXPLAIN ANALYZE COPY ({PIVOT}) TO 'out.csv'",
        f"CREATE TEMP TABLE x AS {PIVOT}",
        "EXPORT DATABASE 'out'",
        "IMPORT DATABASE 'out'",
        "ATTACH 'out.duckdb'",
        "INSTALL httpfs",
        "LOAD 'out.duckdb_extension'",
        "UPDATE EXTENSIONS",
        "CREATE TEMP TABLE x AS SELECT 1",
        "CREATE PERSISTENT SECRET s (TYPE http)",
        "VACUUM",
        f"PREPARE p AS {COPY}",
        f"PREPARE p AS {COPY}; EXECUTE p",
        "PRAGMA enable_profiling",
        "PRAGMA import_database('out')",
        "PRAGMA copy_database('a', 'b')",
        "/* a */ PRAGMA force_checkpoint",
        "PRAGMA profiling_output = 'out.json'",
        "SET profiling_output = 'out.json'",
        "RESET profiling_output",
        "SET enable_profiling = 'json'",
        "SET temp_directory = 'out'",
        "SET secret_directory = 'out'",
        "SET allowed_configs = ['profiling_output']",
        "SET lock_configuration = false",
        "SET logging_storage = 'file'",
        "CALL enable_logging('QueryLog', storage = 'file', storage_config = {'path': 'out.csv'})",
        "FROM enable_logging('QueryLog', storage = 'file', storage_config = {'path': 'out.csv'})",
        "SET VARIABLE v = (SELECT 1 FROM enable_logging('QueryLog', storage = 'file'))",
        "CALL enable_profiling(format = 'json', save_location = 'out.json')",
        "FROM enable_profiling(format = 'json', save_location = 'out.json')",
    ],
)
def test_a_statement_that_could_write_a_file_is_refused(home: Path, sql: str) -> None:
    with pytest.raises(QueryError, match="read-only"):
        query(home, f"{sql}; SELECT 1" if sql.startswith(("SET", "RESET", "PRAGMA")) else sql)

    assert [path.name for path in Path().iterdir()] == ["mine.csv"]


@pytest.mark.parametrize(
    "sql",
    [
        f"FROM query('WITH c AS ({COPY.replace(chr(39), chr(39) * 2)}) FROM c')",
        f"SET VARIABLE v = (WITH c AS ({COPY}) FROM c)",
        f"SELECT * FROM (WITH c AS ({COPY}) FROM c)",
        f"FROM json_execute_serialized_sql(json_serialize_sql('{COPY.replace(chr(39), '')}'))",
        "FROM read_duckdb('new.duckdb')",
        "SELECT write_log('text')",
        "CHECKPOINT",
        "FROM force_checkpoint('history')",
        f"WITH c AS ({COPY}) SHOW TABLES",
    ],
)
def test_what_is_no_statement_of_its_own_writes_no_file_either(home: Path, sql: str) -> None:
    with suppress(QueryError):
        query(home, sql)

    assert [path.name for path in Path().iterdir()] == ["mine.csv"]


@pytest.mark.parametrize("sql", [COPY, f"EXPLAIN ANALYZE {COPY}", f"WITH c AS ({COPY}) FROM c"])
def test_an_answer_that_is_kept_as_parquet_is_the_only_file(home: Path, sql: str) -> None:
    with pytest.raises(QueryError, match="read-only"):
        copy_to_parquet(home, sql, Path("answer.parquet"))

    assert [path.name for path in Path().iterdir()] == ["mine.csv"]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT m.copy FROM 'mine.csv' m JOIN candidates USING (title)", ((7,),)),
        ("SELECT copy FROM read_csv('mine.csv');", ((7,),)),
        ("SELECT 'copy (select 1) to x' AS a -- copy", (("copy (select 1) to x",),)),
        ("SELECT max(copy) FROM (SELECT 3 AS copy)", ((3,),)),
        ("SET threads = 1; SET TimeZone = 'CET'; SET memory_limit = '1GB'; SELECT 1", ((1,),)),
        ("PRAGMA threads = 1; RESET threads; SELECT 1", ((1,),)),
        ("SET VARIABLE v = 3; SELECT getvariable('v')", ((3,),)),
        (f"FROM ({PIVOT})", ((2,),)),
        (PIVOT, ((2,),)),
        ("USE memory; SELECT count(*) FROM history.candidates", ((1,),)),
    ],
)
def test_reading_is_as_free_as_it_was(home: Path, sql: str, rows: tuple) -> None:
    assert query(home, sql).rows == rows


@pytest.mark.parametrize(
    "sql",
    [
        "EXPLAIN FROM candidates",
        "EXPLAIN ANALYZE SELECT copy FROM 'mine.csv'",
        "-- why\nEXPLAIN (FORMAT json) FROM candidates",
        "EXPLAIN (SELECT 1)",
        f"EXPLAIN {PIVOT}",
        "PRAGMA table_info('candidates')",
        "PRAGMA show_tables",
        "CALL pragma_version()",
        "SHOW TABLES",
        "DESCRIBE candidates",
        "SUMMARIZE candidates",
        "VALUES (1)",
        "TABLE candidates",
    ],
)
def test_questions_about_queries_and_tables_are_answered(home: Path, sql: str) -> None:
    assert query(home, sql).rows


def test_a_name_that_is_no_table_is_not_a_variable_of_the_program(home: Path) -> None:
    with pytest.raises(QueryError, match="Table with name statements does not exist"):
        query(home, "FROM statements")


def test_a_setting_that_is_refused_names_those_that_are_not(home: Path) -> None:
    with pytest.raises(QueryError, match=r"only these settings may stand .*TimeZone.*threads"):
        query(home, "SET file_search_path = '/'; SELECT 1")
