"""Runs a candidate on scenarios in a cell: the entry point of this package."""

import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, cast

from sandbox.docker_cells import DockerCells
from sandbox.errors import CellFailed, SandboxError, TrialStopped
from sandbox.limits import Limits
from sandbox.outcome import CellInfo, Evaluation, Finding, Outcome, Place, Problem, Trial
from sandbox.process_cells import ProcessCells
from sandbox.provider import DOCKER, KINDS, Handle, Provider, host_name
from sandbox.screen import SYNTAX_CODE, screen
from sandbox.source import candidate_id, malformed_because, source_line
from sandbox.stock import Stock
from sandbox.verdict import judge, not_tried
from simulator.cell.frames import NONCE_BYTES, TIME_LIMITS, Job, pack_job
from simulator.cell.seal import SEALED, SPLIT
from simulator.domain import Domain, SealedHalf, find_domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """A scenario as the sandbox sees it: a name, and bytes that only the simulator understands."""

    name: str
    data: bytes


class Stop:
    """Ends a trial early, from any thread: its cell ends, and the trial raises ``TrialStopped``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cell: Handle | None = None
        self._stopped = False

    def now(self) -> None:
        """End the trial; one that has not begun will not begin, one that is over stays as it is."""
        with self._lock:
            self._stopped = True
            if self._cell is not None:
                with suppress(SandboxError):  # whoever waits for the cell meets the same failure
                    self._cell.end()

    def check(self) -> None:
        """Raise ``TrialStopped`` once the trial is to end."""
        if self._stopped:
            raise TrialStopped("the trial was stopped before its result was there")

    @contextmanager
    def over(self, cell: Handle) -> Iterator[None]:
        """Let the cell be ended while the block runs; what fails in it afterwards is the stop."""
        with self._lock:
            self.check()
            self._cell = cell
        try:
            yield
        except SandboxError:
            self.check()
            raise
        finally:
            with self._lock:
                self._cell = None
        self.check()


class Sandbox:
    """Tries candidates in cells; a context manager, safe to use from ``slots`` threads at once.

    A scenario that occurs twice in a trial is tried again in another cell. Both cells look the same
    to a policy, so it cannot tell the repeat from the first try.

    With ``ready``, cells are started ahead for as many scenarios as the last trial had.
    ``isolation`` may name the weaker ``one-uid``; a cell is never weaker than requested. ``cell``
    is ``docker`` or ``process``; ``process`` without an ``isolation`` uses the strongest that this
    machine grants. Every result records the isolation that it had.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        slots: int = 1,
        ready: bool = True,
        *,
        cell: str | Provider = DOCKER,
        isolation: str | None = None,
        image: str | None = None,
        runtime: str | None = None,
        domain: Domain | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.domain = domain or find_domain()
        if self.domain.trust == "sealed":
            cast(SealedHalf, self.domain.cell).require_certificate()
        self._cells = (
            _provider(cell, self.limits, self.domain, isolation, image, runtime)
            if isinstance(cell, str)
            else cell
        )
        self._slots = threading.BoundedSemaphore(slots)
        self._slot_count = slots
        self._stock = Stock(
            start=self._cells.start,
            destroy=lambda used: used.destroy(),
            ahead=slots if ready else 0,
            max_age_seconds=self.limits.idle_seconds / 2,
        )

    def __enter__(self) -> Self:
        """Open the provider; raise SandboxUnavailable if this machine cannot protect a cell."""
        try:
            self._setting = self._cells.open()
        except BaseException:
            self.close()
            raise
        self._place = Place(
            host=host_name(),
            engine=self._setting.engine,
            image_id=self._setting.image_id,
            isolation=self._setting.isolation,
        )
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
        self._cells.close()

    def info(self) -> dict[str, Any]:
        """Return the host, engine, image, isolation and limits of all trials, for the record."""
        return {
            "host": self._place.host,
            "domain": self.domain.name,
            "domain_version": self.domain.spec.version,
            "domain_sha256": self.domain.sha256,
            "engine": self._setting.engine,
            "runtime": self._setting.runtime,
            "image": self._setting.image,
            "image_id": self._setting.image_id,
            "isolation": self._setting.isolation,
            "warnings": list(self._setting.warnings),
            "slots": self._slot_count,
            "limits": self.limits.model_dump(),
        }

    def prepare(self, scenarios: int) -> None:
        """Start cells for trials on ``scenarios`` scenarios in the background."""
        self._stock.prepare(scenarios)

    def last_trials(self) -> None:
        """Start no more cells ahead: the trials that begin from now on are the last."""
        self._stock.last()

    def settle(self) -> None:
        """Wait until the cells of finished trials are gone and those ahead have started."""
        self._stock.settle()

    def try_policy(
        self, source: str, scenarios: Sequence[Payload], stop: Stop | None = None
    ) -> Trial:
        """Return the result on every scenario; raise SandboxError if the fault is ours.

        With ``stop`` another thread can end the trial, which then raises ``TrialStopped``.
        """
        problem = malformed_because(source, self.limits.source_bytes)
        if problem is not None:
            return refused(source, scenarios, Outcome.MALFORMED, Problem(message=problem))
        findings = screen(source, self.domain.spec.policy_modules)
        if findings:
            return _screened_out(source, scenarios, findings)
        return self.try_unscreened(source, scenarios, stop)

    def try_unscreened(
        self, source: str, scenarios: Sequence[Payload], stop: Stop | None = None
    ) -> Trial:
        """Do as ``try_policy`` does, without the screen; no promise of security relies on it."""
        return self.try_with_facts(source, scenarios, stop)[0]

    def try_with_facts(
        self, source: str, scenarios: Sequence[Payload], stop: Stop | None = None
    ) -> tuple[Trial, Mapping[str, Any]]:
        """Do as ``try_unscreened`` does, and also return the protections that were in force."""
        if not scenarios:
            raise ValueError("a trial needs at least one scenario, got none")
        started = time.monotonic()
        first = list(dict.fromkeys(scenarios))
        stop = stop or Stop()
        with self._slots:
            tried, facts = self._try_in_one_cell(source, first, len(first), stop)
            known = dict(zip(first, tried, strict=True))
            again = [each for each in _repeats(scenarios) if _is_tried_again(each, known)]
            workers = max(len(first), len(again))
            repeats = self._try_in_one_cell(source, again, workers, stop)[0] if again else ()
        evaluations = tuple(_in_order(scenarios, known, iter(repeats)))
        trial = Trial(
            candidate=candidate_id(source),
            outcome=_first_failure(evaluations),
            evaluations=evaluations,
            cell=CellInfo(
                image_id=self._setting.image_id,
                runtime=self._setting.runtime,
                isolation=self._setting.isolation,
                seconds=time.monotonic() - started,
            ),
        )
        return trial, facts

    def _try_in_one_cell(
        self, source: str, scenarios: Sequence[Payload], workers: int, stop: Stop
    ) -> tuple[tuple[Evaluation, ...], Mapping[str, Any]]:
        """Return the evaluations and the protections that were in force."""
        stop.check()
        cell, ready = self._stock.take(workers)
        try:
            return self._try_in(cell, source, scenarios, stop)
        except CellFailed:
            if not ready:
                raise
        # It may have died while it waited, for instance with the engine: retry in a fresh one.
        return self._try_in(self._cells.start(workers), source, scenarios, stop)

    def _try_in(
        self, cell: Handle, source: str, scenarios: Sequence[Payload], stop: Stop
    ) -> tuple[tuple[Evaluation, ...], Mapping[str, Any]]:
        try:
            with stop.over(cell):
                nonce = secrets.token_bytes(NONCE_BYTES)
                job = Job(
                    nonce=nonce,
                    domain_sha256=self.domain.sha256,
                    source=source,
                    scenarios=[scenario.data for scenario in scenarios],
                    limits=self.limits.for_cell(),
                )
                count = len(scenarios)
                deadline = time.monotonic() + self.limits.job_seconds(count, self.domain.workers)
                ended = cell.run(pack_job(job), deadline, self.limits.report_bytes * count)
                report, evaluations = judge(
                    ended,
                    nonce=nonce,
                    domain_sha256=self.domain.sha256,
                    scenarios=[scenario.name for scenario in scenarios],
                    protections=self._cells.protections(),
                    source=source,
                )
        finally:
            self._stock.give_back(cell)
        here = tuple(replace(each, place=self._place) for each in evaluations)
        return here, report.isolation if report else {}


