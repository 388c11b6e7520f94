"""Every question of the cookbook for functions as a service gets an answer from a real search."""

import re
from pathlib import Path

import pytest

from flows.history.store import query
from tests.docs.pages import DOCS, blocks, follows, type_in
from tests.support.small_suite import write_faas_suite

PAGE = DOCS / "faas-cookbook.md"
QUESTION = re.compile(r"^### ([^\n]+\?)\n\n```sql\n(.+?)```", re.DOTALL | re.MULTILINE)
QUESTIONS = QUESTION.findall(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of one search of three candidates on three scenarios of ten minutes."""
    folder = tmp_path_factory.mktemp("reader")
    write_faas_suite(folder)
    type_in(
        "assay run --direct --domain faas --suite small-faas.toml --strategy evolve --candidates 3 "
        "--cell process --baseline break-even",
        folder,
    )
    return folder / ".assay"


@follows(PAGE, "sql")
def test_every_question_gets_an_answer(home: Path) -> None:
    assert [sql for _, sql in QUESTIONS] == [block.take() for block in blocks(PAGE, "sql")]
    assert len(QUESTIONS) == 10
    for question, sql in QUESTIONS:
        found = query(home, sql)

        assert found.rows, question
        for column in zip(*found.rows, strict=True):
            assert any(value is not None for value in column), question
