"""The pages about comparing and about the evaluator do what they show."""

import json
from pathlib import Path

import pytest

from flows.console.init import starter_policy
from flows.evaluator_cells import PREFIX, EvaluatorSettings
from tests.docs.pages import DOCS, ROOT, follow

EVALUATOR = DOCS / "evaluator.md"


@pytest.mark.docker
def test_the_commands_of_the_page_about_comparing_work(tmp_path: Path) -> None:
    first, paper, _ = [shown.output for shown in follow(DOCS / "compare.md", tmp_path)]

    compared = json.loads((tmp_path / "compared.json").read_text(encoding="utf-8"))
    assert "right-size is the best of these. right-size against my_policy.py" in first
    assert "    fifo-one: +592.2 % (1.7, naive 0.246)" in paper
    assert compared["first"] == "my_policy.py"
    assert compared["policies"][0]["against_first"] is None


@pytest.mark.docker
def test_the_program_on_the_page_about_the_evaluator_works(tmp_path: Path) -> None:
    (shown,) = follow(EVALUATOR, tmp_path)

    assert "correct 1.0\nrejected\nthe same again: True\n" in shown.output


def test_every_setting_is_listed_with_its_variable_and_default() -> None:
    rows = [line for line in EVALUATOR.read_text().splitlines() if f"`{PREFIX}" in line]

    assert rows == [
        f"| `{name}` | `{PREFIX}{name.upper()}` | `{field.default}` |"
        for name, field in EvaluatorSettings.model_fields.items()
    ]


@pytest.mark.parametrize("name", ["openevolve", "gepa", "shinka"])
def test_the_files_of_an_example_are_named_on_the_page(name: str) -> None:
    text = EVALUATOR.read_text(encoding="utf-8")

    files = [path.name for path in (ROOT / "examples" / name).iterdir() if path.is_file()]
    assert files
    assert [file for file in files if file not in text] == []


@pytest.mark.parametrize("name", ["openevolve/initial_policy.py", "shinka/initial.py"])
def test_the_examples_begin_with_the_policy_that_init_writes(name: str) -> None:
    text = (ROOT / "examples" / name).read_text(encoding="utf-8")

    marked = ["# EVOLVE-BLOCK-START\n", "# EVOLVE-BLOCK-END\n"]
    assert all(mark in text for mark in marked)
    for mark in marked:
        text = text.replace(mark, "")
    assert text.split() == starter_policy().split()
