"""Deployments, schedules, forms and limits of prefect.yaml, on a real server with a real worker."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.settings.search import SearchConfig
from simulator.domain import find_domain
from tests.docs.pages import blocks, follows
from tests.support.model_server import ModelServer, Received, Sent, policy
from tests.support.prefect_machine import PAGE, Machine, awaited, program
from tests.support.small_suite import write_faas_suite

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(1200)]
FAAS = find_domain("faas")
NAMES = (
    "search/nightly",
    "sweep/strategies",
    "evaluate-policies/folder",
    "compare-policies/leaderboard",
    "maintain/hourly",
)


@follows(PAGE, "sh", holding="prefect server start")
@follows(PAGE, "sh", holding="prefect --no-prompt deploy --all")
def test_server_pool_and_deployments_are_those_of_the_page(deployed: Machine) -> None:
    starting, deploying = (
        block for block in blocks(PAGE, "sh") if "server" in block.text or "deploy -" in block.text
    )

    said = [line for block in (starting, deploying) for line in block.take().splitlines()]

    assert deployed.typed == tuple(said)


def test_deploy_all_brings_flows_with_tags_versions_and_limits(deployed: Machine) -> None:
    found = {name: deployed.deployment(name) for name in NAMES}

    assert {tuple(each["tags"]) for each in found.values()} == {("assay",)}
    assert {each["version"] for each in found.values()} == {"0.1.0"}
    limits = {name: each["global_concurrency_limit"] for name, each in found.items()}
    assert [name for name, limit in limits.items() if limit is not None] == [
        NAMES[0],
        NAMES[1],
        NAMES[4],
    ]
    options = {str(each["concurrency_options"]) for each in found.values() if each["paused"]}
    assert options == set()
    assert found[NAMES[0]]["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"


def test_the_night_is_scheduled_at_two_o_clock(deployed: Machine) -> None:
    deployment = deployed.deployment("search/nightly")
    criteria = {"deployments": {"id": {"any_": [deployment["id"]]}}}

    def scheduled() -> list[dict[str, Any]]:
        return [run for run in deployed.runs(**criteria) if run["auto_scheduled"]]

    runs = awaited(lambda: scheduled() or None, "runs of the nightly schedule")

    times = [datetime.fromisoformat(run["expected_start_time"]) for run in runs]
    assert {(at.astimezone(UTC).hour, at.minute) for at in times} == {(2, 0)}


def test_the_form_knows_the_configuration_field_by_field(deployed: Machine) -> None:
    schema = deployed.deployment("search/nightly")["parameter_openapi_schema"]

    config = schema["definitions"]["SearchConfig"]["properties"]

    assert config["slots"]["maximum"] == 64
    assert config["suite"]["description"] == SearchConfig.model_fields["suite"].description
    assert config["strategy"]["enum"] == ["refine", "best_of_n", "evolve"]
    folder = deployed.deployment("evaluate-policies/folder")["parameter_openapi_schema"]
    assert "folder" in folder["definitions"]["FolderConfig"]["properties"]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"slots": 0}, "slots"),
        ({"budget": {"candidates": -1}}, "candidates"),
        ({"strategy": "guess"}, "strategy"),
        ({"suit": "mixed"}, "suit"),
    ],
)
def test_bad_values_are_refused_by_the_name_of_the_field(
    deployed: Machine, config: dict[str, Any], field: str
) -> None:
    identity = deployed.deployment("search/nightly")["id"]

    answer = deployed.ask(
        "POST", f"/deployments/{identity}/create_flow_run", {"parameters": {"config": config}}
    )

    assert answer["status"] == 409
    assert field in str(answer["body"]["detail"])


@follows(PAGE, "sh", holding="prefect deployment run")
def test_the_page_tells_how_to_ask_for_a_run(deployed: Machine) -> None:
    [asking] = [block for block in blocks(PAGE, "sh") if "deployment run" in block.text]

    told = deployed.prefect(*program(asking.take()))

    assert "Created flow run" in told
    hourly = {
        "deployments": {"id": {"any_": [deployed.deployment("maintain/hourly")["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    [asked] = [run for run in deployed.runs(**hourly) if not run["auto_scheduled"]]
    away = {"state": {"type": "CANCELLED"}, "force": True}  # no worker is to find it later
    deployed.ask("POST", f"/flow_runs/{asked['id']}/set_state", away)


@follows(PAGE, "sh", holding="prefect worker start")
def test_a_worker_runs_what_is_scheduled_and_cancels_what_comes_too_soon(
    deployed: Machine, home: Path, tmp_path: Path
) -> None:
    """The first lasts until the second has ended: its model answers only then. It asks for another
    domain than the deployment does."""
    began = datetime.now(UTC)
    soon = (began + timedelta(seconds=1)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": soon}}
    over = threading.Event()

    def at_last(received: Received) -> Sent:
        over.wait()
        return policy(FAAS.policy_source("fair-share"))(received)

    with ModelServer(at_last) as model, deployed.worker("night", home, limit=2):
        proposer = {"kind": "openai", "model": "any", "base_url": model.url, "timeout_seconds": 900}
        config = {
            "domain": "faas",
            "suite": str(write_faas_suite(tmp_path)),
            "cell": "process",
            "baselines": ["break-even"],
            "budget": {"candidates": 1},
            "proposer": proposer,
        }
        asked = {"config": config, "dated": True}
        try:
            first = deployed.start_run("search/nightly", asked, state=state)
            awaited(lambda: deployed.run(first)["state"]["type"] == "RUNNING" or None, "a start")
            second = deployed.start_run("search/nightly", asked)
            cancelled = deployed.ended(second)
        finally:
            over.set()
        ended = deployed.ended(first)

    assert cancelled["type"] == "CANCELLED"
    assert (ended["type"], ended["name"]) == ("COMPLETED", "Finished"), ended
    [report] = home.glob("experiments/search-*/report.html")
    assert "<h2>Delay by tenant</h2>" in report.read_text(encoding="utf-8")
    [experiment] = home.glob("experiments/search-*")
    days = {f"search-{day:%Y-%m-%d}" for day in (began, datetime.now(UTC))}
    assert any(experiment.name.startswith(day) for day in days)


@pytest.mark.nightly
def test_a_schedule_makes_runs_that_a_worker_completes(deployed: Machine, home: Path) -> None:
    hourly = deployed.deployment("maintain/hourly")["id"]
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    often = {"schedule": {"interval": 30.0, "anchor_date": soon}, "active": True}
    [made] = deployed.ask("POST", f"/deployments/{hourly}/schedules", [often])["body"]
    criteria = {
        "deployments": {"id": {"any_": [hourly]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}},
    }

    def by_itself() -> list[dict[str, Any]] | None:
        return [run for run in deployed.runs(**criteria) if run["auto_scheduled"]] or None

    try:
        with deployed.worker("hours", home):
            assert awaited(by_itself, "a run that nobody asked for")
    finally:
        deployed.ask("DELETE", f"/deployments/{hourly}/schedules/{made['id']}")

    assert (home / "history.duckdb").is_file()
