"""The commands of docs/faas-suites.md make a scenario, and a policy runs on it."""

from pathlib import Path

from simulator.domains.faas.scenario_files import read_world
from tests.docs.pages import DOCS, blocks, follows, type_in, typed
from tests.support.import_files import azure_2019_day

PAGE = DOCS / "faas-suites.md"


@follows(PAGE, "sh")
def test_the_commands_that_import_a_day_write_a_scenario(tmp_path: Path) -> None:
    azure_2019_day(tmp_path)
    [commands] = blocks(PAGE, "sh")

    printed = type_in(typed(commands, {}), tmp_path)

    assert len(read_world(tmp_path / "azure19").times) == 3
    assert "cold" in printed
