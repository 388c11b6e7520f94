"""The pages without a test of their own: their commands are typed in, or are at least real ones."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from flows.cli import assay
from tests.docs.pages import DOCS, ROOT, blocks, follow

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
TYPED_IN = ("peers.md", "policies.md")
COMMAND = re.compile(
    r"^ *(?:\$ )?(assay [^|#\n]+?)(?:\s+(?:#|\().*|\s*\|.*| {2,}\S.*)?$", re.MULTILINE
)
BENCHMARK = re.compile(r"^ +python -m (benchmarks\.\w+) (--.+)$", re.MULTILINE)


@pytest.mark.docker
@pytest.mark.parametrize("name", TYPED_IN)
def test_the_commands_of_the_page_run(tmp_path: Path, name: str) -> None:
    outputs = [shown.output for shown in follow(DOCS / name, tmp_path)]

    assert outputs and all(outputs)


def test_no_page_with_commands_is_left_out() -> None:
    folders = ("tests/docs", "tests/prefect", "tests/attacks")
    tests = [path for folder in folders for path in (ROOT / folder).glob("*.py")]
    texts = "\n".join(path.read_text(encoding="utf-8") for path in tests)

    with_commands = [page for page in PAGES if any(each.language == "sh" for each in blocks(page))]

    assert [page.name for page in with_commands if page.name not in texts] == []


def typed(page: Path) -> list[str]:
    """Return the lines of a page's code that call the command."""
    text = page.read_text(encoding="utf-8")
    code = re.findall(r"^```(?:sh|console)\n(.*?)^```$|^((?: {4}.*\n)+)", text, re.M | re.DOTALL)
    return [found for fenced, indented in code for found in COMMAND.findall(fenced or indented)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_is_accepted(page: Path) -> None:
    for line in typed(page):
        words = line.split()[1:]
        group: click.Command = assay
        context = click.Context(assay)
        while isinstance(group, click.Group):
            name, *words = words
            found = group.get_command(context, name)
            assert found is not None, f"{line}: there is no command {name}"
            group = found
        group.make_context(group.name, words, resilient_parsing=True)
        known = {option for each in group.params for option in each.opts}
        given = {word.split("=")[0] for word in words if word.startswith("--")}
        assert given <= known, f"{line}: unknown {given - known}"


def test_the_options_of_benchmarks_are_real() -> None:
    shown = BENCHMARK.findall((DOCS / "benchmarks.md").read_text(encoding="utf-8"))

    for module, options in shown:
        helped = subprocess.run(
            [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True
        )
        given = re.findall(r"--[\w-]+", options)
        assert [option for option in given if option not in helped.stdout] == [], helped.stderr
    assert shown
