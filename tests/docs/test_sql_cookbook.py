"""Every question of the cookbook gets an answer, and the schema's page is what the schema says."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.schema_page import schema_page
from flows.store import Table, ingest, query
from tests.support.sample_history import write_sample_history

DOCS = Path(__file__).resolve().parents[2] / "docs"
COOKBOOK = (DOCS / "sql-cookbook.md").read_text(encoding="utf-8")
QUESTION = re.compile(r"^### (.+?\?)\n\n```sql\n(.+?)```", re.DOTALL | re.MULTILINE)
QUESTIONS = QUESTION.findall(COOKBOOK)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("sample")
    write_sample_history(folder / ".assay")
    ingest(folder / ".assay")
    yield folder / ".assay"


def answer(home: Path, words: str) -> Table:
    (sql,) = [sql for question, sql in QUESTIONS if words in question]
    return query(home, sql, refresh=False)


def test_the_cookbook_answers_the_questions_people_ask() -> None:
    assert len(QUESTIONS) >= 20
    assert len(QUESTIONS) == COOKBOOK.count("```sql")


@pytest.mark.parametrize("sql", [q[1] for q in QUESTIONS], ids=[q[0] for q in QUESTIONS])
def test_every_question_gets_an_answer(home: Path, sql: str) -> None:
    found = query(home, sql, refresh=False)

    assert found.rows
    assert any(value is not None for row in found.rows for value in row)


def test_the_best_policy_is_the_one_with_the_highest_score(home: Path) -> None:
    best = answer(home, "best of all").rows[0]

    assert best[:3] == ("model-tuesday", "idea 8", 2.88)


def test_the_wording_that_fails_most_comes_first(home: Path) -> None:
    found = answer(home, "wording").rows

    assert [row[0] for row in found] == ["short", "with-examples"]
    assert [row[3] for row in found] == [50.0, 0.0]


def test_a_failure_shows_its_source_line(home: Path) -> None:
    assert answer(home, "Which line").rows[0][4] == "size = pipelines[0].size"


def test_two_nights_are_compared_scenario_by_scenario(home: Path) -> None:
    found = answer(home, "two nights").rows

    assert {row[0] for row in found} == {"calm-1", "rush-1", "rush-2"}
    assert all(row[3] > 0 for row in found)


def test_python_reads_the_published_file(home: Path) -> None:
    (program,) = re.findall(r"```python\n(.+?)```", COOKBOOK, re.DOTALL)

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=home.parent, capture_output=True, text=True
    )

    assert done.stderr == ""
    assert "idea 8" in done.stdout


def test_the_page_of_the_schema_is_what_the_schema_says(tmp_path: Path) -> None:
    page = (DOCS / "history-schema.md").read_text(encoding="utf-8")

    assert page == schema_page(tmp_path), "write it with python -m flows.schema_page"
