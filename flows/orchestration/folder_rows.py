"""The rows that a folder of policies leaves in the history: an experiment of its own kind."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flows.attempt import Attempt, Proposal
from flows.clock import SystemClock, stamp
from flows.history.records import RUNNING, ExperimentRow, Key, Row
from flows.judging.objectives import Reference
from flows.judging.scoring import judge
from flows.judging.splits import Splits
from flows.policies import Contender
from flows.search.rows import Provenance, candidate_row, evaluation_rows, scenario_row, tries_of
from flows.settings.sections import FolderConfig, folder_experiment_id
from flows.version import assay_version
from sandbox.image import source_hash
from sandbox.outcome import Trial
from simulator.scenario import Scenario

KIND = "folder"
"""What such an experiment says its proposer, strategy and, of its policies, origin are."""


class Sheet:
    """Turns trials into rows of one experiment; its id follows from what shapes the figures."""

    def __init__(
        self,
        config: FolderConfig,
        digest: str,
        scenarios: Sequence[Scenario],
        references: Mapping[str, Reference],
        flow_run_id: str | None,
        image_id: str | None,
    ) -> None:
        self.experiment_id = folder_experiment_id(config, digest)
        self.scenarios = tuple(scenarios)
        self._config, self._digest, self._references = config, digest, references
        self._provenance = Provenance(
            experiment_id=self.experiment_id,
            config_sha256=digest,
            assay_version=assay_version(),
            simulator_version=source_hash()[:12],
            image_id=image_id,
            flow_run_id=flow_run_id,
        )

    def experiment(self) -> ExperimentRow:
        """Return the row of an experiment that begins."""
        return ExperimentRow(
            experiment_id=self.experiment_id,
            name=self._config.name,
            created_at=stamp(SystemClock()),
            status=RUNNING,
            seed=0,
            suite=self._config.suite,
            objective="weighted_latency",
            proposer=KIND,
            strategy=KIND,
            model=None,
            config=self._config.model_dump(mode="json"),
            config_sha256=self._digest,
            assay_version=self._provenance.assay_version,
            simulator_version=self._provenance.simulator_version,
            image_id=self._provenance.image_id,
            flow_run_id=self._provenance.flow_run_id,
        )

    def ended(self, begun: ExperimentRow, tried: int, lost: int) -> ExperimentRow:
        """Return the row of the experiment once every policy is tried or lost."""
        detail = f"{tried} policies are tried"
        return replace(
            begun,
            status="finished_with_losses" if lost else "finished",
            status_detail=f"{detail}; {lost} were lost, which the next run makes up for"
            if lost
            else detail,
            finished_at=stamp(SystemClock()),
        )

    def rows(
        self, key: Key, contender: Contender, trial: Trial, seconds: float, created_at: str
    ) -> list[Row]:
        """Return what is recorded of one policy, its own row last; naive's brings the scenarios."""
        verdict = judge(trial, self._references)
        attempt = Attempt(
            key=key, proposal=_proposal(contender), trial=trial, train=verdict, seconds=seconds
        )
        rows: list[Row] = []
        if key == (0, 0):
            rows += self._scenario_rows(trial)
        tries = tries_of(attempt, Splits(train=self.scenarios))
        rows += evaluation_rows(key, tries, self._provenance, created_at)
        rows.append(candidate_row(attempt, self._provenance, created_at))
        return rows

    def _scenario_rows(self, trial: Trial) -> list[Row]:
        figures = {each.scenario: each for each in reversed(trial.evaluations)}
        return [
            scenario_row(self.experiment_id, each, figures[each.name], "naive")
            for each in self.scenarios
        ]


def _proposal(contender: Contender) -> Proposal:
    made_by = "baseline" if contender.baseline else KIND
    return Proposal(
        source=contender.text.source,
        title=contender.label,
        origin=made_by,
        operator=made_by,
        problem=contender.text.problem,
    )
