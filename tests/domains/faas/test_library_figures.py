"""The figures that docs/faas-suites.md shows are those that the library reaches."""

import pytest

from benchmarks.bench_faas_policies import (
    FAAS,
    PAGE,
    family_line,
    run_all,
    suite_lines,
    with_tables,
)
from simulator.suites import load_suite

FAMILY = "under-load"


def test_the_page_shows_the_figures_of_a_family() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    [head] = [line for line in page if line.startswith("| family |")]
    scenarios = [each for each in load_suite("faas-mixed", FAAS).scenarios if each.family == FAMILY]

    line = family_line(run_all(scenarios), [each.strip() for each in head.split("|")[2:-1]], FAMILY)

    assert line in page, "run: python -m benchmarks.bench_faas_policies --write"


@pytest.mark.nightly
def test_the_page_shows_the_figures_of_the_whole_suite() -> None:
    page = PAGE.read_text(encoding="utf-8")

    text = "\n".join(suite_lines(load_suite("faas-mixed", FAAS).scenarios))

    assert page == with_tables(page, text), "run: python -m benchmarks.bench_faas_policies --write"
