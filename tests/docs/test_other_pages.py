"""Commands that stand between backticks are typed as well, and every command is a real one."""

import re
from pathlib import Path

import click
import pytest

from flows.cli.main import assay
from tests.docs.inline import (
    IN_OTHER_TESTS,
    TYPED,
    as_typed,
    commands_in_text,
    is_known,
    lines_of_blocks,
    prepare,
)
from tests.docs.pages import DOCS, PAGES, ROOT, type_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("inline")
    prepare(found)
    return found


@pytest.mark.docker
@pytest.mark.parametrize("command", TYPED)
def test_a_command_between_backticks_can_be_typed(folder: Path, command: str) -> None:
    output = type_in(as_typed(command), folder)

    assert output.strip() or command.startswith("python -m ")  # these write files


def test_every_command_between_backticks_is_typed_by_some_test() -> None:
    lines = lines_of_blocks()

    assert [c for page in PAGES for c in commands_in_text(page) if not is_known(c, lines)] == []


def test_a_command_that_another_test_types_is_still_on_a_page() -> None:
    shown = {command for page in PAGES for command in commands_in_text(page)}

    for beginning, file in IN_OTHER_TESTS.items():
        assert (ROOT / file).is_file(), file
        assert any(command.startswith(beginning) for command in shown), beginning


def test_no_command_is_typed_for_pages_that_show_it_no_more() -> None:
    shown = {command for page in PAGES for command in commands_in_text(page)}

    assert set(TYPED) - shown == set()


def test_what_a_page_says_a_program_writes_is_what_is_there(folder: Path) -> None:
    page = folder / "docs" / "history-schema.md"
    if not page.exists():  # the command stands between backticks, so it may have been typed
        type_in("python -m flows.history.schema_page > docs/history-schema.md", folder)

    assert page.read_bytes() == (DOCS / "history-schema.md").read_bytes()


def test_every_command_that_a_page_shows_is_accepted() -> None:
    shown = {*lines_of_blocks(), *(command for page in PAGES for command in commands_in_text(page))}
    for line in sorted(each for each in shown if re.match(r"assay [a-z]", each)):
        words = line.split(" | ")[0].split()[1:]
        group: click.Command = assay
        context = click.Context(assay)
        while isinstance(group, click.Group) and words:
            first, *words = words
            found = group.get_command(context, first)
            assert found is not None, f"{line}: there is no command {first}"
            group = found
        known = {option for each in group.params for option in each.opts} | {"--help"}
        given = {word.split("=")[0] for word in words if word.startswith("--")}
        assert given <= known, f"{line}: unknown {given - known}"
