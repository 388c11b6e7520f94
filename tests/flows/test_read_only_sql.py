"""What a person asks in SQL changes nothing, and reads no file but in a folder that is named."""

from contextlib import suppress
from pathlib import Path

import pytest

from flows.history.store import QueryError, copy_to_parquet, ingest, query
from tests.support.history_rows import candidate, remember

COPY = "COPY (SELECT 1 AS a) TO 'out.csv' (FORMAT csv)"
PIVOT = "PIVOT (SELECT 1 AS a, 2 AS b) ON a USING sum(b)"
OVER_MINE = COPY.replace("out.csv", "mine.csv")

WRITING = (
    COPY,
    OVER_MINE,
    f"EXPLAIN {COPY}",
    f"EXPLAIN ANALYZE {COPY}",
    f"EXPLAIN (ANALYZE, FORMAT json) {COPY}",
    f"explain\u00a0analyze\u00a0{COPY}",
    f"SELECT 1; {COPY}",
    f"SELECT 1) AS a; {COPY}; FROM (SELECT 1",
    f"SELECT 1 /*) {COPY} */",
    f"SELECT 1 --\n); {COPY}; FROM (SELECT 1",
    f"WITH c AS ({COPY}) FROM c",
    f"WITH c AS ({OVER_MINE}) FROM c",
    f"WITH c AS MATERIALIZED (/* */\u00a0{COPY}) SELECT 1",
    f"WITH c AS ({COPY}) VALUES (1)",
    f"WITH c AS ({COPY}) SHOW TABLES",
    f"EXPLAIN ANALYZE WITH c AS ({COPY}) FROM c",
    f"WITH c AS ({COPY}) {PIVOT}",
    f"COPY ({PIVOT}) TO 'out.csv'",
    f"SELECT * FROM (WITH c AS ({COPY}) FROM c)",
    f"SET VARIABLE v = (WITH c AS ({COPY}) FROM c)",
    f"FROM query('WITH c AS ({COPY.replace(chr(39), chr(39) * 2)}) FROM c')",
    f"FROM json_execute_serialized_sql(json_serialize_sql('{COPY.replace(chr(39), '')}'))",
    "EXPORT DATABASE 'out'",
    "IMPORT DATABASE 'out'",
    "ATTACH 'out.duckdb'",
    "FROM read_duckdb('out.duckdb')",
    "INSTALL httpfs",
    "LOAD 'out.duckdb_extension'",
    "UPDATE EXTENSIONS",
    "CREATE PERSISTENT SECRET s (TYPE http)",
    "CREATE TABLE mine (a INT)",
    "INSERT INTO candidates (iteration) VALUES (1)",
    "UPDATE candidates SET score = 9",
    "DELETE FROM candidates",
    "WITH x AS (DELETE FROM candidates RETURNING 1) FROM x",
    "DROP TABLE candidates",
    "EXPLAIN ANALYZE DELETE FROM candidates",
    "VACUUM",
    "CHECKPOINT",
    "FROM force_checkpoint('history')",
    f"PREPARE p AS {COPY}",
    "PRAGMA import_database('out')",
    "PRAGMA copy_database('history', 'memory')",
    "PRAGMA enable_profiling",
    "PRAGMA profiling_output = 'out.json'",
    "SET profiling_output = 'out.json'",
    "RESET profiling_output",
    "SET temp_directory = 'out'",
    "SET secret_directory = 'out'",
    "SET allowed_directories = ['/']",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET logging_storage = 'file'",
    "FROM enable_logging('QueryLog', storage = 'file', storage_config = {'path': 'out.csv'})",
    "CALL enable_logging('QueryLog', storage = 'file', storage_config = {'path': 'out.csv'})",
    "CALL enable_profiling(format = 'json', save_location = 'out.json')",
    "SELECT write_log('text')",
)
READING = (
    "FROM 'mine.csv'",
    "FROM read_csv('mine.csv')",
    "FROM read_text('/etc/passwd')",
    "FROM read_blob('mine.csv')",
    "FROM glob('*')",
    "FROM read_parquet('out.parquet')",
    "FROM read_duckdb('elsewhere.duckdb', table_name = 'mine')",
    "FROM 'http://127.0.0.1:9/mine.csv'",
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A history, asked from a working folder that is empty but for a file of the person's."""
    remember(tmp_path / "home", [candidate()])
    ingest(tmp_path / "home")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("mine.csv").write_text("title,copy\nsmallest first,7\n", encoding="utf-8")
    return tmp_path / "home"


def contents(*folders: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for folder in folders for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.nightly)])
def test_no_statement_changes_a_file_or_the_history(home: Path, every: int) -> None:
    """All are asked as they are; where files may be read, by day every third of them."""
    (journal,) = (home / "journal").iterdir()
    over_the_journal = COPY.replace("out.csv", str(journal))
    statements = (*WRITING, over_the_journal, f"WITH c AS ({over_the_journal}) FROM c")
    before = contents(home, Path())

    changed = []
    for files in (None, Path(), home):
        for sql in statements if files is None else statements[::every]:
            with suppress(QueryError):
                query(home, sql, files=files, refresh=False)
            if contents(home, Path()) != before:
                changed.append((sql, files))

    assert changed == []
    assert query(home, "SELECT count(*), max(score) FROM candidates").rows == ((1, 1.0),)


