"""``assay docs`` prints the pages of the documentation, which messages name by what one types."""

import ast
import re
from pathlib import Path

import pytest

from flows.cli.machine import pages_folder
from tests.support.in_process import command

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("flows", "sandbox", "simulator")


def test_a_page_is_printed_by_its_name_and_the_list_without_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page, listed, by_path = (
        command(capsys, "docs", *words) for words in (("security",), (), ("docs/security.md",))
    )

    assert page.code == listed.code == 0
    assert page.out.startswith("# ") and "canaries" in page.out
    assert "[security](security.md)" in listed.out
    assert by_path.out == page.out


def test_an_unknown_page_is_bad_input_with_the_nearest_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = command(capsys, "docs", "secureity")

    assert done.code == 2
    assert "there is no page 'secureity': did you mean security?" in done.err


def test_messages_name_pages_that_an_installed_assay_has() -> None:
    """A path below docs/ means nothing to somebody who installed a wheel."""
    paths, unknown = [], []
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for text in texts_of(path):
                paths += (
                    [f"{path.name}: {text[:80]}"] if re.search(r"docs/\w[\w-]*\.md", text) else []
                )
                named = re.findall(r"\bassay docs ([a-z][a-z-]+)", text)
                unknown += [name for name in named if not (pages_folder() / f"{name}.md").is_file()]

    assert paths == []
    assert unknown == []


def texts_of(path: Path) -> list[str]:
    """The texts of a module that may be shown: those of commands, and all that are no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    comments = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    of_commands = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.decorator_list
        if isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and (id(node) not in comments or id(node) in of_commands)
    ]
