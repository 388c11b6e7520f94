"""Prefect's side: five flows, thin tasks around the hops of the same plain loops, and artifacts.

There is no ``from __future__ import annotations`` here: Prefect reads the annotations of a served
flow to check its parameters and to draw its form. What a flow returns is
written as a string: its code travels to clusters, where no module has the class ``State[Any]``.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import UUID

import httpx
from prefect import flow, serve
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import ConcurrencyLimitConfig, State
from prefect.deployments.runner import RunnerDeployment
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.schedules import Cron, Schedule
from prefect.schedules import Interval as Every
from prefect.states import Completed
from prefect.types.entrypoint import EntrypointType

from flows import assay_version
from flows.clock import Clock, SystemClock
from flows.errors import ConfigError, OrchestratorUnavailable
from flows.experiment import Finished, run_experiment
from flows.history.export import export_parquet
from flows.history.records import CandidateRow, key_of
from flows.history.store import ingest
from flows.home import home_folder
from flows.interrupts import interrupts_put_off, with_interrupts
from flows.judging.comparison import Comparison, ComparisonRow, Measure, compare
from flows.judging.intervals import Interval
from flows.judging.leaderboard import best_words, board, ranked, scores_on_test
from flows.judging.splits import suite_scenarios
from flows.names import called, name_of
from flows.orchestration.deployments import TAGS, Deployment, not_cron
from flows.orchestration.folder import FolderResult, evaluate_folder
from flows.orchestration.runs import alive, end_quietly, server_url, truthful
from flows.orchestration.tasks import SHORT_SHA256, NamedTrials, around, in_a_task, open_trials
from flows.policies import find_contenders
from flows.report.sweep_page import SweepTable, sweep_table
from flows.search.progress import (
    Began,
    Happening,
    Progress,
    Settled,
    Watch,
    advance,
    ignore,
    plain_line,
)
from flows.settings.search import SearchConfig, with_sdk_address
from flows.settings.sections import CompareConfig, FolderConfig
from flows.settings.sweep import Member, SweepConfig
from flows.sweep import (
    Standing,
    Watching,
    check_sweep,
    keep_page,
    run_sweep,
    searches_of,
    status_of,
)
from flows.untrusted import Markdown, for_log, markdown, markdown_lines
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
    "sweep",
    "sweep_through_prefect",
]

_watch: ContextVar[Watch] = ContextVar("watch", default=ignore)
"""What a caller in this process wants to see of a run; parameters of a flow must be plain data."""


@contextmanager
def _unwatched(_: Member) -> Iterator[Watch]:
    yield ignore


_watching: ContextVar[Watching] = ContextVar("watching", default=_unwatched)
"""The same for the searches of a sweep."""


def search_through_prefect(config: SearchConfig, watch: Watch) -> Finished:
    """Run the flow in this process and return what it left; failures are raised as they are."""
    token = _watch.set(watch)
    try:
        with interrupts_put_off(), _server_there():
            state: State[Any] = search(config, return_state=True)
        finished = state.result()
        assert isinstance(finished, Finished)
        return finished
    finally:
        _watch.reset(token)


def sweep_through_prefect(config: SweepConfig, watching: Watching) -> tuple[Standing, ...]:
    """Run the flow of a sweep in this process, as ``search_through_prefect`` does a search's."""
    token = _watching.set(watching)
    try:
        with interrupts_put_off(), _server_there():
            state: State[Any] = sweep(config, return_state=True)
        standings: tuple[Standing, ...] = state.result()
        return standings
    finally:
        _watching.reset(token)


