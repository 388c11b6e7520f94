"""Tries a candidate on scenarios in a locked cell: the one call that everything else needs."""

import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from sandbox.cell import Cell, Ended
from sandbox.daemon import Daemon
from sandbox.engine_facts import shortcomings, warnings_about
from sandbox.errors import CellFailed, SandboxUnavailable
from sandbox.hardening import container_options
from sandbox.image import image_tag
from sandbox.limits import Limits
from sandbox.outcome import CellInfo, Evaluation, Finding, Outcome, Problem, Trial
from sandbox.owner import labels_for
from sandbox.reaper import reap
from sandbox.screen import SYNTAX_CODE, screen
from sandbox.seccomp import seccomp_profile
from sandbox.source import candidate_id, malformed_because, source_line
from sandbox.stock import Stock
from sandbox.verdict import judge
from simulator.cell.frames import NONCE_BYTES, Job, pack_job
from simulator.cell.seal import SEALED, SPLIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A scenario as the sandbox knows it: a name, and bytes that only the simulator understands."""

    name: str
    data: bytes


class Sandbox:
    """Tries candidates in cells; a context manager, safe to use from ``slots`` threads at once.

    With ``ready``, cells are started ahead for as many scenarios as the last trial had. The
    ``isolation`` may be weakened by name to ``one-uid``; it is never weaker than asked for.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        slots: int = 1,
        ready: bool = True,
        *,
        isolation: str = SPLIT,
        image: str | None = None,
        runtime: str | None = None,
    ) -> None:
        if isolation not in SEALED:
            raise ValueError(f"isolation is {isolation!r}, expected one of {', '.join(SEALED)}")
        self.limits = limits or Limits()
        self._isolation = isolation
        self._image_name = image or image_tag()
        self._runtime = runtime
        self._slots = threading.BoundedSemaphore(slots)
        self._slot_count = slots
        self._local = threading.local()
        self._daemons: list[Daemon] = []
        self._lock = threading.Lock()
        self._cells_on_cpu: dict[int, int] = {}
        self._stock = Stock(
            start=self._start_cell,
            destroy=self._destroy_cell,
            ahead=slots if ready else 0,
            max_age_seconds=self.limits.idle_seconds / 2,
        )

    def __enter__(self) -> Self:
        """Connect, refuse an engine that cannot protect, find the image, remove stale cells."""
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove every cell and wait until they are gone."""
        self._stock.close()
        for daemon in self._daemons:
            daemon.close()

    def info(self) -> dict[str, Any]:
        """Return what trials run on, for the record."""
        return {
            "engine": self._facts.server_version,
            "runtime": self._runtime or self._facts.default_runtime,
            "image": self._image_name,
            "image_id": self._image_id,
            "isolation": f"docker/{self._isolation}",
            "warnings": list(warnings_about(self._facts)),
            "slots": self._slot_count,
            "limits": self.limits.model_dump(),
        }

    def prepare(self, scenarios: int) -> None:
        """Start cells for trials on ``scenarios`` scenarios now, in the background."""
        self._stock.prepare(scenarios)

    def settle(self) -> None:
        """Wait until the cells of finished trials are gone and those ahead are started."""
        self._stock.settle()

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Return how the policy did on every scenario; raise SandboxError where we are at fault."""
        problem = malformed_because(source, self.limits.source_bytes)
        if problem is not None:
            return _refused(source, scenarios, Outcome.MALFORMED, Problem(message=problem), ())
        findings = screen(source)
        if findings:
            return _screened_out(source, scenarios, findings)
        return self.try_unscreened(source, scenarios)

    def try_unscreened(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Do as ``try_policy`` does without the screen, which is no part of the wall."""
        return self.try_with_facts(source, scenarios)[0]

    def try_with_facts(
        self, source: str, scenarios: Sequence[Payload]
    ) -> tuple[Trial, Mapping[str, Any]]:
        """Do as ``try_unscreened`` does, and return the protections that were in force as well."""
        if not scenarios:
            raise ValueError("a trial needs at least one scenario, got none")
        with self._slots:
            cell, ready = self._stock.take(len(scenarios))
            try:
                return self._try_in(cell, source, scenarios)
            except CellFailed:
                if not ready:
                    raise
            # It may have died while it waited, for instance with the engine: a fresh one decides.
            return self._try_in(self._start_cell(len(scenarios)), source, scenarios)

    def _open(self) -> None:
        daemon = self._daemon()
        self._facts = daemon.facts()
        lacking = shortcomings(self._facts, self._runtime)
        if lacking:
            problem = f"this Docker engine cannot hold a cell: {'; '.join(lacking)}"
            raise SandboxUnavailable(problem, "`assay doctor` tells more")
        self._image_id = daemon.image_id(self._image_name)
        self._seccomp = seccomp_profile(self._facts.architecture)
        self._cells_on_cpu = dict.fromkeys(_processors(self._facts.cpus), 0)
        reap(daemon)

    def _try_in(
        self, cell: Cell, source: str, scenarios: Sequence[Payload]
    ) -> tuple[Trial, Mapping[str, Any]]:
        started = time.monotonic()
        try:
            nonce = secrets.token_bytes(NONCE_BYTES)
            job = Job(
                nonce=nonce,
                source=source,
                scenarios=[scenario.data for scenario in scenarios],
                limits=self.limits.for_cell(),
            )
            ended = self._run(cell, pack_job(job), len(scenarios))
            names = [scenario.name for scenario in scenarios]
            report, evaluations = judge(
                ended, nonce=nonce, scenarios=names, isolation=self._isolation, source=source
            )
        finally:
            self._stock.give_back(cell)
        trial = Trial(
            candidate=candidate_id(source),
            outcome=_first_failure(evaluations),
            evaluations=evaluations,
            cell=CellInfo(
                image_id=self._image_id,
                runtime=self._runtime or self._facts.default_runtime,
                isolation=f"docker/{self._isolation}",
                seconds=time.monotonic() - started,
            ),
        )
        return trial, report.isolation if report else {}

    def _run(self, cell: Cell, job: bytes, scenarios: int) -> Ended:
        deadline = time.monotonic() + self.limits.job_seconds(scenarios)
        ended = cell.run(job, deadline, self.limits.report_bytes * scenarios)
        if ended.stdout or ended.overdue:
            return ended
        return cell.with_memory_evidence(self._daemon(), ended)

    def _start_cell(self, workers: int) -> Cell:
        cpu = self._least_used_cpu()
        try:
            options = container_options(
                image_id=self._image_id,
                workers=workers,
                isolation=self._isolation,
                limits=self.limits,
                seccomp=self._seccomp,
                cpu=cpu if self._facts.cpuset else None,
                labels=labels_for(self.limits.lifetime_seconds(workers)),
                runtime=self._runtime,
            )
            return Cell(self._daemon(), options, workers, cpu)
        except BaseException:
            self._release_cpu(cpu)
            raise

    def _destroy_cell(self, cell: Cell) -> None:
        try:
            cell.destroy(self._daemon(), self.limits.start_seconds)
        finally:
            self._release_cpu(cell.cpu)

    def _least_used_cpu(self) -> int:
        with self._lock:
            cpu = min(self._cells_on_cpu, key=lambda one: (self._cells_on_cpu[one], one))
            self._cells_on_cpu[cpu] += 1
            return cpu

    def _release_cpu(self, cpu: int) -> None:
        with self._lock:
            self._cells_on_cpu[cpu] -= 1

    def _daemon(self) -> Daemon:
        """Return this thread's own connection to the engine."""
        daemon: Daemon | None = getattr(self._local, "daemon", None)
        if daemon is None:
            daemon = self._local.daemon = Daemon()
            with self._lock:
                self._daemons.append(daemon)
        return daemon


def _processors(count: int) -> list[int]:
    """Return the processors that cells may be put on: ours, where the engine has them too."""
    ours = sorted(os.sched_getaffinity(0) & set(range(count)))
    return ours or list(range(max(1, count)))


def _screened_out(
    source: str, scenarios: Sequence[Payload], findings: tuple[Finding, ...]
) -> Trial:
    first = findings[0]
    outcome = Outcome.LOAD_ERROR if first.code == SYNTAX_CODE else Outcome.REJECTED
    problem = Problem(
        message=first.message, line=first.line or None, source_line=source_line(source, first.line)
    )
    return _refused(source, scenarios, outcome, problem, findings)


def _refused(
    source: str,
    scenarios: Sequence[Payload],
    outcome: Outcome,
    problem: Problem,
    findings: tuple[Finding, ...],
) -> Trial:
    return Trial(
        candidate=candidate_id(source),
        outcome=outcome,
        evaluations=tuple(
            Evaluation(scenario=scenario.name, outcome=outcome, problem=problem)
            for scenario in scenarios
        ),
        findings=findings,
    )


def _first_failure(evaluations: Sequence[Evaluation]) -> Outcome:
    failures = [one.outcome for one in evaluations if one.outcome is not Outcome.OK]
    return failures[0] if failures else Outcome.OK
