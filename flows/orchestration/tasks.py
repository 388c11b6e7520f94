"""Prefect tasks around the hops of our loops; a trial may happen here or in another process.

With Dask, an extra, trials are tasks that processes of a cluster run, each with one sandbox.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging import get_run_logger

from flows.interrupts import interrupts_put_off, with_interrupts
from flows.orchestration.hosts import Hosts, Job, Missing, Wanted, WorkerTrials, wanted_for, work
from flows.orchestration.runs import end_quietly
from flows.orchestration.server import check_runner
from flows.settings.sections import RunnerConfig
from flows.trials import OURS, RETRY_SECONDS, Around, Machinery, Trials, in_this_process
from sandbox.errors import CellFailed
from sandbox.outcome import Trial
from sandbox.source import candidate_id
from sandbox.trial import Payload

T = TypeVar("T")
PROPOSE = "propose"
SHORT_SHA256 = 12
LOOK_SECONDS = 2.0
"""How often a trial looks whether a worker is left that may do it."""

_label: ContextVar[str] = ContextVar("label", default="try")
"""What the trial that is sent to a worker is called."""


def around(config: Machinery) -> Around:
    """Return what makes hops tasks: of this process, or of the runner's where trials are sent."""
    return in_a_task if config.runner.kind == "threads" else _labelled


def in_a_task(hop: str, label: str, call: Callable[[], T]) -> T:
    """Run a hop as a Prefect task; retry a trial when the failure is not the policy's."""
    wrapped = propose_candidate if hop == PROPOSE else try_candidate
    with interrupts_put_off():
        task = cast(Any, wrapped.with_options(task_run_name=f"{hop} {label}"))
        result: T = task(lambda: with_interrupts(call))
    return result


@contextmanager
def open_trials(config: Machinery) -> Iterator[Trials]:
    """Try policies where ``runner`` says: in this process's cells, or in a cluster's processes."""
    if config.runner.kind == "threads":
        with in_this_process(config) as trials:
            yield trials
        return
    with _dask(config.runner) as runner:
        wanted = wanted_for(config)
        hosts = Hosts(runner.client, wanted, get_run_logger().warning)
        info = hosts.require_all()
        yield WorkerTrials(Sender(runner=runner, hosts=hosts, wanted=wanted), info)


class NamedTrials:
    """Trials that are tasks named by their candidates, for loops that know nothing of hops."""

    def __init__(self, trials: Trials, wrap: Around) -> None:
        self._trials, self._wrap = trials, wrap

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        def call() -> Trial:
            return self._trials.try_policy(source, scenarios)

        return self._wrap("try", candidate_id(source)[:SHORT_SHA256], call)


def _is_ours(_: Any, __: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), OURS)


_TRYING = task(
    name="try",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=len(RETRY_SECONDS),
    retry_delay_seconds=list(RETRY_SECONDS),
    retry_condition_fn=_is_ours,
)
"""Makes a function a task that is retried when the failure is not the policy's."""


@task(name=PROPOSE, cache_policy=NO_CACHE, persist_result=False)
def propose_candidate(call: Callable[[], Any]) -> Any:
    """Ask for the next policy; the proposer itself knows when to ask again."""
    return call()


@_TRYING
def try_candidate(call: Callable[[], Any]) -> Any:
    """Screen a policy and try it in a cell; time-outs are the cell's own."""
    return _told(call())


@_TRYING
def try_in_worker(wanted: Wanted, job: Job) -> Any:
    """Do as ``try_candidate`` does in a process of the cluster, with the sandbox that it keeps."""
    end_quietly()
    return _told(work(wanted, job))


def _told(result: Any) -> Any:
    """Log which candidate a task tried; the flow's own log says what that means."""
    if isinstance(result, Trial):
        get_run_logger().info(f"candidate {result.candidate[:SHORT_SHA256]}: {result.outcome}")
    return result


def _labelled(hop: str, label: str, call: Callable[[], T]) -> T:
    """Let the task that a trial becomes at the runner have the hop's name."""
    if hop == PROPOSE:
        return in_a_task(hop, label, call)
    token = _label.set(f"{hop} {label}")
    try:
        return call()
    finally:
        _label.reset(token)


def _dask(config: RunnerConfig) -> Any:
    """Return the task runner of a cluster."""
    check_runner(config)
    from prefect_dask.task_runners import DaskTaskRunner

    if config.address is not None:
        return DaskTaskRunner(address=config.address)
    own: dict[str, Any] = {
        "n_workers": config.workers,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.ERROR,
    }
    return DaskTaskRunner(cluster_kwargs=own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Has a trial made by one of the workers that may; by others where all of them go away."""

    runner: Any
    hosts: Hosts
    wanted: Wanted
    task: Any = try_in_worker

    def __call__(self, job: Job) -> Trial | Missing:
        """Return the answer of a worker; raise CellFailed for a trial under which workers die."""
        from distributed.scheduler import KilledWorker

        name = _label.get() + (" with scenarios" if job.data else "")
        named = self.task.with_options(task_run_name=name)
        while True:
            addresses = self.hosts.ready()
            future = self._submit(named, job, addresses)
            if self._ends(future, addresses):
                try:
                    return cast("Trial | Missing", future.result())
                except KilledWorker as error:
                    raise CellFailed(f"the worker died under {name!r}: {error}") from None

    def _submit(self, named: Any, job: Job, addresses: Sequence[str]) -> Any:
        from dask.base import annotate

        with annotate(workers=list(addresses)):
            return self.runner.submit(named, parameters={"wanted": self.wanted, "job": job})

    def _ends(self, future: Any, addresses: Sequence[str]) -> bool:
        """Wait; return False if all workers that may do it, or the scheduler, went away before."""
        running = future.wrapped_future
        while not running.done():
            future.wait(timeout=LOOK_SECONDS)
            if not running.done() and not set(addresses) & set(self.hosts.there()):
                running.cancel()
        return not running.cancelled()
