"""The flows in this process, on a real server: tasks, retries, states, artifacts and events."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.errors import OrchestratorUnavailable
from flows.orchestration.deployments import shipped
from flows.search.loop import run_search
from flows.search.progress import SearchResult, ignore
from flows.settings.sections import CompareConfig, FolderConfig
from sandbox.errors import CellFailed
from simulator.domains.pipelines.library import policy_source
from tests.support.command import assay
from tests.support.prefect_machine import Machine, awaited
from tests.support.search_fakes import (
    FakeProposer,
    FakeSandbox,
    better_each_time,
    config,
    services,
)
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(1200)]


def test_hops_are_tasks_and_a_failure_of_ours_is_begun_again(server: Machine) -> None:
    from prefect import flow
    from prefect.runtime import flow_run

    from flows.orchestration.prefect_flows import in_a_task

    sandbox, ids = FakeSandbox([CellFailed("no answer")]), []

    @flow(name="small")
    def small() -> SearchResult:
        ids.append(str(flow_run.get_id()))
        fakes = services(FakeProposer(better_each_time), sandbox=sandbox)
        return run_search(config(slots=2), fakes, around=in_a_task)

    result = small()

    assert result.status == "finished" and result.lost == 0
    runs = task_runs(server, ids[0], 24)
    names = [run["name"] for run in runs]
    assert {name for name in names if len(name.split()) == 2} == {
        *(f"propose {key}" for key in ("1/0", "1/1", "2/0", "2/1")),
        *(f"try {key}" for key in ("0/0", "1/0", "1/1", "2/0", "2/1")),
    }
    assert len(names) == len(set(names))
    assert sorted(run["run_count"] for run in runs)[-1] == 2


def test_a_server_that_is_away_is_named_with_what_to_do(
    server: Machine, home: Path, tmp_path: Path
) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows.orchestration.prefect_flows import search_through_prefect

    chosen = config(suite=str(write_suite(tmp_path)), cell="process", name="away")

    nowhere = temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"})
    with nowhere, pytest.raises(OrchestratorUnavailable) as away:
        search_through_prefect(chosen, ignore)

    assert str(away.value).startswith("Prefect's server at http://127.0.0.1:9/api does not answer")
    assert "start it and type the same command again" in str(away.value)


def test_a_search_leaves_its_board_and_an_event_for_each_new_best(
    server: Machine, home: Path, tmp_path: Path
) -> None:
    from flows.orchestration.prefect_flows import search

    chosen = config(
        suite=str(write_suite(tmp_path)), cell="process", name="shown", budget__candidates=1
    )

    state: Any = search(chosen, return_state=True)

    run = str(state.state_details.flow_run_id)
    identity = state.result().result.experiment_id
    assert (state.name, state.message) == ("Finished", "all 1 candidates were tried")
    kinds = {each["key"]: each["type"] for each in artifacts(server, run)}
    assert kinds == {
        "candidates-tried": "progress",
        "leaderboard": "table",
        "result": "markdown",
        "best-policy": "markdown",
        "report": "markdown",
    }
    criteria = {
        "filter": {
            "event": {"name": ["assay.new-best"]},
            "resource": {"id": [f"assay.experiment.{identity}"]},
        }
    }

    def told_of_naive() -> bool:
        events = server.ask("POST", "/events/filter", criteria)["body"]["events"]
        return "naive" in {event["payload"]["title"] for event in events}

    def logged_of_naive() -> bool:
        return any("naive" in line for line in log_lines(server, run, f"[{identity} "))

    # Prefect's server writes down what it hears of in parts.
    assert awaited(lambda: told_of_naive() or None, "an event about naive")
    assert awaited(lambda: logged_of_naive() or None, "a line of the log about naive")


def test_a_folder_is_tried_once_and_its_failures_are_results(
    server: Machine, home: Path, tmp_path: Path
) -> None:
    from flows.orchestration.prefect_flows import evaluate_policies

    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "mine.py").write_text(policy_source("priority") + "# mine\n")
    (folder / "broken.py").write_text("def step(:")
    (folder / "empty.py").write_text("")
    suite = str(write_suite(tmp_path))
    chosen = FolderConfig(
        folder=folder, suite=suite, split="train", cell="process", baselines=("naive",), slots=2
    )

    first: Any = evaluate_policies(chosen, return_state=True)
    (folder / "late.py").write_text(policy_source("naive") + "# late\n")
    second: Any = evaluate_policies(chosen, return_state=True)

    assert (first.name, first.message) == ("Finished", "4 policies were tried")
    tried = first.result()
    assert tried.tried_here == 4
    assert {row.title: row.outcome for row in tried.candidates} == {
        "naive": "ok",
        "mine.py": "ok",
        "broken.py": "load_error",
        "empty.py": "malformed",
    }
    assert (second.result().tried_here, len(second.result().candidates)) == (1, 5)
    keys = {each["key"] for each in artifacts(server, str(first.state_details.flow_run_id))}
    assert keys == {"policies", "policies-tried", "result"}
    told = assay(
        "sql", "select count(*) n from evaluations", "--format", "csv", home=home
    ).stdout.split()
    assert told == ["n", "15"]


def test_a_comparison_leaves_intervals_and_a_verdict(
    server: Machine, home: Path, tmp_path: Path
) -> None:
    from flows.orchestration.prefect_flows import compare_policies

    chosen = CompareConfig(
        policies=("priority", "naive"),
        suite=str(write_suite(tmp_path)),
        split="train",
        cell="process",
    )

    state = compare_policies(chosen, return_state=True)

    assert "priority is significantly better than naive" in str(state.message)
    shown = artifacts(server, str(state.state_details.flow_run_id))
    [table] = [each["data"] for each in shown if each["key"] == "comparison"]
    assert "% confidence interval" in table


def test_bad_parameters_are_refused_before_anything_runs(server: Machine) -> None:
    from prefect.exceptions import ParameterTypeError

    from flows.orchestration.prefect_flows import search

    bad: Any = {"slots": 0}
    with pytest.raises(ParameterTypeError, match=r"config\.slots"):
        search(bad)


def test_what_is_served_again_goes_on_though_it_was_paused_at_the_end(server: Machine) -> None:
    from flows.orchestration.prefect_flows import served

    nightly = replace(shipped()[0], name="served")
    identity = served(nightly).apply()
    server.ask("POST", f"/deployments/{identity}/pause_deployment")

    served(nightly).apply()

    found = server.deployment("search/served")
    assert (found["paused"], found["tags"]) == (False, ["assay"])
    assert [each["schedule"]["cron"] for each in found["schedules"]] == ["0 2 * * *"]
    assert found["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"


def test_an_experiment_that_lost_attempts_says_so_in_its_state() -> None:
    from flows.orchestration.runs import truthful

    state = truthful("finished_with_losses", "all 9 candidates were tried; 2 were lost", None)

    assert (state.type.value, state.name) == ("COMPLETED", "Finished With Losses")
    assert state.message is not None and "2 were lost" in state.message


def task_runs(server: Machine, run: str, count: int) -> list[dict[str, Any]]:
    """Return the task runs of a flow run, once the server has written down so many as ended."""
    criteria = {"flow_runs": {"id": {"any_": [run]}}, "limit": 200}

    def look() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = server.ask("POST", "/task_runs/filter", criteria)["body"]
        done = all(each["state_type"] == "COMPLETED" for each in found)
        return found if len(found) >= count and done else None

    return awaited(look, "the task runs")


def artifacts(server: Machine, run: str) -> list[dict[str, Any]]:
    """Return the artifacts of a flow run."""
    criteria = {"artifacts": {"flow_run_id": {"any_": [run]}}}
    found: list[dict[str, Any]] = server.ask("POST", "/artifacts/filter", criteria)["body"]
    return found


def log_lines(server: Machine, run: str, part: str) -> list[str]:
    """Return the lines of a flow run's log that hold ``part``."""
    criteria = {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200}
    found = server.ask("POST", "/logs/filter", criteria)["body"]
    return [line["message"] for line in found if part in line["message"]]
