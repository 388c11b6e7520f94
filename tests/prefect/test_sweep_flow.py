"""The flow of a sweep on a real server: its searches are flow runs, its table is an artifact."""

from pathlib import Path
from typing import Any

import pytest

from flows.settings.sweep import SweepConfig
from tests.support.prefect_machine import Machine, awaited
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(1200)]


def test_the_searches_of_a_sweep_are_runs_and_its_table_is_an_artifact(
    server: Machine, home: Path, tmp_path: Path
) -> None:
    from flows.orchestration.prefect_flows import sweep

    chosen = SweepConfig.model_validate(
        {
            "name": "both",
            "suite": str(write_suite(tmp_path)),
            "cell": "process",
            "baselines": ["naive"],
            "budget": {"candidates": 1},
            "sweep": {"strategies": ["refine", "best_of_n"], "at_once": 2},
        }
    )

    state: Any = sweep(chosen, return_state=True)
    again: Any = sweep(chosen, return_state=True)

    run = str(state.state_details.flow_run_id)
    assert (state.name, state.message) == ("Finished", "2 of 2 searches have ended")
    assert (again.name, again.message) == (state.name, state.message)
    assert [each.status for each in state.result()] == ["finished", "finished"]
    children = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    runs = awaited(lambda: server.runs(**children) or None, "the runs of the searches")
    assert {each["name"] for each in runs} == {"both offline refine 0", "both offline best_of_n 0"}
    assert {each["state"]["name"] for each in runs} == {"Finished"}
    criteria = {"artifacts": {"flow_run_id": {"any_": [run]}}}
    shown = server.ask("POST", "/artifacts/filter", criteria)["body"]
    assert {each["key"] for each in shown} == {"sweep", "result", "page"}
    assert (home / "sweeps" / "both" / "sweep.html").is_file()
