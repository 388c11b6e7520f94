"""Every question of the cookbook for functions as a service gets an answer from a real search."""

import re
from pathlib import Path

import pytest

from flows.history.store import query
from simulator.domains.faas.cell import open_scenario
from tests.docs.pages import DOCS, blocks, follows, type_in

PAGE = DOCS / "faas-cookbook.md"
QUESTION = re.compile(r"^### ([^\n]+\?)\n\n```sql\n(.+?)```", re.DOTALL | re.MULTILINE)
QUESTIONS = QUESTION.findall(PAGE.read_text(encoding="utf-8"))
SCENARIO = """\
duration_seconds = 600
seed = {seed}

[packages]
python = 100

[[images]]
name = "py"
packages = ["python"]

[[nodes]]
name = "n"
memory_mb = 1024
count = 2

[[tenants]]
name = "a"

[[tenants]]
name = "b"

[[functions]]
name = "a/web"
tenant = "a"
image = "py"
memory_mb = 512

[[functions]]
name = "b/job"
tenant = "b"
memory_mb = 1024

[[traffic]]
per_second = 0.1
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history of one search of three candidates on three scenarios of ten minutes."""
    folder = tmp_path_factory.mktemp("reader")
    suite = 'name = "small"\ndescription = "short scenarios"\ndomain = "faas"\n'
    for seed, split in enumerate(("train", "validation", "test"), start=1):
        path = folder / f"{split}.toml"
        path.write_text(SCENARIO.format(seed=seed), encoding="utf-8")
        suite += (
            f'[[scenarios]]\nname = "small-{seed}"\nfamily = "small"\nsplit = "{split}"\n'
            f'scenario = "{path.name}"\nsha256 = "{open_scenario(path).sha256}"\n'
        )
    (folder / "small.toml").write_text(suite, encoding="utf-8")
    type_in(
        "assay run --direct --domain faas --suite small.toml --strategy evolve --candidates 3 "
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
