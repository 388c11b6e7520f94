"""What a page shows is executed by some test, or a table says why by none."""

import importlib
import re
from pathlib import Path

import pytest

from tests.docs.left_out import LEFT_OUT
from tests.docs.pages import FOLLOWED, PAGES, ROOT, SHOWN, blocks, follow

HERE = Path(__file__).stem
FOLDERS = ("tests/docs", "tests/prefect", "tests/peers", "tests/cluster", "tests/setup")
RUN_BY_TYPING = {"sh", "python", "toml", "csv"}
COMMAND = re.compile(r"^\$? ?(?:assay|make|prefect|python3?|pip|docker|duckdb) +\S", re.MULTILINE)
INDENTED = re.compile(r"(?:\A|\n\n)( {4}\S.*)")

for folder in FOLDERS:  # each test that follows a page says so when it is imported
    for module in sorted((ROOT / folder).glob("test_*.py")):
        if module.stem != HERE and "@follows(" in module.read_text(encoding="utf-8"):
            importlib.import_module(f"{folder.replace('/', '.')}.{module.stem}")

ELSEWHERE = {part.page for part in FOLLOWED}
WITH_CODE = [page for page in PAGES if any(each.language != SHOWN for each in blocks(page))]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.docker
@pytest.mark.parametrize("page", [page for page in WITH_CODE if page not in ELSEWHERE], ids=name)
def test_a_page_that_no_other_test_follows_can_be_typed_in(page: Path, tmp_path: Path) -> None:
    outputs = [shown.output for shown in follow(page, tmp_path)]

    assert outputs and all(outputs)
    strange = [block.text for block in blocks(page) if block.language not in RUN_BY_TYPING]
    assert strange == [], "give the page a test of its own that executes these, with @follows"


def test_each_block_of_a_page_is_executed_by_some_test() -> None:
    executed = {block for part in FOLLOWED for block in part.blocks()}

    shown = [
        b for page in WITH_CODE if page in ELSEWHERE for b in blocks(page) if b.language != SHOWN
    ]
    assert [block for block in shown if block not in executed] == []


def test_code_of_a_page_stands_in_blocks_that_name_their_language() -> None:
    for page in PAGES:
        text, found = page.read_text(encoding="utf-8"), blocks(page)
        plain = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)

        assert INDENTED.findall(plain) == [], page
        assert text.count("```") == 2 * len(found), page
        assert [block.text for block in found if not block.language] == [], page
        disguised = [each.text for each in found if each.language in (SHOWN, "console")]
        assert [text for text in disguised if COMMAND.search(text)] == [], page


def test_what_is_left_out_stands_on_a_page_and_is_done_where_the_table_says() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for command, told in LEFT_OUT.items():
        lines = (ROOT / told.file).read_text(encoding="utf-8").splitlines()

        assert told.line in {line.strip() for line in lines}, command
        assert command in pages, f"{command} is out of date"
