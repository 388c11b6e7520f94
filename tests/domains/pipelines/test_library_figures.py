"""The figures that docs/policies.md shows are those that the library reaches."""

import pytest

from benchmarks.bench_policies import PAGE, suite_lines, with_table


@pytest.mark.nightly
def test_the_page_shows_the_figures_of_the_smoke_suite() -> None:
    page = PAGE.read_text(encoding="utf-8")

    written = with_table(page, "smoke", "\n".join(suite_lines("smoke")))

    assert page == written, "run: python -m benchmarks.bench_policies --write"
