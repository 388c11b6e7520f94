"""Tries policies of the library and of the offline proposer without a cell: they are ours."""

import hashlib
import pickle
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from flows.search.ledger import without_long_lists
from sandbox.outcome import CellInfo, Evaluation, Outcome, Problem, Trial
from sandbox.trial import Payload
from simulator.domains.pipelines.contract import local_policy
from simulator.domains.pipelines.engine import simulate
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.scenario_codec import decode_scenario
from simulator.errors import PolicyFailure

NO_CELL = CellInfo(image_id="none", runtime="in-process", isolation="none", seconds=0.0)


class InProcessTrials:
    """Stands where a search has its sandbox; never for a source that somebody else wrote."""

    def __init__(self) -> None:
        self._decoded: dict[bytes, Scenario] = {}

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Return how the policy did on each scenario, in their order."""
        evaluations = tuple(self._one(source, payload) for payload in scenarios)
        failed = [each.outcome for each in evaluations if each.outcome is not Outcome.OK]
        return Trial(
            candidate=hashlib.sha256(source.encode()).hexdigest(),
            outcome=failed[0] if failed else Outcome.OK,
            evaluations=evaluations,
            cell=NO_CELL,
        )

    def last_trials(self) -> None:
        """Do nothing: there are no cells."""

    def _one(self, source: str, payload: Payload) -> Evaluation:
        scenario = self._decoded.get(payload.data)
        if scenario is None:
            scenario = self._decoded[payload.data] = decode_scenario(payload.data)
        began = time.process_time()
        try:
            run = simulate(scenario.workload, scenario.params, local_policy(source))
        except PolicyFailure as failure:
            problem = Problem(message=str(failure))
            return Evaluation(scenario=payload.name, outcome=Outcome.POLICY_ERROR, problem=problem)
        return Evaluation(
            scenario=payload.name,
            outcome=Outcome.OK,
            stats=run.stats,
            metrics=run.metrics,
            policy_calls=run.policy_calls,
            seconds=time.process_time() - began,
            decision_sha256=run.decision_sha256,
        )


class KnownTrials(InProcessTrials):
    """Remembers what each source did on each scenario, without what only a report draws.

    With ``kept``, a file, it also remembers what was known when ``keep`` was called before.
    """

    def __init__(self, kept: Path | None = None) -> None:
        super().__init__()
        self.cells = self.calls = 0
        """What all trials so far would have taken: cells, and calls of policies."""
        self._kept = kept
        self._known: dict[tuple[bytes, str], Evaluation] = {}
        if kept is not None and kept.exists():
            self._known = pickle.loads(kept.read_bytes())

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Return how the policy did on each scenario; a repeat is tried in another cell."""
        trial = super().try_policy(source, scenarios)
        self.cells += 1 + (len(set(scenarios)) < len(scenarios))
        self.calls += sum(each.policy_calls for each in trial.evaluations)
        return trial

    def keep(self) -> None:
        """Write all that is known to the file, if there is one."""
        if self._kept is not None:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            written = self._kept.with_suffix(".part")
            written.write_bytes(pickle.dumps(self._known))
            written.replace(self._kept)

    def _one(self, source: str, payload: Payload) -> Evaluation:
        key = hashlib.sha256(source.encode()).digest(), payload.name
        if key not in self._known:
            found = super()._one(source, payload)
            metrics = None if found.metrics is None else without_long_lists(found.metrics)
            self._known[key] = replace(found, metrics=metrics)
        return self._known[key]
