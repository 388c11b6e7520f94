"""Prefect tasks around the hops of our loops; a trial may happen here or in another process.

With Dask, an extra, trials are tasks that processes of a cluster run, each with one sandbox.
"""

import atexit
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging import get_run_logger

from flows.interrupts import interrupts_put_off, with_interrupts
from flows.orchestration.runs import end_quietly
from flows.orchestration.server import check_runner
from flows.settings.sections import RunnerConfig
from flows.trials import OURS, RETRY_SECONDS, Around, Machinery, Trials, in_this_process
from sandbox.errors import CellFailed, SandboxUnavailable
from sandbox.limits import Limits
from sandbox.outcome import Trial
from sandbox.source import candidate_id
from sandbox.trial import Payload, Sandbox
from simulator.domain import Domain, find_domain

T = TypeVar("T")
PROPOSE = "propose"
SHORT_SHA256 = 12
MOST_AT_ONCE = 64
"""More trials than a worker process has threads; how many run at once is its own affair."""

Submit = Callable[[dict[str, Any]], Any]
"""Runs :func:`work` with these parameters in some worker and returns what it returned."""

_label: ContextVar[str] = ContextVar("label", default="try")
"""What the trial that is sent to a worker is called."""
_sandboxes: dict[tuple[Limits, str, str], Sandbox] = {}
"""By limits, kind of cell and the hash of the domain."""
_opening = threading.Lock()


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
    runner, loss = _dask(config.runner)

    def submit(parameters: dict[str, Any]) -> Any:
        name = _label.get()
        named = try_in_worker.with_options(task_run_name=name)
        try:
            return runner.submit(named, parameters=parameters).result()
        except loss as error:
            raise CellFailed(f"the worker died under {name!r}: {error}") from None

    with runner:
        yield WorkerTrials(config, submit)


class NamedTrials:
    """Trials that are tasks named by their candidates, for loops that know nothing of hops."""

    def __init__(self, trials: Trials, wrap: Around) -> None:
        self._trials, self._wrap = trials, wrap

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        def call() -> Trial:
            return self._trials.try_policy(source, scenarios)

        return self._wrap("try", candidate_id(source)[:SHORT_SHA256], call)


class WorkerTrials:
    """Sends each trial to a worker. Cells are not started ahead: a worker outlives a search."""

    def __init__(self, config: Machinery, submit: Submit) -> None:
        self._config, self._submit = config, submit
        self._info: dict[str, Any] = self._send(None, ())

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        trial = self._send(source, scenarios)
        assert isinstance(trial, Trial)
        return trial

    def prepare(self, scenarios: int) -> None:
        """Do nothing: no worker keeps cells in stock."""

    def last_trials(self) -> None:
        """Do nothing: no worker keeps cells in stock."""

    def info(self) -> dict[str, Any]:
        """Return what the first worker that answered runs trials on."""
        return self._info

    def _send(self, source: str | None, scenarios: Sequence[Payload]) -> Any:
        return self._submit(
            {
                "source": source,
                "scenarios": [(each.name, each.data) for each in scenarios],
                "limits": self._config.limits,
                "cell": self._config.cell,
                "domain": (self._config.domain.setting, self._config.domain.sha256),
            }
        )


def work(
    source: str | None,
    scenarios: Sequence[tuple[str, bytes]],
    limits: Limits,
    cell: str,
    domain: tuple[str, str],
) -> Trial | dict[str, Any]:
    """Try a policy in the sandbox of this process; without a source, say what trials run on."""
    sandbox = _sandbox(limits, cell, *domain)
    if source is None:
        return sandbox.info()
    return sandbox.try_policy(source, [Payload(name=name, data=data) for name, data in scenarios])


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
def try_in_worker(source: str | None, scenarios: Any, limits: Any, cell: str, domain: Any) -> Any:
    """Do as ``try_candidate`` does in a process of the cluster, with the sandbox that it keeps."""
    return _told(work(source, scenarios, limits, cell, domain))


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


def _sandbox(limits: Limits, cell: str, setting: str, sha256: str) -> Sandbox:
    """Return this process's sandbox, opened at the first need and closed when the process ends."""
    key = (limits, cell, sha256)
    with _opening:
        end_quietly()
        if key not in _sandboxes:
            domain = _same_domain(setting, sha256)
            sandbox = Sandbox(limits, MOST_AT_ONCE, ready=False, cell=cell, domain=domain)
            _sandboxes[key] = sandbox.__enter__()
            atexit.register(sandbox.close)
        return _sandboxes[key]


def _same_domain(setting: str, sha256: str) -> Domain:
    """Return this machine's domain, which has to be what the search's machine has."""
    found = find_domain(setting)
    if found.sha256 != sha256:
        raise SandboxUnavailable(
            f"domain {setting} of this worker has hash {found.sha256[:12]}, the search has "
            f"{sha256[:12]}: install the same version of assay and of the domain on both"
        )
    return found


def _dask(config: RunnerConfig) -> tuple[Any, type[Exception]]:
    """Return the task runner, and the error it raises when a worker died during its task."""
    check_runner(config)
    from distributed.scheduler import KilledWorker
    from prefect_dask.task_runners import DaskTaskRunner

    if config.address is not None:
        return DaskTaskRunner(address=config.address), KilledWorker
    own: dict[str, Any] = {
        "n_workers": config.workers,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.ERROR,
    }
    return DaskTaskRunner(cluster_kwargs=own), KilledWorker
