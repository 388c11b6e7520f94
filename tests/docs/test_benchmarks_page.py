"""Every command of the page about benchmarks is typed, with the least size of each measurement."""

import pytest

from benchmarks.__main__ import LONG, names
from tests.docs.pages import DOCS, ROOT, blocks, follows, type_in

PAGE = DOCS / "benchmarks.md"
LEAST = {"BENCH_LEAST": "1"}

pytestmark = [
    pytest.mark.docker,
    pytest.mark.prefect,
    pytest.mark.browser,
    pytest.mark.timeout(1500),
]


@pytest.mark.nightly
@follows(PAGE, "sh")
def test_each_command_of_the_page_prints_its_tables() -> None:
    usual, searches = [block.take().splitlines() for block in blocks(PAGE, "sh")]

    everything, some, oracle = [type_in(line, ROOT, LEAST) for line in usual]
    found = [type_in(line, ROOT, LEAST) for line in searches]

    shown = {line.strip("= ") for line in everything.splitlines() if line.startswith("== ")}
    assert shown == set(names()) - set(LONG)
    assert "statistics equal" in some and "pipelines waiting" in some
    assert oracle.count("statistics equal") == 2 * 3
    assert "STATISTICS DIFFER" not in everything + some + oracle
    assert all("| best built-in |" in text for text in found)


@pytest.mark.parametrize("module", ["bench_policies", "bench_allocations", "bench_faas_policies"])
def test_a_measurement_that_another_page_names_by_its_module_runs(module: str) -> None:
    output = type_in(f"python -m benchmarks.{module}", ROOT, LEAST)

    assert any(each in output for each in ("right-size", "fifo-one", "break-even"))


@pytest.mark.parametrize(
    ("module", "name"), [("bench_policies", "policies"), ("bench_faas_policies", "faas-suites")]
)
def test_figures_of_the_least_size_never_get_onto_a_page(module: str, name: str) -> None:
    page = DOCS / f"{name}.md"
    before = page.read_bytes()

    with pytest.raises(AssertionError, match="not for the page"):
        type_in(f"python -m benchmarks.{module} --write", ROOT, LEAST)

    assert page.read_bytes() == before
