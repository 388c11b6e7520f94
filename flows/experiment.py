"""One experiment from its configuration to the files that it leaves."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from flows import assay_version
from flows.attempt import Proposer
from flows.clock import SystemClock, stamp
from flows.errors import ConfigError
from flows.history.journal import Journal
from flows.history.records import ArtifactRow, CandidateRow, ExperimentRow, Key, Row, key_of
from flows.home import experiment_folder, home_folder, only_one
from flows.judging.leaderboard import ranked
from flows.judging.splits import suite_splits
from flows.policies import check_baselines
from flows.prompting.custom import check_prompts, refuse_changed_templates
from flows.prompting.differences import differences
from flows.proposers.choices import keys_of
from flows.report.page import write_report
from flows.search.budget import wall_seconds
from flows.search.ledger import Ledger, recorded
from flows.search.loop import run_final_test, run_search
from flows.search.progress import Preparing, SearchResult, Watch
from flows.search.session import Services, Session
from flows.settings.search import SearchConfig, experiment_id
from flows.settings.sources import variables_here
from flows.trials import Around, OpenTrials, Trials, in_this_process
from sandbox.image import source_hash
from sandbox.trial import Sandbox
from simulator.domain import BOOTSTRAP, Domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A search that ended and the files that it left."""

    result: SearchResult
    best_policy: Path | None
    report: Path | None
    differences: Mapping[Key, str] = field(default_factory=dict)
    """How the best ones and the baselines differ from their parents, a sentence each."""


def run_experiment(
    config: SearchConfig,
    home: Path,
    watch: Watch,
    *,
    around: Around | None = None,
    environment: Mapping[str, str] | None = None,
    flow_run_id: str | None = None,
    open_trials: OpenTrials = in_this_process,
) -> Finished:
    """Run or continue the experiment that ``config`` describes; report one that has ended."""
    check_baselines(config.baselines, config.domain)
    seed, config = _private(config)
    scenarios = suite_splits(config.suite, config.domain, config.policy_calls, seed)
    keys = keys_of(config.proposer, variables_here() if environment is None else environment)
    identity = experiment_id(config)
    busy = f"experiment {identity} is being worked on"
    with only_one(experiment_folder(home, identity), busy, "search"):
        earlier = recorded(home, identity)
        done = _ended(config, earlier, seed)
        if done is not None:
            return _show_again(home, done, earlier, config.domain)
        if config.proposer.kind != "offline":
            check_prompts(config, scenarios.train)
            refuse_changed_templates(config, earlier)
        watch(Preparing(step="opening the sandbox in which policies run"))
        with (
            open_trials(config) as trials,
            Journal(home, identity, secrets=list(keys.values())) as journal,
        ):
            watch(Preparing(step="starting cells for the first policies"))
            sandbox = _without_accepted(config, trials)
            sandbox.prepare(len(scenarios.train))
            services = Services(
                scenarios=scenarios,
                sandbox=sandbox,
                proposer=make_proposer(config, keys, home),
                journal=journal,
                clock=SystemClock(),
                assay_version=assay_version(),
                simulator_version=source_hash(domain=config.domain)[:12],
                image_id=sandbox.info().get("image_id"),
                earlier=earlier,
                flow_run_id=flow_run_id,
            )
            try:
                result = run_search(config, services, watch, around, conclusion_of(config))
            except BaseException:
                _keep_best(home, identity, Ledger(recorded(home, identity)).best, journal)
                raise
            return _leave(home, result, journal, config.domain)


def conclusion_of(config: SearchConfig) -> Callable[[Session], None]:
    """Return what is done with the best at the end: for a simulator, what accepts it."""
    if config.domain.role != BOOTSTRAP:
        return run_final_test
    from flows.bootstrap.accept import accept

    return accept


def _without_accepted(config: SearchConfig, trials: Trials) -> Trials:
    """Return the trials; for one more simulator, those that refuse what is accepted already."""
    if config.domain.role != BOOTSTRAP or not config.another:
        return trials
    from flows.bootstrap.another import OtherPrograms, accepted_before

    return OtherPrograms(trials, accepted_before(config.domain.root, experiment_id(config)))


def preflight(config: SearchConfig) -> None:
    """Check names, scenarios, key, engine and image before anything starts."""
    check_baselines(config.baselines, config.domain)
    seed, config = _private(config)
    scenarios = suite_splits(config.suite, config.domain, config.policy_calls, seed)
    make_proposer(config, keys_of(config.proposer, variables_here()), home_folder())
    if config.proposer.kind != "offline":
        check_prompts(config, scenarios.train)
    if config.runner.kind != "threads":
        return  # the cells are elsewhere, this machine may have none
    with Sandbox(limits=config.limits, ready=False, cell=config.cell, domain=config.domain):
        pass


