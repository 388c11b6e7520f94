"""The pages on running a search and on its report keep their word: their commands are typed in."""

import re
from pathlib import Path

import pytest

from flows.cli.watching import FIGURES
from tests.docs.pages import DOCS, follow, follows
from tests.support.small_suite import write_suite


@pytest.mark.slow
@follows(DOCS / "running.md", "sh", "toml")
@follows(DOCS / "report.md", "sh")
def test_a_reader_of_the_two_pages_gets_a_search_a_verdict_and_a_report(tmp_path: Path) -> None:
    short = {"ASSAY_CELL": "process", "ASSAY_SUITE": str(write_suite(tmp_path))}

    run, verdict, completion = [
        shown.output for shown in follow(DOCS / "running.md", tmp_path, short)
    ]
    [report] = [shown.output for shown in follow(DOCS / "report.md", tmp_path)]

    assert "experiment first-" in run and "2 candidates" in run and "2 at a time" in run
    assert verdict.strip() and verdict.strip() in run
    assert completion == ""
    first, second = report.splitlines()
    assert first.endswith("report.html") and second.endswith("first.html")
    assert (tmp_path / "first.html").stat().st_size > 10_000


def test_the_page_names_every_key_of_a_candidate() -> None:
    text = (DOCS / "running.md").read_text(encoding="utf-8")
    [row] = re.findall(r"^\| `candidate` \|.*$", text, re.MULTILINE)

    assert set(FIGURES) <= set(re.findall(r"`(\w+)`", row))
