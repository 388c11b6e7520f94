"""The program of docs/faas-suites.md makes a scenario."""

from pathlib import Path

from simulator.domains.faas.scenario_files import read_world
from tests.docs.pages import DOCS, blocks, follows, run_python
from tests.support.import_files import azure_2019_day

PAGE = DOCS / "faas-suites.md"


@follows(PAGE, "python")
def test_the_program_that_imports_a_day_writes_a_scenario(tmp_path: Path) -> None:
    azure_2019_day(tmp_path)
    [program] = blocks(PAGE, "python")

    run_python(program.take(), tmp_path)

    assert len(read_world(tmp_path / "azure19").times) == 3
