"""One run of a search: its services, its memory, and the one place where rows are recorded."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from flows.attempt import Proposer
from flows.clock import Clock, stamp
from flows.errors import ConfigError
from flows.history.records import RUNNING, EventRow, ExperimentRow, Key, LlmCallRow, Row
from flows.judging.scoring import References, Scale
from flows.judging.splits import TEST, TRAIN, VALIDATION, Splits, is_fresh
from flows.search.budget import Spend, reserve_of, tries_expected, wall_seconds
from flows.search.ledger import Ledger
from flows.search.progress import Began, Notice, Watch
from flows.search.strategies import make_strategy
from flows.settings.search import SearchConfig, config_sha256, experiment_id
from flows.trials import Around, Evaluator, at_once
from sandbox.trial import Payload
from simulator.domain import Domain, Scenario
from simulator.domain_spec import plain_spec

T = TypeVar("T")


class Recorder(Protocol):
    """Keeps rows safe; returns when they are."""

    def append_all(self, rows: Sequence[Row]) -> None: ...


class Cells(Evaluator, Protocol):
    """Tries policies, and is told when no more will come."""

    def last_trials(self) -> None:
        """Start no more cells ahead: the trials that begin from now on are the last."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything outside the loop that it touches."""

    scenarios: Splits
    """The scenarios of the suite by split."""
    sandbox: Cells
    proposer: Proposer
    journal: Recorder
    clock: Clock
    assay_version: str
    simulator_version: str
    image_id: str | None = None
    earlier: tuple[Row, ...] = ()
    """What earlier runs of this experiment recorded."""
    flow_run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The origin of a row: versions, image, configuration."""

    experiment_id: str
    config_sha256: str
    assay_version: str
    simulator_version: str
    image_id: str | None
    domain: Domain
    flow_run_id: str | None = None


class Session:
    """The state of one run. Proposers record their calls from threads, so recording is locked."""

    def __init__(self, config: SearchConfig, services: Services, watch: Watch) -> None:
        self.config = config
        self.services = services
        self.watch = watch
        self.around: Around = at_once
        self.experiment_id = experiment_id(config)
        self.strategy = make_strategy(
            config, {each.name: each.family for each in services.scenarios.train}
        )
        self.ledger = Ledger(services.earlier)
        self.losses_in_a_row = 0
        self._started_at = services.clock.seconds()
        self._seconds_before = wall_seconds(services.earlier)
        self._reserve = reserve_of(config, services.scenarios)
        self._lock = threading.RLock()
        self._next_event = 0
        self._encoded: dict[tuple[str, str], tuple[Scenario, Payload]] = {}

    @property
    def provenance(self) -> Provenance:
        return Provenance(
            experiment_id=self.experiment_id,
            config_sha256=config_sha256(self.config),
            assay_version=self.services.assay_version,
            simulator_version=self.services.simulator_version,
            image_id=self.services.image_id,
            domain=self.config.domain,
            flow_run_id=self.services.flow_run_id,
        )

    @property
    def scale(self) -> Scale:
        """What attempts are scored by."""
        return Scale(spec=self.config.domain.spec, objective=self.config.objective)

    @property
    def each_counts(self) -> bool:
        """Whether every scenario counts by itself; see ``DomainSpec.promotion``."""
        return self.config.domain.spec.promotion == "no_scenario_worse"

    def begin(self) -> None:
        """Record that the run starts or continues, unless domain or suite have changed."""
        if self.ledger.experiment is not None:
            refuse_other_domain(self.ledger.experiment, self.config.domain)
        self._refuse_changed_scenarios()
        resumed = self.ledger.experiment is not None
        created = self.ledger.experiment.created_at if self.ledger.experiment else self.now()
        row = experiment_row(self.config, self.provenance, self.services.proposer.model, created)
        earlier = tuple(self.ledger.candidates[key] for key in sorted(self.ledger.candidates))
        self.record([row])
        self.event(
            "resumed" if resumed else "started",
            f"{len(earlier)} attempts are already recorded" if resumed else "the search starts",
        )
        doubts = self.services.scenarios.doubts(self.config.domain.spec.groups)
        for doubt in doubts:
            self.event_once("warning", doubt)
        self.watch(
            Began(
                experiment_id=self.experiment_id,
                config=self.config,
                scenarios=len(self.services.scenarios.train),
                earlier=earlier,
                spend=self.spend(),
                resumed=resumed,
            )
        )
        for line in (*doubts, *tries_expected(self.config, self._reserve.evaluations)):
            self.notice(line)

    def end(self, status: str, detail: str) -> None:
        """Record how the run ended."""
        kinds = {"interrupted": "interrupted", "budget_exhausted": "budget"}
        end = (kinds.get(status, "finished"), detail, {"status": status})
        experiment = self.ledger.experiment
        assert experiment is not None, "a run ends after it began"
        row = replace(experiment, status=status, status_detail=detail, finished_at=self.now())
        with self._lock:  # the event first: from it a ledger can make the row
            self.record([*self.event_rows([end], None), row])

    def record(self, rows: Iterable[Row]) -> None:
        """Make ``rows`` safe in the journal, then remember them."""
        kept = list(rows)
        with self._lock:
            self.services.journal.append_all(kept)
            for row in kept:
                self.ledger.absorb(row)

    def record_call(self, call: LlmCallRow) -> None:
        """Record one request to a model, as soon as it has ended."""
        self.record([call])

    def event(
        self, kind: str, message: str, detail: dict[str, Any] | None = None, key: Key | None = None
    ) -> None:
        """Record one event."""
        with self._lock:
            self.record(self.event_rows([(kind, message, detail or {})], key))

    def event_once(self, kind: str, message: str, detail: dict[str, Any] | None = None) -> None:
        """Record an event unless an earlier run recorded the same."""
        if not self.ledger.knows_event(kind, None, message):
            self.event(kind, message, detail)

    def event_rows(
        self, events: Sequence[tuple[str, str, dict[str, Any]]], key: Key | None
    ) -> list[EventRow]:
        """Return rows for kinds, messages and details, to be recorded next.

        No number is given twice: what is interrupted may be recorded and not be remembered.
        """
        with self._lock:
            first = max(self._next_event, self.ledger.next_event)
            self._next_event = first + len(events)
        return [
            EventRow(
                experiment_id=self.experiment_id,
                sequence=first + number,
                kind=kind,
                iteration=key[0] if key else None,
                slot=key[1] if key else None,
                message=message,
                detail=detail,
                created_at=self.now(),
            )
            for number, (kind, message, detail) in enumerate(events)
        ]

    def notice(self, message: str) -> None:
        """Show one line to the watcher."""
        self.watch(Notice(message=message))

    def now(self) -> str:
        return stamp(self.services.clock)

    def seconds(self) -> float:
        return self.services.clock.seconds()

    def spend(self, before: int | None = None) -> Spend:
        """Return what was used so far, earlier runs included.

        With ``before``, what iterations before that one have used.
        """
        running = self.services.clock.seconds() - self._started_at
        used = self.ledger.spend() if before is None else self.ledger.spend_before(before)
        return replace(used, seconds=self._seconds_before + running, reserve=self._reserve)

    def seconds_left(self) -> float | None:
        """Return how long the search may still take, None without a budget of time."""
        minutes = self.config.budget.minutes
        return None if minutes is None else max(0.0, minutes * 60.0 - self.spend().seconds)

    def references(self) -> References:
        """Return the figures of the reference policy that attempts are scored against."""
        return References(
            train=self.ledger.references(TRAIN),
            validation=self.ledger.references(VALIDATION),
            scale=self.scale,
        )

    def payloads(self, scenarios: Sequence[Scenario]) -> list[Payload]:
        """Return scenarios as a cell takes them; each is encoded once.

        Two that ask the same in another way, such as a check for a mutant, have one hash.
        """
        found = []
        with self._lock:
            for each in scenarios:
                key = each.name, each.sha256
                known = self._encoded.get(key)
                if known is None or known[0] is not each:
                    data = self.config.domain.cell.encode_scenario(each)
                    known = self._encoded[key] = each, Payload(name=each.name, data=data)
                found.append(known[1])
        return found

    def _refuse_changed_scenarios(self) -> None:
        """Compare with the recorded scenarios, except fresh tests, which are not drawn yet."""
        drawn = self.services.scenarios.fresh is not None
        rows = [
            row
            for row in self.ledger.scenarios.values()
            if not (row.split == TEST and (drawn or is_fresh(row.scenario)))
        ]
        known = {row.scenario: row.sha256 for row in rows}
        splits = {row.split for row in rows}
        every = self.services.scenarios.every
        current = {each.name: each.sha256 for each in every if each.split in splits}
        if (0, 0) not in self.ledger.candidates or (
            TEST in splits and not self.ledger.tested(None)
        ):
            known = {**current, **known}  # a run may have ended before all were recorded
        self._refuse_other(known, current)

    def refuse_other_test(self, scenarios: Sequence[Scenario]) -> None:
        """Refuse scenarios of a test of which others are recorded under the same names."""
        recorded = self.ledger.scenarios
        current = {each.name: each.sha256 for each in scenarios if each.name in recorded}
        self._refuse_other({name: recorded[name].sha256 for name in current}, current)

    def _refuse_other(self, known: dict[str, str], current: dict[str, str]) -> None:
        if known != current:
            changed = sorted(dict(known.items() ^ current.items()))
            raise ConfigError(
                f"suite {self.config.suite} has changed since {self.experiment_id} began "
                f"({', '.join(changed)}): its scores would not be comparable; give the search "
                "another --name"
            )


def refuse_other_domain(experiment: ExperimentRow, domain: Domain) -> None:
    """Refuse to continue an experiment with a domain that is not what it began with."""
    if experiment.domain_sha256 != domain.sha256:
        began = experiment.domain_sha256[:12] or "no recorded one"
        raise ConfigError(
            f"domain {domain.name} has changed since {experiment.experiment_id} began (hash "
            f"{domain.sha256[:12]}, then {began}): its scores would not be comparable; give the "
            "search another --name, or restore the domain"
        )


def experiment_row(
    config: SearchConfig, provenance: Provenance, model: str | None, created_at: str
) -> ExperimentRow:
    """Return the row of an experiment that begins."""
    return ExperimentRow(
        experiment_id=experiment_id(config),
        name=config.name,
        created_at=created_at,
        status=RUNNING,
        seed=config.seed,
        domain=config.domain.name,
        domain_version=config.domain.spec.version,
        domain_sha256=config.domain.sha256,
        domain_spec=plain_spec(config.domain.spec),
        suite=config.suite,
        objective=config.objective,
        proposer=config.proposer.kind,
        strategy=config.strategy,
        model=model,
        config=config.model_dump(mode="json", exclude={"guards": {"fresh_test"}}),
        config_sha256=config_sha256(config),
        assay_version=provenance.assay_version,
        simulator_version=provenance.simulator_version,
        image_id=provenance.image_id,
        flow_run_id=provenance.flow_run_id,
    )
