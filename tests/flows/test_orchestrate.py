"""The search as a Prefect flow, on a server of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.happenings import SearchResult
from flows.search import run_search
from sandbox.errors import CellFailed
from simulator.library import policy_source
from tests.support.command import assay
from tests.support.model_server import ModelServer, policy
from tests.support.search_fakes import (
    FakeProposer,
    FakeSandbox,
    better_each_time,
    config,
    services,
)
from tests.support.small_suite import write_suite

KEY = "planted-key-0d94b7c1a8e35f62"

pytestmark = pytest.mark.prefect


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Prefect server that this module's flows use."""
    import os

    from flows.prefect_settings import prepare_prefect

    before = dict(os.environ)
    prepare_prefect(tmp_path_factory.mktemp("home"), os.environ)
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=300):
        yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.docker
def test_a_command_goes_through_prefect_and_says_so(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = tmp_path / "search.toml"
    settings.write_text(
        f'suite = "{write_suite(tmp_path)}"\nbaselines = ["naive"]\n'
        '[proposer]\nkind = "openai"\nmodel = "any"\n',
        encoding="utf-8",
    )

    with ModelServer(policy(policy_source("priority"))) as model:
        done = assay(
            *("run", "--config", settings, "--candidates", "1", "--base-url", model.url),
            home=home,
            OPENAI_API_KEY=KEY,
        )

    assert (done.returncode, done.stderr) == (0, "")
    assert "starting Prefect's local server" in done.stdout
    assert "finished: all 1 candidates were tried" in done.stdout
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.is_relative_to(home / "prefect") for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def task_names(flow_run_id: object) -> list[str]:
    """Return the names of the task runs of a flow run."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    with get_client(sync_client=True) as client:
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
        return sorted(run.name for run in client.read_task_runs(flow_run_filter=chosen))


def test_hops_are_tasks_and_a_failure_of_ours_is_begun_again(server: None) -> None:
    from prefect import flow
    from prefect.runtime import flow_run

    from flows.orchestrate import in_a_task

    sandbox, ids = FakeSandbox([CellFailed("no answer")]), []

    @flow(name="small")
    def small() -> SearchResult:
        ids.append(flow_run.get_id())
        fakes = services(FakeProposer(better_each_time), sandbox=sandbox)
        return run_search(config(slots=2), fakes, around=in_a_task)

    result = small()

    assert result.status == "finished" and result.lost == 0
    assert len(sandbox.sources) == 6
    assert task_names(ids[0]) == [
        *[f"propose {key}" for key in ("1/0", "1/1", "2/0", "2/1")],
        *[f"try {key}" for key in ("0/0", "1/0", "1/1", "2/0", "2/1")],
    ]
