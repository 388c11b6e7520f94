"""One run of a search: its services, its memory, and the one place where rows are recorded."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from flows.budget import Spend
from flows.clock import Clock, stamp
from flows.config import SearchConfig, config_sha256, experiment_id
from flows.errors import ConfigError
from flows.happenings import Began, Happening, Notice
from flows.ledger import Key, Ledger
from flows.proposing import Proposer
from flows.records import EventRow, ExperimentRow, LlmCallRow, Row
from flows.rows import Provenance, experiment_row
from flows.strategies import make_strategy
from sandbox.outcome import Trial
from sandbox.trial import Payload
from simulator.scenario import Scenario
from simulator.suites import encode_scenario

Watch = Callable[[Happening], None]


class Evaluator(Protocol):
    """Tries a policy on scenarios; a sandbox does it in cells."""

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Return how the policy did; raise a SandboxError when that could not be found out."""
        ...


class Recorder(Protocol):
    """Keeps rows safe; returns when they are."""

    def append_all(self, rows: Sequence[Row]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything outside the loop that it touches."""

    scenarios: tuple[Scenario, ...]
    """What candidates are tried and scored on."""
    sandbox: Evaluator
    proposer: Proposer
    journal: Recorder
    clock: Clock
    assay_version: str
    simulator_version: str
    image_id: str | None = None
    earlier: tuple[Row, ...] = ()
    """What earlier runs of this experiment recorded."""
    flow_run_id: str | None = None


class Session:
    """The state of one run. Proposers record their calls from threads, so recording is locked."""

    def __init__(self, config: SearchConfig, services: Services, watch: Watch) -> None:
        self.config = config
        self.services = services
        self.watch = watch
        self.experiment_id = experiment_id(config)
        self.strategy = make_strategy(config)
        self.ledger = Ledger(services.earlier)
        self.losses_in_a_row = 0
        self._started_at = services.clock.seconds()
        self._seconds_before = self.ledger.spend().seconds
        self._lock = threading.RLock()

    @property
    def provenance(self) -> Provenance:
        return Provenance(
            experiment_id=self.experiment_id,
            config_sha256=config_sha256(self.config),
            assay_version=self.services.assay_version,
            simulator_version=self.services.simulator_version,
            image_id=self.services.image_id,
            flow_run_id=self.services.flow_run_id,
        )

    def begin(self) -> None:
        """Record that the run starts or continues, unless the suite is no longer the same."""
        self._refuse_changed_scenarios()
        resumed = self.ledger.experiment is not None
        created = self.ledger.experiment.created_at if self.ledger.experiment else self.now()
        row = experiment_row(self.config, self.provenance, self.services.proposer.model, created)
        recorded = len(self.ledger.candidates)
        self.record([row])
        self.event(
            "resumed" if resumed else "started",
            f"{recorded} attempts are recorded already" if resumed else "the search begins",
        )
        self.watch(
            Began(
                experiment_id=self.experiment_id,
                config=self.config,
                scenarios=len(self.services.scenarios),
                recorded=recorded,
                resumed=resumed,
            )
        )

    def end(self, status: str, detail: str) -> None:
        """Record how the run ended."""
        kinds = {"interrupted": "interrupted", "budget_exhausted": "budget"}
        self.event(kinds.get(status, "finished"), detail, {"status": status})
        experiment = self.ledger.experiment
        assert experiment is not None, "a run ends after it began"
        self.record(
            [replace(experiment, status=status, status_detail=detail, finished_at=self.now())]
        )

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
        """Record something worth knowing later."""
        with self._lock:
            row = EventRow(
                experiment_id=self.experiment_id,
                sequence=self.ledger.next_event,
                kind=kind,
                iteration=key[0] if key else None,
                slot=key[1] if key else None,
                message=message,
                detail=detail or {},
                created_at=self.now(),
            )
            self.record([row])

    def notice(self, message: str) -> None:
        """Tell the watcher one line."""
        self.watch(Notice(message=message))

    def now(self) -> str:
        return stamp(self.services.clock)

    def seconds(self) -> float:
        return self.services.clock.seconds()

    def spend(self) -> Spend:
        """Return what is used up to this moment, earlier runs included."""
        running = self.services.clock.seconds() - self._started_at
        return replace(self.ledger.spend(), seconds=self._seconds_before + running)

    def payloads(self) -> list[Payload]:
        """Return the scenarios for a cell; the first comes twice, for the determinism check."""
        once = [Payload(name=s.name, data=encode_scenario(s)) for s in self.services.scenarios]
        return [*once, once[0]]

    def _refuse_changed_scenarios(self) -> None:
        known = {name: row.sha256 for name, row in self.ledger.scenarios.items()}
        current = {scenario.name: scenario.sha256 for scenario in self.services.scenarios}
        if (0, 0) not in self.ledger.candidates:
            known = {**current, **known}  # a first run may have ended before all were recorded
        if known != current:
            changed = sorted(dict(known.items() ^ current.items()))
            raise ConfigError(
                f"suite {self.config.suite} has changed since {self.experiment_id} began "
                f"({', '.join(changed)}): its scores would not be comparable; give the search "
                "another --name"
            )


def ended(experiment: ExperimentRow | None, candidates: int, config: SearchConfig) -> bool:
    """Return whether an earlier run brought the experiment to its end under this budget."""
    if experiment is None or experiment.status not in (
        "finished",
        "budget_exhausted",
        "finished_with_losses",
    ):
        return False
    if candidates >= config.budget.candidates:
        return True
    same_budget = experiment.config.get("budget") == config.budget.model_dump(mode="json")
    return experiment.status == "budget_exhausted" and same_budget
