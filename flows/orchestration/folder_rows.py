"""The rows that a folder of policies leaves in the history: an experiment of its own kind."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flows.attempt import Proposal
from flows.clock import SystemClock, stamp
from flows.history.records import RUNNING, ExperimentRow, Key, Row
from flows.judging.objectives import Reference
from flows.judging.scoring import Verdict, judge
from flows.policies import Contender
from flows.search.rows import Provenance, Tried, candidate_row, evaluation_rows, scenario_row
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
        rows: list[Row] = []
        if key == (0, 0):
            rows += self._scenario_rows(trial)
        tries = _tries(trial, verdict, self.scenarios[0].split)
        rows += evaluation_rows(key, tries, self._provenance, created_at)
        rows.append(
            candidate_row(
                key,
                _proposal(contender),
                self._provenance,
                candidate=contender.text.candidate,
                outcome=str(verdict.outcome),
                created_at=created_at,
                seconds=seconds,
                score=verdict.score,
                problem=verdict.problem.message if verdict.problem is not None else None,
                problem_line=verdict.problem.line if verdict.problem is not None else None,
                trial=trial,
                cell_seconds=trial.cell.seconds if trial.cell is not None else None,
            )
        )
        return rows

    def _scenario_rows(self, trial: Trial) -> list[Row]:
        figures = {each.scenario: each for each in reversed(trial.evaluations)}
        return [
            scenario_row(self.experiment_id, each, figures[each.name], "naive")
            for each in self.scenarios
        ]


def _tries(trial: Trial, verdict: Verdict, split: str) -> list[Tried]:
    """Return every evaluation with what it was for; the first of a scenario is the scored one."""
    judged = {each.evaluation.scenario: each for each in verdict.judged}
    tries = []
    for each in trial.evaluations:
        scored = judged.pop(each.scenario, None)
        purpose = "repeat" if scored is None else "score"
        tries.append(
            Tried(trial=trial, evaluation=each, split=split, purpose=purpose, judged=scored)
        )
    return tries


def _proposal(contender: Contender) -> Proposal:
    made_by = "baseline" if contender.baseline else KIND
    return Proposal(
        source=contender.text.source,
        title=contender.label,
        origin=made_by,
        operator=made_by,
        problem=contender.text.problem,
    )
