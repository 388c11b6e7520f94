"""A search of functions as a service without a model: the same command finds the same."""

from pathlib import Path

import pytest

from tests.support.command import assay

COMMAND = (
    "run --direct --domain faas --suite faas-smoke --strategy evolve --candidates 4 --slots 2 "
    "--seed 1 --cell process --baseline fair-share --set guards.audit_scenarios=0"
)


@pytest.mark.nightly
def test_the_same_command_prints_the_same_leaderboard_in_another_home_and_process(
    tmp_path: Path,
) -> None:
    printed = []
    for name, chance in (("here", "1"), ("there", "2")):
        home = tmp_path / name
        done = assay(*COMMAND.split(), home=home, PYTHONHASHSEED=chance, COLUMNS="200")
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout.replace(str(home), "HOME"))

    assert printed[0] == printed[1]
    assert "finished: all 4 candidates were tried" in printed[0]
    assert "offline/" in printed[0]