def _provider(
    cell: str,
    limits: Limits,
    domain: Domain,
    isolation: str | None,
    image: str | None,
    runtime: str | None,
) -> Provider:
    if cell not in KINDS:
        raise ValueError(f"cell is {cell!r}, expected one of {', '.join(KINDS)}")
    if isolation is not None and isolation not in SEALED:
        raise ValueError(f"isolation is {isolation!r}, expected one of {', '.join(SEALED)}")
    if cell == DOCKER:
        return DockerCells(limits, isolation or SPLIT, domain, image, runtime)
    if image is not None or runtime is not None:
        raise ValueError("an embedded cell has neither image nor runtime; leave both out")
    return ProcessCells(limits, isolation, domain=domain)


def _screened_out(
    source: str, scenarios: Sequence[Payload], findings: tuple[Finding, ...]
) -> Trial:
    first = findings[0]
    outcome = Outcome.LOAD_ERROR if first.code == SYNTAX_CODE else Outcome.REJECTED
    problem = Problem(
        message=first.message, line=first.line or None, source_line=source_line(source, first.line)
    )
    return refused(source, scenarios, outcome, problem, findings)


def refused(
    source: str,
    scenarios: Sequence[Payload],
    outcome: Outcome,
    problem: Problem,
    findings: tuple[Finding, ...] = (),
) -> Trial:
    """Return the trial of a source that was not tried: the same outcome everywhere."""
    return Trial(
        candidate=candidate_id(source),
        outcome=outcome,
        evaluations=tuple(
            Evaluation(scenario=scenario.name, outcome=outcome, problem=problem)
            for scenario in scenarios
        ),
        findings=findings,
    )


def _repeats(scenarios: Sequence[Payload]) -> list[Payload]:
    return [each for place, each in enumerate(scenarios) if each in scenarios[:place]]


def _is_tried_again(scenario: Payload, known: Mapping[Payload, Evaluation]) -> bool:
    """Tell whether to run a repeat: not after a failure, nor after a time limit anywhere."""
    if any(each.outcome in TIME_LIMITS for each in known.values()):
        return False
    return known[scenario].outcome is Outcome.OK


def _in_order(
    scenarios: Sequence[Payload],
    known: Mapping[Payload, Evaluation],
    repeats: Iterator[Evaluation],
) -> Iterator[Evaluation]:
    seen: set[Payload] = set()
    for each in scenarios:
        if each not in seen:
            yield known[each]
        elif _is_tried_again(each, known):
            yield next(repeats)
        elif known[each].outcome is Outcome.OK:
            limit = next(one for one in known.values() if one.outcome in TIME_LIMITS)
            yield not_tried(each.name, limit)
        else:
            yield replace(
                known[each], policy_cpu_seconds=0.0, simulator_cpu_seconds=0.0, seconds=0.0
            )
        seen.add(each)


def _first_failure(evaluations: Sequence[Evaluation]) -> Outcome:
    failures = [one.outcome for one in evaluations if one.outcome is not Outcome.OK]
    return failures[0] if failures else Outcome.OK
