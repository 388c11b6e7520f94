"""The pages about comparing and about the evaluator do what they show."""

import json
from pathlib import Path

import pytest

from flows.cli.policies import starter_policy
from flows.evaluator import PREFIX, EvaluatorSettings
from simulator.domains.pipelines.library import PIPELINES
from tests.docs.pages import DOCS, ROOT, blocks, follow, follows, type_in, typed
from tests.support.small_suite import write_suite

EVALUATOR = DOCS / "evaluator.md"


@pytest.mark.slow
@follows(DOCS / "compare.md", "sh")
def test_the_commands_of_the_page_about_comparing_work(tmp_path: Path) -> None:
    short = {"--suite paper": f"--suite {write_suite(tmp_path)} --split train"}

    typed_in = follow(DOCS / "compare.md", tmp_path, changes=short, embedded=True)
    first, second, _ = [shown.output for shown in typed_in]

    compared = json.loads((tmp_path / "compared.json").read_text(encoding="utf-8"))
    assert "right-size is significantly better than my_policy.py" in first
    assert "fifo-one" in second and "difference from priority" in second
    assert compared["first"] == "my_policy.py"
    assert compared["policies"][0]["against_first"] is None


@pytest.mark.nightly
def test_a_library_policy_in_the_papers_setting_gains_what_it_gained(tmp_path: Path) -> None:
    output = type_in("assay compare fifo-one priority --suite paper --cell process", tmp_path)

    assert "    fifo-one: +592.2 % (1.7, naive 0.246)" in output


@pytest.mark.slow
@follows(DOCS / "peers.md", "sh")
def test_the_comparison_of_the_page_about_peers_works_on_short_traces(tmp_path: Path) -> None:
    short = {"--suite paper": f"--suite {write_suite(tmp_path)} --split train"}

    [shown] = follow(DOCS / "peers.md", tmp_path, changes=short, embedded=True)

    assert "legacy_throughput" in shown.output
    assert all(f" {name} " in shown.output for name in ("priority", "fifo-one", "naive"))


@pytest.mark.docker
@follows(EVALUATOR, "python")
@follows(EVALUATOR, "sh", holding="assay init")
def test_the_program_on_the_page_about_the_evaluator_works(tmp_path: Path) -> None:
    [program] = blocks(EVALUATOR, "python")
    (tmp_path / "try_it.py").write_text(program.take(), encoding="utf-8")

    output = type_in(blocks(EVALUATOR, "sh")[0].take(), tmp_path)

    assert "correct 1.0\nrejected\nthe same again: True\n" in output


@follows(EVALUATOR, "sh", holding="python examples/gepa")
@follows(EVALUATOR, "sh", holding="shinka_run")
def test_the_commands_of_frameworks_that_are_not_there_are_among_those_left_out() -> None:
    of_others = [each for each in blocks(EVALUATOR, "sh") if "assay" not in each.text][1:]

    assert [typed(block, {}) for block in of_others] == ["", ""]


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
    assert text.split() == starter_policy(PIPELINES).split()
