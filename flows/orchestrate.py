"""The search as a Prefect flow: thin tasks around the hops of the same plain loop, and artifacts.

There is no ``from __future__ import annotations`` here: Prefect reads the annotations of a served
flow to check its parameters and to draw its form.
"""

import signal
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar, cast
from uuid import UUID

from prefect import flow, task
from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed

from flows.config import SearchConfig
from flows.errors import OrchestratorUnavailable
from flows.experiment import Finished, run_experiment
from flows.happenings import Happening, Settled
from flows.home import home_folder
from flows.leaderboard import HEADERS, leaderboard
from flows.maintenance import tidy
from flows.progress import Progress, advance, plain_line
from flows.search import OURS, RETRY_SECONDS, ignore
from flows.session import Watch

T = TypeVar("T")


_watch: ContextVar[Watch] = ContextVar("watch", default=ignore)
"""What a caller in this process wants to see of a run; parameters of a flow must be plain data."""


def search_through_prefect(config: SearchConfig, watch: Watch) -> Finished:
    """Run the flow in this process and return what it left; failures are raised as they are."""
    if not PREFECT_API_URL.value():
        _start_server()
    token = _watch.set(watch)
    try:
        state: State[Any] = search(config, return_state=True)
        finished = state.result()
        assert isinstance(finished, Finished)
        return finished
    finally:
        _watch.reset(token)


def _start_server() -> None:
    """Start Prefect's own server, which ends with this process.

    Its process inherits from a thread of its own that SIGINT is blocked: Ctrl-C, which a terminal
    sends to both, must leave it alive until the flow has told it how it ended.
    """
    from prefect.server.api.server import SubprocessASGIServer  # slow, and not always needed

    failures: list[Exception] = []

    def start() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            SubprocessASGIServer().start()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=start, daemon=True)
    thread.start()
    thread.join()
    if failures:
        raise OrchestratorUnavailable(
            f"Prefect's server did not start: {failures[0]}; try again, set PREFECT_API_URL to a "
            "running server, or use --direct for the same search without Prefect"
        )


@flow(name="search", flow_run_name="{config.name}", persist_result=False)
def search(config: SearchConfig, dated: bool = False) -> State[Any]:
    """Search for a policy; the same configuration again continues where it ended.

    ``dated`` adds the scheduled day to the name, so that each day has a search of its own.
    """
    if dated:
        day = flow_run.get_scheduled_start_time()
        config = config.model_copy(update={"name": f"{config.name} {day:%Y-%m-%d}"})
    board, watch = _Board(), _watch.get()

    def show(happening: Happening) -> None:
        board.show(happening)
        watch(happening)

    finished = run_experiment(
        config, home_folder(), show, around=in_a_task, flow_run_id=flow_run.get_id()
    )
    board.end(finished)
    result = finished.result
    return Completed(
        name=result.status.replace("_", " ").title(),
        message=result.status_detail,
        data=finished,
    )


@flow(name="maintain", persist_result=False)
def maintain() -> str:
    """Remove stray cells, bring the history up to date, and say what was done."""
    done = tidy(home_folder())
    get_run_logger().info(done)
    return done


def in_a_task(hop: str, label: str, call: Callable[[], T]) -> T:
    """Run a hop as a Prefect task; a trial is begun again when its failure is ours."""
    wrapped = try_candidate if hop == "try" else propose_candidate
    result: T = cast(Any, wrapped.with_options(task_run_name=f"{hop} {label}"))(call)
    return result


def _is_ours(_: Any, __: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), OURS)


@task(name="propose", cache_policy=NO_CACHE, persist_result=False)
def propose_candidate(call: Callable[[], Any]) -> Any:
    """Ask for the next policy; the proposer itself knows when to ask again."""
    return call()


@task(
    name="try",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=len(RETRY_SECONDS),
    retry_delay_seconds=list(RETRY_SECONDS),
    retry_condition_fn=_is_ours,
)
def try_candidate(call: Callable[[], Any]) -> Any:
    """Screen a policy and try it in a cell; time-outs are the cell's own."""
    return call()


class _Board:
    """Shows a search in Prefect's pages: log lines, a progress bar, the leaderboard."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._bar: UUID | None = None
        self._log = get_run_logger()

    def show(self, happening: Happening) -> None:
        self._progress = advance(self._progress, happening)
        line = plain_line(self._progress, happening)
        if line is not None:
            self._log.info(line)
        if isinstance(happening, Settled):
            self._advance_bar(happening)
            if happening.row.improved:
                self._tell_new_best(happening)

    def end(self, finished: Finished) -> None:
        """Leave the leaderboard, and where the best policy and the report are."""
        result = finished.result
        rows = [dict(zip(HEADERS, row, strict=True)) for row in leaderboard(result.candidates)]
        create_table_artifact(rows, key="leaderboard", description=result.experiment_id)
        create_markdown_artifact(
            f"**{result.status}**: {result.status_detail}\n\n"
            f"* best policy: `{finished.best_policy}`\n* report: `{finished.report}`\n",
            key="result",
            description=result.experiment_id,
        )

    def _advance_bar(self, happening: Settled) -> None:
        config = self._progress.config
        wanted = config.budget.candidates if config is not None else 1
        percent = min(100.0, 100.0 * happening.spend.candidates / wanted)
        if self._bar is None:
            self._bar = cast(UUID, create_progress_artifact(percent, key="candidates-tried"))
        else:
            update_progress_artifact(self._bar, percent)

    def _tell_new_best(self, happening: Settled) -> None:
        row = happening.row
        emit_event(
            event="assay.new-best",
            resource={
                "prefect.resource.id": f"assay.experiment.{row.experiment_id}",
                "prefect.resource.name": row.experiment_id,
            },
            payload={"score": row.score, "candidate": row.candidate, "title": row.title},
        )
