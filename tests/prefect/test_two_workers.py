"""Two workers on one pool share the policies of a folder; one is killed, the other finishes."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.history.records import CandidateRow
from simulator.library import policy_names, policy_source
from tests.support.histories import candidates_by_process, essence, lines_of
from tests.support.prefect_machine import Machine, awaited, end_group
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600)]
COPIES = 2


def folder_of_policies(tmp_path: Path) -> Path:
    """Return a folder of policies, each different from all others."""
    folder = tmp_path / "policies"
    folder.mkdir()
    for name in policy_names():
        for copy in range(COPIES):
            text = f"{policy_source(name)}\n# copy {copy}\n"
            (folder / f"{name}-{copy}.py").write_text(text, encoding="utf-8")
    return folder


def config(tmp_path: Path, folder: Path) -> dict[str, object]:
    suite = str(write_suite(tmp_path))
    return {
        "config": {
            "folder": str(folder),
            "suite": suite,
            "split": "train",
            "cell": "process",
            "baselines": ["naive"],
        }
    }


def test_two_workers_share_a_folder_and_one_that_is_killed_loses_nothing(
    deployed: Machine, home: Path, tmp_path: Path
) -> None:
    folder = folder_of_policies(tmp_path)
    parameters = config(tmp_path, folder)
    wanted = 1 + len([*folder.glob("*.py")])

    with deployed.worker("one", home) as one, deployed.worker("two", home):
        runs = [deployed.start_run("evaluate-policies/folder", parameters) for _ in "ab"]
        awaited(lambda: len(candidates_by_process(home)) == 2 or None, "both to have recorded")
        awaited(lambda: sum(candidates_by_process(home).values()) >= 6 or None, "six policies")
        end_group(one, signal.SIGKILL)
        left = sum(candidates_by_process(home).values())
        end = awaited(
            lambda: next((s for s in map(state_of(deployed), runs) if s == "COMPLETED"), None),
            "the run of the worker that lives",
        )
        kept = deployed.start_run("maintain/hourly", {})
        assert deployed.ended(kept)["type"] == "COMPLETED"
        states = sorted(map(state_of(deployed), runs))

    assert left < wanted, "the kill came too late to show anything"
    assert end == "COMPLETED"
    assert states == ["COMPLETED", "CRASHED"]
    written = lines_of(home, "candidate")
    assert len(written) == len({str(line["row"]["candidate"]) for line in written}) == wanted
    [experiment] = {str(line["row"]["experiment_id"]) for line in written}
    rows = essence(home, experiment).values()
    outcomes = {row.title: row.outcome for row in rows if isinstance(row, CandidateRow)}
    assert outcomes["naive"] == outcomes["priority-0.py"] == "ok"


def state_of(deployed: Machine) -> Callable[[str], str]:
    """Return what tells the state of a flow run."""
    return lambda run: str(deployed.run(run)["state"]["type"])