def test_what_would_change_the_history_is_refused_in_words(home: Path) -> None:
    for sql in ("DELETE FROM candidates", "CREATE TABLE mine (a INT)"):
        with pytest.raises(QueryError, match=r"the history is read-only: .* --out FILE"):
            query(home, sql)


def test_no_file_can_be_read_until_its_folder_is_named(home: Path) -> None:
    for sql in READING:
        with pytest.raises(QueryError, match=r"--files DIR|does not exist|disabled"):
            query(home, sql)
    with pytest.raises(QueryError, match="only in a folder named with --files DIR"):
        query(home, "FROM read_csv('mine.csv')")


def test_files_in_a_named_folder_can_be_read_beside_the_history(home: Path) -> None:
    joined = "SELECT m.copy FROM 'mine.csv' m JOIN candidates USING (title) -- copy"

    found = query(home, f"{joined};", files=Path())

    assert found.rows == ((7,),)
    for elsewhere in ("FROM read_text('/etc/passwd')", "FROM glob('../*')", "FROM glob('/etc/*')"):
        with pytest.raises(QueryError, match="Cannot access"):
            query(home, elsewhere, files=Path())


def test_an_answer_beside_files_has_the_order_that_was_asked_for(home: Path) -> None:
    sql = "SELECT i, -i AS x FROM range(5000) t(i) ORDER BY x, i"

    found = query(home, sql, files=Path())

    assert [row[0] for row in found.rows] == list(range(4999, -1, -1))


def test_an_answer_that_is_kept_as_parquet_is_the_only_file(home: Path) -> None:
    for sql in (COPY, f"EXPLAIN ANALYZE {COPY}", f"WITH c AS ({COPY}) FROM c"):
        for files in (None, Path()):
            with pytest.raises(QueryError):
                copy_to_parquet(home, sql, Path("answer.parquet"), files)
    assert [path.name for path in Path().iterdir()] == ["mine.csv"]

    copied = copy_to_parquet(home, "FROM 'mine.csv'", Path("answer.parquet"), Path())

    assert copied.rows == {Path("answer.parquet"): 1}
    assert sorted(path.name for path in Path().iterdir()) == ["answer.parquet", "mine.csv"]


def test_questions_about_queries_and_tables_are_answered(home: Path) -> None:
    for sql in (
        "EXPLAIN FROM candidates",
        "EXPLAIN ANALYZE SELECT title FROM candidates",
        "-- why\nEXPLAIN (FORMAT json) FROM candidates",
        f"EXPLAIN {PIVOT}",
        f"FROM ({PIVOT})",
        PIVOT,
        "PRAGMA table_info('candidates')",
        "PRAGMA show_tables",
        "CALL pragma_version()",
        "SHOW TABLES",
        "DESCRIBE candidates",
        "SUMMARIZE candidates",
        "VALUES (1)",
        "TABLE candidates",
        "SELECT 'copy (select 1) to x' AS a -- copy",
    ):
        assert query(home, sql).rows, sql


def test_a_setting_is_refused_in_words(home: Path) -> None:
    with pytest.raises(QueryError, match="no setting can be changed"):
        query(home, "SET threads = 1")


def test_a_large_answer_spills_into_a_folder_that_goes_with_it(home: Path) -> None:
    large = "SELECT count(*) FROM (SELECT hash(i) h FROM range(300000) t(i) ORDER BY h)"

    assert query(home, large).rows == ((300_000,),)
    assert [path.name for path in Path().iterdir()] == ["mine.csv"]


def test_a_name_that_is_no_table_is_not_a_variable_of_the_program(home: Path) -> None:
    with pytest.raises(QueryError, match="Table with name statements does not exist"):
        query(home, "FROM statements")
