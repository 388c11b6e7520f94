"""What the page about the history shows is typed here, on the history that the docs ship."""

import shutil
from pathlib import Path

from tests.docs.pages import DOCS, follow, follows


@follows(DOCS / "history.md", "sh")
def test_the_page_can_be_followed(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "sample-history", tmp_path / ".assay")

    [shown] = follow(DOCS / "history.md", tmp_path)

    assert "the database matches the journals" in shown.output
    assert "removed old-build.duckdb" in shown.output
