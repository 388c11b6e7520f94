"""No question to the copy of the history that clients read finds a figure that is held back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.history.asked import ask_apart
from flows.history.held_back import CANDIDATES, EXPERIMENTS, OF_VALIDATION, OpenHistory
from flows.history.records import ROW_KINDS
from flows.history.store import Bounds, QueryError, open_history, query, refreshed
from tests.support.history_rows import candidate, remember
from tests.support.secret_history import ON_TEST, ON_VALIDATION, remember_secrets


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return remember_secrets(tmp_path)


@pytest.fixture
def seen(home: Path) -> Iterator[Path]:
    with OpenHistory(home, ("train",)) as history:
        yield history.folder()[0]


def everything(home: Path) -> dict[str, str]:
    """Return what each table and view answers, and some functions that tell of tables."""
    named = "SELECT schema_name || '.' || {0}_name FROM duckdb_{0}s() WHERE NOT internal"
    refreshed(home, 60)
    with open_history(home) as connection:

        def answer(statement: str) -> list[Any]:
            return connection.execute(statement).fetchall()

        names = [row[0] for kind in ("table", "view") for row in answer(named.format(kind))]
        functions = [f"duckdb_{each}()" for each in ("databases", "tables", "views", "columns")]
        return {name: str(answer(f"FROM {name}")) for name in (*names, *functions)}


def test_no_table_or_view_tells_a_figure_on_test(home: Path, seen: Path) -> None:
    assert any(str(ON_TEST) in text for text in everything(home).values())

    told = everything(seen)

    assert {"main.leaderboard", "main.evaluations", "main.pipelines_evaluations"} <= set(told)
    assert [name for name, text in told.items() if str(ON_TEST) in text] == []
    assert [name for name, text in told.items() if str(ON_VALIDATION) in text] == []
    assert query(seen, "SELECT experiment_id FROM experiments").rows == (("night",),)
    assert query(seen, "SELECT kind FROM events").rows == (("started",),)
    assert query(seen, "SELECT title, score FROM leaderboard").rows == (("smallest first", 1.0),)
    for table in ("evaluations", "scenarios", "llm_calls", "prompts"):
        (count,) = query(seen, f"SELECT count(*) FROM {table}").rows[0]
        assert count >= (table != "prompts"), table


def test_validation_is_seen_only_where_it_is_allowed(home: Path) -> None:
    with OpenHistory(home, ("train", "validation")) as history:
        told = everything(history.folder()[0])

    assert str(ON_VALIDATION) in told["main.leaderboard"]
    assert str(ON_VALIDATION) in told["main.events"]
    assert [name for name, text in told.items() if str(ON_TEST) in text] == []


def test_neither_the_history_nor_its_folder_can_be_reached(home: Path, seen: Path) -> None:
    for statement in (
        f"ATTACH '{home / 'history.duckdb'}' AS h",
        f"FROM read_text('{home}/journal/*')",
        f"FROM read_json('{home}/journal/*')",
        "FROM whole.evaluations",
        "FROM seen",
        "SET enable_external_access = true",
    ):
        with pytest.raises(QueryError):
            query(seen, statement, bounds=Bounds(seconds=5, rows=5))


def test_the_copy_follows_the_history(home: Path) -> None:
    with OpenHistory(home, ("train",)) as history:
        count = "SELECT count(*) FROM candidates"
        assert query(history.folder()[0], count).rows == ((1,),)

        remember(home, [candidate(iteration=2)], "night")

        assert query(history.folder()[0], count).rows == ((2,),)


def test_an_empty_history_is_an_empty_copy(tmp_path: Path) -> None:
    with OpenHistory(tmp_path / "nothing", ("train",)) as history:
        assert query(history.folder()[0], "FROM leaderboard").rows == ()

    assert not (tmp_path / "nothing").exists()


def test_somebody_decided_of_each_table_and_column_whether_it_is_seen() -> None:
    """A new column of these tables is not copied: add it to the list, or to the set below."""
    known = {each.table: set(each.columns) for each in ROW_KINDS}
    held_back = {"config", "status_detail"}

    assert known["experiments"] == {*EXPERIMENTS} | held_back
    assert known["candidates"] == {*CANDIDATES, *OF_VALIDATION}
    assert set(known) == {
        "experiments", "scenarios", "candidates", "evaluations", "prompts", "llm_calls", "events",
        "artifacts",
    }  # fmt: skip


def test_a_question_has_its_time_and_its_rows(seen: Path) -> None:
    large = "SELECT count(*) FROM range(100000000000) a, range(100000) b"

    with pytest.raises(QueryError, match=r"took more than 0\.2 s: ask for less"):
        query(seen, large, bounds=Bounds(seconds=0.2, rows=5))
    found = query(seen, "FROM range(1000)", bounds=Bounds(seconds=60, rows=3))

    assert found.rows == ((0,), (1,), (2,))
    assert found.notes == ("the answer is cut after 3 rows: ask for less",)
    long = "SELECT repeat('x', 1_500_000) FROM range(40)"
    assert len(query(seen, long, bounds=Bounds(seconds=60, rows=40)).rows) == 1


def test_a_question_that_takes_all_memory_ends_a_process_of_its_own(seen: Path) -> None:
    bounds = Bounds(seconds=30, rows=50)

    with pytest.raises(QueryError, match=r"Out of Memory|of memory"):
        ask_apart(seen, "SELECT repeat('x', 3_000_000_000)", bounds)
    with pytest.raises(QueryError, match="Table with name nothing does not exist"):
        ask_apart(seen, "FROM nothing", bounds)
    found = ask_apart(seen, "SELECT 1 AS a, DATE '2026-01-02' AS b, 'nan'::DOUBLE AS c", bounds)

    assert (found.columns, found.rows) == (("a", "b", "c"), ((1, "2026-01-02", None),))
