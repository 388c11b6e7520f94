"""What clients had evaluated: tried in cells, judged, and recorded as experiments of their own."""

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flows import assay_version
from flows.agents.limits import SessionLimits
from flows.attempt import Attempt, Proposal
from flows.clock import Clock, stamp
from flows.evaluator import EvaluatorSettings, Judgement, Workbench
from flows.history.journal import Journal
from flows.history.records import ExperimentRow, Key
from flows.judging.scoring import Verdict
from flows.policies import Contender, library_contender
from flows.search.recording import attempt_rows, started_row
from flows.search.session import Provenance
from flows.untrusted import counted
from sandbox.errors import TrialStopped
from sandbox.image import source_hash
from sandbox.outcome import Outcome, Trial
from sandbox.trial import Stop
from simulator.domain import Domain

MOST_NAME = 40
Told = Callable[[str], None]
"""Hears what is being done, in words."""


def client_name(given: str | None) -> str:
    """Return how a client that calls itself so is named in the history: short and plain."""
    words = re.sub(r"[^A-Za-z0-9._]+", "-", given or "").strip("-._")
    return words[:MOST_NAME] or "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a policy is tried."""

    domain: Domain
    suite: str
    """A name, or the path of a file that the person at the server named."""
    split: str

    @property
    def suite_name(self) -> str:
        return Path(self.suite).stem


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A policy that was tried at a place, and where it is recorded."""

    contender: Contender
    trial: Trial
    verdict: Verdict
    judgement: Judgement
    experiment_id: str
    key: Key
    again: bool = False
    """It had been tried before in this session; nothing was used this time."""


@dataclass(slots=True)
class _Page:
    """The experiment of one client at one place."""

    client: str
    place: Place
    bench: Workbench
    provenance: Provenance
    journal: Journal
    started: ExperimentRow
    tried: dict[str, Tried] = field(default_factory=dict)
    iterations: int = 0
    baselines: int = 0

    def next_key(self, baseline: bool) -> Key:
        """Return the place of the next policy; those of the library stand in iteration 0."""
        if baseline:
            self.baselines += 1
            return 0, self.baselines - 1
        self.iterations += 1
        return self.iterations, 0


class Notebook:
    """Tries policies for clients and records each; a context manager, safe in several threads."""

    def __init__(
        self, home: Path, limits: SessionLimits, clock: Clock, *, cell: str, slots: int
    ) -> None:
        self.limits = limits
        self._home = home
        self._clock = clock
        self._machinery = {"cell": cell, "slots": slots}
        self._lock = threading.RLock()
        self._benches: dict[Place, Workbench] = {}
        self._pages: dict[tuple[str, Place], _Page] = {}
        self._numbers = count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove every cell, then end the experiments."""
        with self._lock:
            for bench in self._benches.values():
                bench.close()
            for page in self._pages.values():
                with page.journal:
                    page.journal.append(self._ended(page))
            self._pages.clear()

    def bench(self, place: Place) -> Workbench:
        """Return the scenarios and references of a place, which the first call computes."""
        with self._lock:
            if place not in self._benches:
                settings = EvaluatorSettings.model_validate(
                    {
                        "domain": place.domain,
                        "suite": place.suite,
                        "split": place.split,
                        **self._machinery,
                    }
                )
                self._benches[place] = Workbench(settings, ready=False)
            return self._benches[place]

    def tried(
        self, client: str, place: Place, contender: Contender, stop: Stop, told: Told
    ) -> Tried:
        """Return how a policy does at a place; it is tried and recorded once for each client.

        Raises TrialStopped when the trial was stopped, and UsedUp when the limits leave no room for
        it. Neither is recorded.
        """
        told(f"computing the references of {place.suite_name}, {place.split}")
        page = self._page(client, place)
        with self._lock:
            known = page.tried.get(contender.text.candidate)
        if known is not None:
            return replace(known, again=True)
        told(f"waiting for a cell to try {contender.label} in")
        with self.limits.trial(stop):
            told(f"trying {contender.label} on {counted(len(page.bench.scenarios), 'scenario')}")
            began = self._clock.seconds()
            trial = page.bench.try_policy(contender.text, stop=stop)
        return self._record(page, contender, trial, self._clock.seconds() - began)

    def _page(self, client: str, place: Place) -> _Page:
        bench = self.bench(place)
        with self._lock:
            if (client, place) not in self._pages:
                self.limits.require_left()
                page = self._pages[client, place] = self._new_page(client, place, bench)
                page.journal.append(page.started)
                reference = library_contender(place.domain.spec.reference, place.domain)
                trial = Trial(
                    candidate=reference.text.candidate,
                    outcome=Outcome.OK,
                    evaluations=tuple(bench.baseline[each.name] for each in bench.scenarios),
                )
                self._record(page, reference, trial, 0.0)
            return self._pages[client, place]

    def _record(self, page: _Page, contender: Contender, trial: Trial, seconds: float) -> Tried:
        verdict = page.bench.verdict(trial)
        made_by = "baseline" if contender.baseline else page.started.proposer
        with self._lock:
            attempt = Attempt(
                key=page.next_key(contender.baseline),
                proposal=Proposal(
                    source=contender.text.source,
                    title=contender.label,
                    origin=made_by,
                    operator="baseline" if contender.baseline else "mcp",
                    problem=contender.text.problem,
                ),
                trial=trial,
                train=verdict,
                seconds=seconds,
            )
            found = Tried(
                contender=contender,
                trial=trial,
                verdict=verdict,
                judgement=page.bench.judgement(trial, verdict),
                experiment_id=page.provenance.experiment_id,
                key=attempt.key,
            )
            if (client_page := (page.client, page.place)) not in self._pages:
                raise TrialStopped(f"the server ends, so {client_page[0]}'s trial is not recorded")
            rows = attempt_rows(attempt, page.bench.scenarios, page.provenance, stamp(self._clock))
            page.journal.append_all(rows)
            page.tried[contender.text.candidate] = found
        return found

    def _new_page(self, client: str, place: Place, bench: Workbench) -> _Page:
        config: dict[str, Any] = {
            "client": client,
            "domain": place.domain.setting,
            "suite": place.suite,
            "split": place.split,
            "limits": bench.settings.limits.model_dump(mode="json"),
            **self._machinery,
        }
        moment = self._clock.now()
        words = ("mcp", client, place.domain.name, place.suite_name, place.split)
        slug = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:80]
        identity = f"{slug}-{moment:%Y%m%dT%H%M%S}-{os.getpid()}-{next(self._numbers)}"
        provenance = Provenance(
            experiment_id=identity,
            config_sha256=hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
            assay_version=assay_version(),
            simulator_version=source_hash(domain=place.domain)[:12],
            image_id=bench.info().get("image_id"),
            domain=place.domain,
        )
        return _Page(
            client=client,
            place=place,
            bench=bench,
            provenance=provenance,
            journal=Journal(self._home, identity),
            started=replace(
                started_row(
                    provenance, "mcp", f"mcp-{client}", place.suite, config, stamp(self._clock)
                ),
                proposer=f"mcp:{client}",
            ),
        )

    def _ended(self, page: _Page) -> ExperimentRow:
        tried = counted(page.iterations, "policy", "policies")
        return replace(
            page.started,
            status="finished",
            status_detail=f"{tried} of the client tried",
            finished_at=stamp(self._clock),
        )