@contextmanager
def _server_there() -> Iterator[None]:
    """Say in words that Prefect's server is away for longer than its client waits."""
    try:
        yield
    except (httpx.HTTPError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith(UNREACHED):
            raise
        raise OrchestratorUnavailable(
            f"Prefect's server at {server_url()} does not answer ({error}): start it and type the "
            "same command again, which goes on with what is recorded, or add --direct"
        ) from error


def serve_deployments(deployments: Sequence[Deployment], limit: int | None) -> None:
    """Register the deployments and run what is due in local processes, until interrupted."""
    serve(*map(served, deployments), limit=limit, print_starting_message=False)


def served(deployment: Deployment) -> RunnerDeployment:
    """Return a deployment as a process that serves registers it."""
    schedules = []
    if deployment.cron is not None:
        schedules.append(_cron(deployment.cron))
    if deployment.interval_seconds is not None:
        schedules.append(Every(timedelta(seconds=deployment.interval_seconds)))
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
def search(config: SearchConfig, dated: bool = False) -> "State[Any]":
    """Search for a policy; the same configuration resumes an interrupted search.

    ``dated`` adds the scheduled day to the name, so that each day is a separate search.
    """
    if dated:
        day = flow_run.get_scheduled_start_time()
        config = config.model_copy(update={"name": f"{config.name} {day:%Y-%m-%d}"})
    config = with_sdk_address(config, os.environ)
    board, watch = SearchBoard(PrefectPages()), _watcher()

    def show(happening: Happening) -> None:
        with interrupts_put_off():
            board.show(happening)
        watch(happening)

    with _interruptible(), alive(home_folder()) as home:
        finished = with_interrupts(
            partial(
                run_experiment,
                config,
                home,
                show,
                around=around(config),
                flow_run_id=flow_run.get_id(),
                open_trials=open_trials,
            )
        )
    board.end(finished)
    result = finished.result
    return truthful(result.status, result.status_detail, finished)


@flow(name="sweep", flow_run_name="{config.name}", version=assay_version(), persist_result=False)
def sweep(config: SweepConfig) -> "State[Any]":
    """Run the searches of a sweep, each as a run of the flow search; what has ended is not run.

    The same configuration continues what was interrupted.
    """
    config = with_sdk_address(config, os.environ)
    with _interruptible(), alive(home_folder()) as home:
        check_sweep(config)
        standings = with_interrupts(lambda: run_sweep(config, home, _as_run, _watchers()))
        found = searches_of(config, home, standings)
        page = keep_page(config, home, found)
    show_sweep(PrefectPages(), sweep_table(config.name, found), page)
    return truthful(*status_of(found, standings), standings)


@flow(
    name="evaluate-policies",
    flow_run_name="{config.name}",
    version=assay_version(),
    persist_result=False,
)
def evaluate_policies(config: FolderConfig) -> "State[Any]":
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
def compare_policies(config: CompareConfig) -> "State[Any]":
    """Compare policies on the same scenarios: a leaderboard with intervals and a verdict."""
    measure = Measure(objective=config.objective)
    with alive(home_folder()):
        contenders = find_contenders(config.policies, config.domain)
        scenarios = suite_scenarios(config.suite, config.domain, config.split, config.policy_calls)
        with open_trials(config) as trials:
            tried = NamedTrials(trials, around(config))
            comparison = compare(contenders, scenarios, config.domain, tried, measure)
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


def _as_run(config: SearchConfig, _: Path, watch: Watch) -> Finished:
    """Run a search of a sweep as a flow run within that of the sweep."""
    return search_through_prefect(config, watch)


def _watcher() -> Watch:
    """Return who watches; a flow's own code, which travels to clusters, can hold no such thing."""
    return _watch.get()


def _watchers() -> Watching:
    return _watching.get()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does in a flow that a command runs in its own process.

    Prefect has a handler of its own there, with which its workers cancel a run.
    """
    watched = _watch.get() is not ignore or _watching.get() is not _unwatched
    if not watched or threading.current_thread() is not threading.main_thread():
        yield
        return
    theirs = signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, theirs)


end_quietly()
_ALL = (search, sweep, evaluate_policies, compare_policies, maintain)
FLOWS = {each.name: each for each in _ALL}


UNREACHED = "Failed to reach API"
"""How Prefect begins to say that the server was not there at the start."""
AWAY_SECONDS = 60.0
"""How long a progress bar lets a server alone that did not answer."""
MOST_ROWS = 1000
"""Rows of a table; Prefect keeps a table as one text."""


class Pages(Protocol):
    """Where a run is shown."""

    def log(self, line: str) -> None: ...

    def progress(self, key: str, percent: float) -> None: ...

    def table(
        self, key: str, rows: Sequence[Mapping[str, Markdown]], description: Markdown
    ) -> None: ...

    def text(self, key: str, content: Markdown, description: Markdown) -> None: ...

    def link(self, key: str, url: str, text: Markdown) -> None: ...

    def event(self, name: str, experiment: str, payload: Mapping[str, Any]) -> None: ...


class SearchBoard:
    """Shows a search as it goes on; log lines name experiment and candidate."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._progress = Progress()
        self._experiment = ""

    def show(self, happening: Happening) -> None:
        """Show one happening."""
        if isinstance(happening, Began):
            self._experiment = happening.experiment_id
        self._progress = advance(self._progress, happening)
        line = plain_line(self._progress, happening)
        if line is not None:
            self._pages.log(f"[{self._experiment}{_whose(happening)}] {line.strip()}")
        if isinstance(happening, Settled):
            self._settle(happening)

    def end(self, finished: Finished) -> None:
        """Leave the leaderboard, and where the best policy and the report are."""
        result, said = finished.result, finished.differences
        about, tested = markdown("{}", result.experiment_id), scores_on_test(result.test)
        self._pages.table("leaderboard", _board(*board(result.candidates, tested=tested)), about)
        lines = [markdown("**{}**: {}", result.status, result.status_detail), Markdown()]
        lines += [markdown("* verdict: {}", result.verdict)]
        if result.best is not None:
            lines.append(markdown("* best: {}", best_words(result.best, tested, said)))
        for name, path in (("best policy", finished.best_policy), ("report", finished.report)):
            if path is not None:
                lines.append(markdown("* {}: {}", name, path))
                key, words = name.replace(" ", "-"), markdown("{} of the search", name)
                self._pages.link(key, path.as_uri(), words)
        lines += [Markdown(), markdown("How the best candidates differ:"), Markdown()]
        lines += [
            markdown("* {}: {}", called(row), said.get(key_of(row), ""))
            for _, row in ranked(result.candidates)
            if row.iteration > 0
        ]
        self._pages.text("result", markdown_lines(*lines), about)

    def _settle(self, happening: Settled) -> None:
        config, row = self._progress.config, happening.row
        wanted = config.budget.candidates if config is not None else 1
        percent = min(100.0, 100.0 * happening.spend.candidates / wanted)
        self._pages.progress("candidates-tried", percent)
        if row.improved:
            self._pages.event(
                "assay.new-best",
                row.experiment_id,
                {
                    "score": row.score,
                    "candidate": row.candidate,
                    "name": name_of(row),
                    "title": row.title,
                },
            )


class FolderBoard:
    """Shows how a folder of policies is tried; other processes may try some of them."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def show(self, row: CandidateRow, percent: float) -> None:
        """Show one policy that this process tried, and how much is done."""
        score = "" if row.score is None else f", score {row.score:.4f}"
        why = "" if row.problem is None else f": {row.problem}"
        self._pages.log(f"[{_of(row)}] {row.title}: {row.outcome}{score}{why}")
        self._pages.progress("policies-tried", percent)

    def end(self, result: FolderResult) -> None:
        """Leave the table of all policies, the best first."""
        about = markdown("{}", result.experiment_id)
        self._pages.table("policies", _board(*board(result.candidates, top=MOST_ROWS)), about)
        ended = result.status, result.status_detail, result.tried_here
        lines = [markdown("**{}**: {}; {} by this run", *ended), Markdown()]
        lines += [markdown("* lost: {}", each) for each in result.lost]
        lines += [markdown("* passed over: {}", each) for each in result.passed_over]
        self._pages.text("result", markdown_lines(*lines), about)


def show_sweep(pages: Pages, table: SweepTable, page: Path) -> None:
    """Leave the table of a sweep, what there is to say about it, and where its page is."""
    about = markdown("{}", table.title)
    rows = [_shown(dict(zip(table.headers, row, strict=True))) for row in table.rows]
    pages.table("sweep", rows, about)
    lines = [markdown("* {}", line) for line in (*table.lines, f"page: {page}")]
    pages.text("result", markdown_lines(*lines), about)
    pages.link("page", page.as_uri(), markdown("page of the sweep"))


def show_comparison(pages: Pages, comparison: Comparison, title: str) -> None:
    """Leave the leaderboard of a comparison, with intervals, and its verdict."""
    about = markdown("{}", title)
    rows = [_cells(rank, row) for rank, row in enumerate(comparison.rows, start=1)]
    pages.table("comparison", [_shown(row) for row in rows], about)
    failed = [row for row in comparison.rows if row.problem]
    problems = [markdown("* {}: {}", row.label, row.problem) for row in failed]
    verdict = markdown("{}", comparison.verdict)
    pages.text("verdict", markdown_lines(verdict, Markdown(), *problems), about)


class PrefectPages:
    """The pages of the flow run in which it is made."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._bars: dict[str, UUID] = {}
        self._log = get_run_logger()
        self._clock = clock or SystemClock()
        self._away_until = 0.0

    def log(self, line: str) -> None:
        self._log.info(for_log(line))

    def progress(self, key: str, percent: float) -> None:
        """Move the bar of this name, which begins with its first figure.

        While the server is away, a bar waits for it once in a while and not at each step.
        """
        if self._clock.seconds() < self._away_until:
            return
        if key in self._bars:
            self._show(partial(update_progress_artifact, self._bars[key], percent))
        elif made := self._show(partial(create_progress_artifact, percent, key=key)):
            self._bars[key] = made

    def table(
        self, key: str, rows: Sequence[Mapping[str, Markdown]], description: Markdown
    ) -> None:
        content = [dict(row) for row in rows]
        self._show(partial(create_table_artifact, content, key=key, description=description))

    def text(self, key: str, content: Markdown, description: Markdown) -> None:
        self._show(partial(create_markdown_artifact, content, key=key, description=description))

    def link(self, key: str, url: str, text: Markdown) -> None:
        self._show(partial(create_link_artifact, url, link_text=text, key=key))

    def _show(self, show: Callable[[], Any]) -> UUID | None:
        """Return the id of what is shown, None if the server is away for longer than is waited.

        Whatever is shown is in the history too: no search ends because its pages cannot be made.
        """
        try:
            return cast(UUID, show())
        except httpx.HTTPError as error:
            self._away_until = self._clock.seconds() + AWAY_SECONDS
            self._log.warning(f"Prefect's server does not answer, and does not show this: {error}")
            return None

    def event(self, name: str, experiment: str, payload: Mapping[str, Any]) -> None:
        """Emit an event about an experiment, to which an automation can react."""
        emit_event(
            event=name,
            resource={
                "prefect.resource.id": f"assay.experiment.{experiment}",
                "prefect.resource.name": experiment,
            },
            payload={k: for_log(v) if isinstance(v, str) else v for k, v in payload.items()},
        )


def _board(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[dict[str, Markdown]]:
    return [_shown(dict(zip(headers, row, strict=True))) for row in rows]


def _shown(row: Mapping[str, object]) -> dict[str, Markdown]:
    """Return a row as Prefect shows it: its page renders every cell as Markdown."""
    return {name: markdown("{}", value) for name, value in row.items()}


def _whose(happening: Happening) -> str:
    if isinstance(happening, Settled) and happening.row.candidate is not None:
        return f" {happening.row.candidate[:SHORT_SHA256]}"
    return ""


def _of(row: CandidateRow) -> str:
    return f"{row.experiment_id} {(row.candidate or '')[:SHORT_SHA256]}"


def _cells(rank: int, row: ComparisonRow) -> dict[str, Any]:
    return {
        "rank": rank,
        "policy": row.label,
        "outcome": str(row.outcome),
        "score": "none" if row.score is None else f"{row.score:.4f}",
        "against the first": _words(row.against_first),
        "against the best baseline": _words(row.against_baseline),
        "candidate": row.candidate[:SHORT_SHA256],
    }


def _words(interval: Interval | None) -> str:
    return "" if interval is None else interval.words()
