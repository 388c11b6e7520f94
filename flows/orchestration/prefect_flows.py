"""Prefect's side: four flows, thin tasks around the hops of the same plain loops, and artifacts.

There is no ``from __future__ import annotations`` here: Prefect reads the annotations of a served
flow to check its parameters and to draw its form.
"""

import os
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, State
from prefect.deployments.runner import RunnerDeployment
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.schedules import Cron, Interval, Schedule
from prefect.states import Completed
from prefect.types.entrypoint import EntrypointType

from flows import assay_version
from flows.errors import ConfigError
from flows.experiment import Finished, run_experiment
from flows.history.export import export_parquet
from flows.history.store import ingest
from flows.home import home_folder
from flows.judging.comparison import Measure, compare
from flows.judging.splits import suite_scenarios
from flows.orchestration.artifacts import (
    FolderBoard,
    PrefectPages,
    SearchBoard,
    show_comparison,
)
from flows.orchestration.deployments import TAGS, Deployment, not_cron
from flows.orchestration.folder import evaluate_folder
from flows.orchestration.runs import alive, end_quietly, server_url, truthful
from flows.orchestration.tasks import NamedTrials, around, in_a_task, open_trials
from flows.policies import find_contenders
from flows.search.progress import Happening, Watch, ignore
from flows.settings.search import SearchConfig, with_sdk_address
from flows.settings.sections import CompareConfig, FolderConfig
from sandbox.errors import SandboxUnavailable
from sandbox.reaper import reap

__all__ = [
    "compare_policies",
    "evaluate_policies",
    "in_a_task",
    "maintain",
    "search",
    "search_through_prefect",
    "serve_deployments",
    "served",
    "server_url",
]

_watch: ContextVar[Watch] = ContextVar("watch", default=ignore)
"""What a caller in this process wants to see of a run; parameters of a flow must be plain data."""


def search_through_prefect(config: SearchConfig, watch: Watch) -> Finished:
    """Run the flow in this process and return what it left; failures are raised as they are."""
    token = _watch.set(watch)
    try:
        state: State[Any] = search(config, return_state=True)
        finished = state.result()
        assert isinstance(finished, Finished)
        return finished
    finally:
        _watch.reset(token)


def serve_deployments(deployments: Sequence[Deployment], limit: int | None) -> None:
    """Register the deployments and run what is due in local processes, until interrupted."""
    serve(*map(served, deployments), limit=limit, print_starting_message=False)


def served(deployment: Deployment) -> RunnerDeployment:
    """Return a deployment as a process that serves registers it."""
    schedules = []
    if deployment.cron is not None:
        schedules.append(_cron(deployment.cron))
    if deployment.interval_seconds is not None:
        schedules.append(Interval(timedelta(seconds=deployment.interval_seconds)))
    alone = ConcurrencyLimitConfig(limit=1, collision_strategy="CANCEL_NEW")
    made = FLOWS[deployment.flow].to_deployment(
        deployment.name,
        schedules=schedules,
        paused=False,  # those of an earlier time were paused when it ended
        parameters=deployment.parameters,
        description=deployment.description,
        tags=TAGS,
        version=assay_version(),
        concurrency_limit=alone if deployment.alone else None,
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(made, RunnerDeployment)  # it is a coroutine inside an event loop only
    return made


@flow(name="search", flow_run_name="{config.name}", version=assay_version(), persist_result=False)
def search(config: SearchConfig, dated: bool = False) -> State[Any]:
    """Search for a policy; the same configuration resumes an interrupted search.

    ``dated`` adds the scheduled day to the name, so that each day is a separate search.
    """
    if dated:
        day = flow_run.get_scheduled_start_time()
        config = config.model_copy(update={"name": f"{config.name} {day:%Y-%m-%d}"})
    config = with_sdk_address(config, os.environ)
    board, watch = SearchBoard(PrefectPages()), _watcher()

    def show(happening: Happening) -> None:
        board.show(happening)
        watch(happening)

    with alive(home_folder()) as home:
        finished = run_experiment(
            config,
            home,
            show,
            around=around(config),
            flow_run_id=flow_run.get_id(),
            open_trials=open_trials,
        )
    board.end(finished)
    result = finished.result
    return truthful(result.status, result.status_detail, finished)


@flow(
    name="evaluate-policies",
    flow_run_name="{config.name}",
    version=assay_version(),
    persist_result=False,
)
def evaluate_policies(config: FolderConfig) -> State[Any]:
    """Try every policy of a folder; what is recorded is not tried again, and runs share the work.

    Any number of runs may work on one folder at a time, on any worker that sees the home folder.
    """
    board = FolderBoard(PrefectPages())
    with alive(home_folder()) as home:
        result = evaluate_folder(
            config,
            home,
            open_trials=open_trials,
            around=around(config),
            settled=board.show,
            flow_run_id=flow_run.get_id(),
        )
    board.end(result)
    return truthful(result.status, result.status_detail, result)


@flow(
    name="compare-policies",
    flow_run_name="{config.suite}",
    version=assay_version(),
    persist_result=False,
)
def compare_policies(config: CompareConfig) -> State[Any]:
    """Compare policies on the same scenarios: a leaderboard with intervals and a verdict."""
    measure = Measure(objective=config.objective)
    with alive(home_folder()):
        contenders = find_contenders(config.policies)
        scenarios = suite_scenarios(config.suite, config.split, config.policy_calls)
        with open_trials(config) as trials:
            tried = NamedTrials(trials, around(config))
            comparison = compare(contenders, scenarios, tried, measure)
    show_comparison(
        PrefectPages(), comparison, f"{config.suite}, {config.split}, {config.objective}"
    )
    return Completed(message=comparison.verdict, data=comparison)


@flow(name="maintain", version=assay_version(), persist_result=False)
def maintain(export_to: Path | None = None) -> str:
    """Remove stray cells, bring the history up to date, and export it if a folder is named."""
    with alive(home_folder()) as home:
        done = tidy(home)
        if export_to is not None:
            done += f"; exported to {export_parquet(home, export_to).manifest}"
    get_run_logger().info(done)
    return done


def tidy(home: Path) -> str:
    """Remove cells that dead processes left, ingest what they recorded; say what was done."""
    cells = _reap_cells()
    report = ingest(home)
    ingested = "another ingest is running" if report.busy else f"{report.lines} rows ingested"
    return "; ".join([cells, ingested, *report.notes])


def _reap_cells() -> str:
    try:
        reaped = reap()
        return "; ".join([f"{len(reaped.removed)} stray cells removed", *reaped.skipped])
    except SandboxUnavailable as error:  # a machine may try its policies in embedded cells
        return f"no cells were looked for: {error}"


def _cron(text: str) -> Schedule:
    try:
        return Cron(text, timezone="UTC")
    except ValueError as error:
        raise ConfigError(f"{not_cron(text)} ({error})") from None


def _watcher() -> Watch:
    """Return who watches; a flow's own code, which travels to clusters, can hold no such thing."""
    return _watch.get()


end_quietly()
FLOWS = {each.name: each for each in (search, evaluate_policies, compare_policies, maintain)}
