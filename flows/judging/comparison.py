"""Compares policies on the same scenarios: paired, with intervals, and a verdict in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from flows.judging.guards import guard_ratios, guarded_figures
from flows.judging.intervals import (
    DEFAULT_LEVEL,
    DEFAULT_RESAMPLES,
    Interval,
    paired_interval,
    weakest,
)
from flows.judging.objectives import Reference
from flows.judging.scoring import Scale, Verdict, judge
from flows.judging.splits import find_references, groups_of
from flows.policies import Contender, never_tried
from flows.trials import Evaluator, side_by_side
from sandbox.outcome import Evaluation, Outcome, Trial
from sandbox.trial import Payload
from simulator.domain import Domain, Scenario
from simulator.domain_spec import DomainSpec, Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """How a difference is judged; equal measures of equal trials give equal comparisons."""

    objective: str | None = None
    """None is the first of the domain."""
    level: float = DEFAULT_LEVEL
    resamples: int = DEFAULT_RESAMPLES
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """How one policy did. An interval is of its gain over another, paired over the scenarios."""

    label: str
    candidate: str
    baseline: bool
    outcome: Outcome
    score: float | None
    """1.0 is the reference; a failure counts with its charge; None if implausible: not ranked."""
    problem: str | None
    """Why it failed, or why its score cannot be believed; text that a policy may have written."""
    problem_line: int | None
    scores: Mapping[str, float]
    """By scenario."""
    evaluations: tuple[Evaluation, ...]
    against_first: Interval | None
    """None for the first itself, and where one of the two does not rank."""
    against_baseline: Interval | None
    """None for the best baseline itself, and where one of the two does not rank."""
    groups: Mapping[str, Interval] = field(default_factory=dict)
    """Where there are groups of scenarios, see ``DomainSpec.groups``: the gain over the first in
    each. The other intervals are then of the group where the gain is least certain."""
    guards: tuple[tuple[Metric, Interval], ...] = ()
    """How the figures that guard the objective differ from those of the first; a search refuses a
    candidate where one is certainly worse. Empty where one of the two failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All policies, the best first."""

    rows: tuple[ComparisonRow, ...]
    first: str
    """The policy that was named first: others are measured against it."""
    best_baseline: str | None
    """The library policy with the best score among those compared."""
    scenarios: int
    verdict: str


def compare(
    contenders: Sequence[Contender],
    scenarios: Sequence[Scenario],
    domain: Domain,
    sandbox: Evaluator,
    measure: Measure | None = None,
    tried: Callable[[Contender, Trial], None] = lambda contender, trial: None,
) -> Comparison:
    """Try every contender on every scenario and compare them; ``tried`` is called with each trial.

    As many are tried side by side as the sandbox has slots; equal sources are tried once.
    """
    payloads = scenario_payloads(scenarios, domain)
    once = {each.text.candidate: each for each in reversed(contenders)}

    def run(contender: Contender) -> Trial:
        trial = try_contender(contender, payloads, sandbox)
        tried(contender, trial)
        return trial

    trials = dict(zip(once, side_by_side(run, list(once.values())), strict=True))
    return compare_trials(
        [(each, trials[each.text.candidate]) for each in contenders],
        find_references(scenarios, domain, sandbox),
        domain.spec,
        measure,
        groups_of({each.name: each.settings for each in scenarios}, domain.spec.groups),
    )


def scenario_payloads(scenarios: Sequence[Scenario], domain: Domain) -> list[Payload]:
    """Return the scenarios as a cell takes them, the first twice for the determinism check."""
    encode = domain.cell.encode_scenario
    payloads = [Payload(name=each.name, data=encode(each)) for each in scenarios]
    return [*payloads, *payloads[:1]]


def try_contender(contender: Contender, payloads: Sequence[Payload], sandbox: Evaluator) -> Trial:
    """Return how a contender did; one that is not even text is never tried."""
    if contender.text.source is None:
        return never_tried(contender.text, [each.name for each in payloads])
    return sandbox.try_policy(contender.text.source, payloads)


def compare_trials(
    trials: Sequence[tuple[Contender, Trial]],
    references: Mapping[str, Reference],
    spec: DomainSpec,
    measure: Measure | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Comparison:
    """Compare trials that were made on the same scenarios; ``groups`` are as in ``groups_of``."""
    measure = measure or Measure()
    within = _Within(measure=measure, groups=groups or {"": list(references)})
    scale = Scale(spec=spec, objective=measure.objective)
    verdicts = [(contender, judge(trial, references, scale)) for contender, trial in trials]
    ranked = sorted(verdicts, key=lambda each: _rank(each[1]))
    first = verdicts[0]
    best = next((each for each in ranked if each[0].baseline and _usable(each[1])), None)
    guarded = spec.guarded(spec.objective(measure.objective))
    rows = tuple(_row(each, first, best, within, guarded) for each in ranked)
    return Comparison(
        rows=rows,
        first=first[0].label,
        best_baseline=best[0].label if best is not None else None,
        scenarios=len(references),
        verdict=_verdict(rows, within),
    )


_Judged = tuple[Contender, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Within:
    """How differences are judged: in each of these groups of scenarios by itself."""

    measure: Measure
    groups: Mapping[str, Sequence[str]]

    def intervals(
        self, own: Mapping[str, float], other: Mapping[str, float]
    ) -> dict[str, Interval]:
        """Return the intervals of the gain of one policy's scores over another's, by group."""
        return {
            label: self.interval([own[name] / other[name] for name in names])
            for label, names in self.groups.items()
        }

    def interval(self, ratios: Sequence[float]) -> Interval:
        measure = self.measure
        return paired_interval(
            ratios, level=measure.level, resamples=measure.resamples, seed=measure.seed
        )


def _rank(verdict: Verdict) -> tuple[bool, bool, float]:
    """Return the sort key: completed first, then failed, then implausible."""
    return verdict.score is None, verdict.outcome is not Outcome.OK, -(verdict.score or 0.0)


def _usable(verdict: Verdict) -> bool:
    return verdict.score is not None and verdict.outcome is Outcome.OK


def _row(
    own: _Judged,
    first: _Judged,
    best: _Judged | None,
    within: _Within,
    guarded: Sequence[Metric],
) -> ComparisonRow:
    contender, verdict = own
    problem = verdict.problem
    over_first, over_best = _intervals(own, first, within), _intervals(own, best, within)
    return ComparisonRow(
        label=contender.label,
        candidate=contender.text.candidate,
        baseline=contender.baseline,
        outcome=verdict.outcome,
        score=verdict.score,
        problem=problem.message if problem is not None else None,
        problem_line=problem.line if problem is not None else None,
        scores=_scores(verdict),
        evaluations=tuple(each.evaluation for each in verdict.judged),
        against_first=weakest(over_first.values()) if over_first else None,
        against_baseline=weakest(over_best.values()) if over_best else None,
        groups=over_first if len(over_first) > 1 else {},
        guards=_guards(own, first, within, guarded),
    )


def _guards(
    own: _Judged, first: _Judged, within: _Within, guarded: Sequence[Metric]
) -> tuple[tuple[Metric, Interval], ...]:
    """Return how guarded figures differ; of several groups, the one where they are worst."""
    if own is first or not (_usable(own[1]) and _usable(first[1])):
        return ()
    found = []
    for metric in guarded:
        changes = []
        for names in within.groups.values():
            mine, theirs = (
                guarded_figures((e for e in each[1].evaluations if e.scenario in names), [metric])
                for each in (own, first)
            )
            changes.append(within.interval(guard_ratios(metric, mine, theirs)))
        found.append((metric, min(changes, key=lambda each: (each.high, each.mean))))
    return tuple(found)


def _intervals(own: _Judged, other: _Judged | None, within: _Within) -> dict[str, Interval]:
    if other is None or own is other or own[1].score is None or other[1].score is None:
        return {}
    return within.intervals(_scores(own[1]), _scores(other[1]))


def _scores(verdict: Verdict) -> dict[str, float]:
    return {each.evaluation.scenario: each.score for each in verdict.judged}


def _verdict(rows: Sequence[ComparisonRow], within: _Within) -> str:
    """Say which is best, and whether the next one could be as good."""
    usable = [row for row in rows if row.score is not None and row.outcome is Outcome.OK]
    if not usable:
        return "no policy completed every scenario"
    leader = usable[0]
    rivals = [row for row in rows if row.score is not None and row.candidate != leader.candidate]
    if not rivals:
        return f"{leader.label} is the only policy with a valid score"
    leads = within.intervals(leader.scores, rivals[0].scores)
    lead = weakest(leads.values())
    words = "; ".join(f"{group}: {each.words()}" for group, each in leads.items())
    rival = f"{rivals[0].label}, the next: {words if len(leads) > 1 else lead.words()}"
    if lead.scenarios == 1:
        return f"{leader.label} leads {rival}"
    if lead.low > 0:
        return f"{leader.label} is significantly better than {rival}"
    return f"{leader.label} leads without a significant difference from {rival}"
