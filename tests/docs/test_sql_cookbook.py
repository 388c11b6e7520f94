"""Every question of the cookbook gets an answer, and the schema's page is what the schema says."""

import json
import re
import shutil
from pathlib import Path

import duckdb
import pytest

from flows.history.check import check
from flows.history.schema_page import schema_page
from flows.history.store import Table, ingest, query
from tests.docs.pages import blocks, follow, follows
from tests.support.sample_history import write_sample_history

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "sql-cookbook.md"
COOKBOOK = PAGE.read_text(encoding="utf-8")
QUESTION = re.compile(r"^### (.+?\?)\n\n```sql\n(.+?)```", re.DOTALL | re.MULTILINE)
QUESTIONS = QUESTION.findall(COOKBOOK)
SHIPPED = DOCS / "sample-history"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the history that is shipped with the page."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(SHIPPED, folder / "docs" / "sample-history")
    shutil.copytree(SHIPPED, folder / "sample")
    ingest(folder / "sample")
    return folder / "sample"


def answer(home: Path, words: str) -> Table:
    (sql,) = [sql for question, sql in QUESTIONS if words in question]
    return query(home, sql, refresh=False)


def test_the_shipped_history_is_what_its_program_writes_and_is_well(
    tmp_path: Path, home: Path
) -> None:
    write_sample_history(tmp_path)

    def journals(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / "journal").iterdir()}

    assert journals(SHIPPED) == journals(tmp_path), (
        "write it with python -m tests.support.sample_history docs/sample-history"
    )
    assert check(home).problems == ()


@follows(PAGE, "sql")
def test_every_block_of_sql_answers_one_of_the_questions_that_are_asked_below() -> None:
    shown = [block.take() for block in blocks(PAGE, "sql")]

    assert [sql for _, sql in QUESTIONS] == shown
    assert len(shown) >= 30


@pytest.mark.parametrize("sql", [q[1] for q in QUESTIONS], ids=[q[0] for q in QUESTIONS])
def test_every_question_gets_an_answer(home: Path, sql: str) -> None:
    found = query(home, sql, refresh=False)

    assert found.rows
    assert any(value is not None for row in found.rows for value in row)


def test_the_best_policy_is_the_promoted_one_with_the_highest_held_out_score(home: Path) -> None:
    best = answer(home, "best of all").rows[0]

    assert best[:4] == ("pipelines", "model-tuesday", "whole-cricket", 2.7)
    assert "idea 8" in best
    assert answer(home, "name that I read").rows[0][:2] == ("model-tuesday", "whole-cricket")


def test_the_wording_that_fails_most_comes_first(home: Path) -> None:
    found = answer(home, "wording").rows

    assert [row[0] for row in found] == ["short", "with-examples"]
    assert [row[3] for row in found] == [57.1, 0.0]


def test_a_failure_shows_its_source_line(home: Path) -> None:
    assert "size = pipelines[0].size" in {row[4] for row in answer(home, "Which line").rows}


def test_two_nights_are_compared_scenario_by_scenario(home: Path) -> None:
    found = answer(home, "two nights?").rows

    assert {row[0] for row in found} == {"calm-1", "calm-2", "rush-1", "rush-2", "rush-3"}
    assert [round(row[4], 1) for row in found] == [9.1] * 5
    assert "seed" in {row[0] for row in answer(home, "nights differ").rows}


def test_the_best_on_bursts_is_judged_by_bursts_that_were_held_out(home: Path) -> None:
    found = answer(home, "bursts").rows

    assert found[0][:2] == ("idea 8", "model-tuesday")
    assert "idea 10" not in {row[0] for row in found}


def test_a_policy_that_was_not_believed_says_why(home: Path) -> None:
    found = answer(home, "not promoted").rows

    assert [(row[1], row[2]) for row in found[:2]] == [("idea 9", "refused"), ("idea 10", "barred")]
    assert "gap alarm" in found[1][6]
    assert [row[1] for row in answer(home, "believes its train").rows] == ["idea 10"] * 3


def test_dollars_are_counted_for_a_gain_on_held_out_scenarios(home: Path) -> None:
    dollars = {row[0]: row[5] for row in answer(home, "dollars").rows}

    assert dollars["model-tuesday"] == pytest.approx(0.24 / (100 * (2.7 / 1.1 - 1)))
    assert dollars["offline-monday"] is None


def test_repeats_name_what_was_repeated(home: Path) -> None:
    assert {tuple(row[5]) for row in answer(home, "repeated itself").rows} == {("2/0",)}


def test_every_evaluation_in_a_cell_is_counted_at_its_host(home: Path) -> None:
    counted = sum(row[4] for row in answer(home, "Which hosts").rows)

    assert query(home, "SELECT count(*) FROM evaluations").rows == ((counted,),)


@follows(PAGE, "sh", "python")
def test_the_page_can_be_followed_from_top_to_bottom(tmp_path: Path) -> None:
    """Its Python stands in for the command-line program of DuckDB, which is no Python package."""
    folder = tmp_path
    shutil.copytree(SHIPPED, folder / "docs" / "sample-history")
    shutil.copytree(SHIPPED, folder / ".assay")
    asked = (
        "import sys, duckdb; print(duckdb.connect(sys.argv[1], read_only=True).sql(sys.argv[2]))"
    )

    shown = list(follow(PAGE, folder, changes={"duckdb -readonly": f"python -c '{asked}'"}))

    [checked] = [each.output for each in shown if "db check" in each.commands]
    assert "the database matches the journals" in checked
    assert sum("idea 8" in each.output for each in shown) >= 2
    assert any("candidates 42" in each.output for each in shown)
    assert {"curve.parquet", "failures.csv", "tables"} <= {path.name for path in folder.iterdir()}


def test_the_published_file_is_one_that_older_clients_open(home: Path) -> None:
    with duckdb.connect(str(home / "history.duckdb"), read_only=True) as connection:
        found = connection.sql(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'history'"
        ).fetchall()

    assert found == [({"storage_version": "v1.2.0+"},)]


def test_every_json_answer_can_be_read_by_a_program(home: Path) -> None:
    found = query(home, "SELECT metrics FROM evaluations WHERE outcome = 'ok'", refresh=False)

    assert all(json.loads(row[0])["latency"] for row in found.rows)


def test_the_page_of_the_schema_is_what_the_schema_says(tmp_path: Path) -> None:
    page = (DOCS / "history-schema.md").read_text(encoding="utf-8")

    assert page == schema_page(tmp_path), "write it with python -m flows.history.schema_page"