def is_done(config: SearchConfig, home: Path) -> bool:
    """Return whether the experiment has ended, so that a run would only show it again."""
    seed, config = _private(config)
    return _ended(config, recorded(home, experiment_id(config)), seed) is not None


def _private(config: SearchConfig) -> tuple[int | None, SearchConfig]:
    """Return the seed of a fresh test, and the configuration without it.

    Whatever is written, shown to a model or handed to a proposer is made from the latter.
    """
    guards = config.guards
    seed = guards.fresh_test.get_secret_value() if guards.fresh_test is not None else None
    guards = guards.model_copy(update={"fresh_test": None})
    return seed, config.model_copy(update={"guards": guards})


def _show_again(home: Path, ledger: Ledger, earlier: Sequence[Row], domain: Domain) -> Finished:
    """Return the files of an ended experiment; write those that a kill prevented."""
    assert ledger.experiment is not None, "an ended search has an experiment row"
    spend = replace(ledger.spend(), seconds=wall_seconds(earlier))
    result = ledger.result(spend, already_done=True)
    if _left_its_files(ledger.experiment, earlier):
        return _leave(home, result, None, domain)
    with Journal(home, result.experiment_id) as journal:
        journal.append(ledger.experiment)
        return _leave(home, result, journal, domain)


def _leave(home: Path, result: SearchResult, journal: Journal | None, domain: Domain) -> Finished:
    """Write the best policy and the report; without a journal they are only found again."""
    best = _keep_best(home, result.experiment_id, result.best, journal)
    report = write_report(home, result.experiment_id)
    if journal is not None:
        journal.append(_artifact(home, result.experiment_id, "report", report))
    shown = {key_of(row) for _, row in ranked(result.candidates)}
    said = differences(result.candidates, domain.hosted("space"), shown)
    return Finished(result=result, best_policy=best, report=report, differences=said)


def _keep_best(
    home: Path, identity: str, best: CandidateRow | None, journal: Journal | None
) -> Path | None:
    if best is None or best.source is None:
        return None
    path = experiment_folder(home, identity) / "best_policy.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(best.source, encoding="utf-8")
    partial.replace(path)
    if journal is not None:
        journal.append(_artifact(home, identity, "best_policy", path))
    return path


def _artifact(home: Path, identity: str, kind: str, path: Path) -> ArtifactRow:
    data = path.read_bytes()
    return ArtifactRow(
        experiment_id=identity,
        kind=kind,
        path=str(path.relative_to(home)),
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        created_at=stamp(SystemClock()),
    )


def _left_its_files(experiment: ExperimentRow, earlier: Sequence[Row]) -> bool:
    """Return whether the last file that a search leaves, its report, is recorded after its end."""
    reports = (row for row in earlier if isinstance(row, ArtifactRow) and row.kind == "report")
    return any(row.created_at >= (experiment.finished_at or "") for row in reports)


def _ended(config: SearchConfig, earlier: Sequence[Row], fresh_test: int | None) -> Ledger | None:
    """Return the memory of an experiment that has ended, None of one that has not.

    One whose best was not tried on the fresh test that is asked for goes on to do that.
    """
    ledger = Ledger(earlier)
    if not ended(ledger.experiment, ledger.tried(), config):
        return None
    untested = fresh_test is not None and ledger.best is not None and not ledger.tested(fresh_test)
    return None if untested else ledger


def make_proposer(config: SearchConfig, keys: Mapping[str, str], home: Path) -> Proposer:
    """Return the proposer; the SDK of a model is imported only when one is asked."""
    match config.proposer.kind:
        case "offline":
            from flows.proposers.offline.proposer import offline_proposer

            return offline_proposer(config.domain)
        case "openai":
            from flows.proposers.model import OpenAiProposer

            _refuse_uncountable_dollars(config)
            return OpenAiProposer(config.proposer, keys)
        case "replay":
            from flows.proposers.replay import ReplayProposer, recorded_rows

            return ReplayProposer(recorded_rows(home, config.proposer.replay_of or ""))


def _refuse_uncountable_dollars(config: SearchConfig) -> None:
    from flows.proposers.prices import unpriced_model

    unpriced = unpriced_model(config.proposer) if config.budget.dollars is not None else None
    if unpriced is not None:
        raise ConfigError(
            f"budget.dollars is {config.budget.dollars:g}, but the price of model "
            f"{unpriced.model!r} at {unpriced.address} is not known: name it in the file of "
            "proposer.prices, or use budget.tokens instead"
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
    return experiment.status in ("finished", "budget_exhausted") and same_budget
