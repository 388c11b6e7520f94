"""The rows of a sweep: what each model, effort and strategy found and used, all seeds together."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import combinations

from flows.history.records import CandidateRow, EvaluationRow, Row
from flows.judging.intervals import Interval, paired_interval
from flows.judging.objectives import Reference, metric_over, scenario_score
from flows.report.compare import runs_of
from flows.report.data import ReportData, Slot, geometric_mean, slot_of, worth
from flows.search.budget import Spend, covered_seconds, running_spans, spent_with
from flows.search.ledger import make_evaluation
from flows.settings.sweep import Member, row_label
from sandbox.outcome import Evaluation, Outcome
from simulator.domain_host import Published
from simulator.domain_spec import Metric, Objective
from simulator.suites import SPLITS

SEED = 0
"""Of the intervals: equal rows print equal figures."""
POLICY = "policy"
"""What a policy of a row is called where it stands beside published figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSearch:
    """One search of a sweep: where it stands on the axes, how far it is, and its rows."""

    member: Member
    experiment_id: str
    status: str
    note: str = ""
    """Why it did not run, or does not go on."""
    data: ReportData | None = None
    """None for a search that has not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What a search had used when it recorded an attempt, and the best score it had then."""

    candidates: float
    dollars: float
    minutes: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search ended with: the policy, the split it is measured on, and its evaluations."""

    data: ReportData
    policy: CandidateRow
    split: str
    """The last split that it was tried on, in the order train, validation, test."""
    tried: Mapping[str, EvaluationRow]
    """By scenario of that split."""

    @property
    def is_candidate(self) -> bool:
        """Whether a candidate was promoted: else the policy is the best baseline."""
        return self.policy.origin != "baseline"

    def scores(self, objective: Objective) -> dict[str, float]:
        """How many times as good as the reference it is by an objective, by scenario."""
        references = _references(self.data)
        return {
            name: scenario_score(objective, make_evaluation(row, ""), references[name])
            for name, row in self.tried.items()
        }

    def figure(self, metric: Metric) -> tuple[float, float] | None:
        """Its own and the reference's figure over the scenarios; None if it failed on one."""
        own = list(self.tried.values())
        references = _references(self.data)
        theirs = [
            Evaluation(
                scenario=name,
                outcome=Outcome.OK,
                metrics=dict(references[name].metrics),
                stats=dict(references[name].stats),
            )
            for name in self.tried
        ]
        if any(row.outcome != Outcome.OK for row in own):
            return None
        mine, other = metric_over(metric, own), metric_over(metric, theirs)
        return None if mine is None or other is None else (mine, other)


@dataclass(frozen=True, kw_only=True)
class SweepRow:
    """All searches that differ by their seeds alone."""

    place: int
    """Its colour in every drawing."""
    key: tuple[str, str, str]
    """Model, effort, strategy."""
    searches: tuple[SweepSearch, ...]

    @property
    def name(self) -> str:
        """What the row is called."""
        return row_label(self.key)

    @cached_property
    def data(self) -> tuple[ReportData, ...]:
        """The searches that have begun."""
        return tuple(each.data for each in self.searches if each.data is not None)

    @cached_property
    def found(self) -> tuple[Found, ...]:
        """What the searches found that have anything to show."""
        found = [each for data in self.data if (each := found_by(data)) is not None]
        splits = {each.split for each in found}
        if len(splits) < 2:
            return tuple(found)
        last = max(splits, key=SPLITS.index)  # a search that is not over counts where it is
        return tuple(each for each in found if each.split == last)

    @property
    def split(self) -> str:
        """The split that the row is measured on; empty where nothing can be shown."""
        return self.found[0].split if self.found else ""

    def scores(self, objective: Objective) -> dict[str, float]:
        """The score on each scenario, as the geometric mean over the seeds."""
        by_seed = [each.scores(objective) for each in self.found]
        shared = [name for name in by_seed[0] if all(name in row for row in by_seed)]
        means = {name: geometric_mean(row[name] for row in by_seed) for name in shared}
        return {name: mean for name, mean in means.items() if mean}

    def gain(self, objective: Objective) -> Interval | None:
        """How much better than the reference it is; None where nothing can be shown."""
        scores = self.scores(objective) if self.found else {}
        return paired_interval(list(scores.values()), seed=SEED) if scores else None

    def gains_by_seed(self, objective: Objective) -> list[float]:
        """The gain over the reference of each search, in per cent."""
        means = [geometric_mean(each.scores(objective).values()) for each in self.found]
        return [100.0 * (mean - 1.0) for mean in means if mean is not None]

    def against(self, other: "SweepRow", objective: Objective) -> Interval | None:
        """How much better than another row it is, paired over the scenarios of both."""
        if not self.found or not other.found or self.split != other.split:
            return None
        own, theirs = self.scores(objective), other.scores(objective)
        ratios = [own[name] / theirs[name] for name in own if name in theirs]
        return paired_interval(ratios, seed=SEED) if ratios else None

    @cached_property
    def spend(self) -> Spend:
        """What all its searches have used, but for time."""
        rows: list[Row] = []
        for data in self.data:
            rows += [*data.calls, *data.candidates]
        return reduce(spent_with, rows, Spend())

    @cached_property
    def knows_cached(self) -> bool:
        """Whether any server said how many tokens came from its cache."""
        return any(call.cached_tokens is not None for data in self.data for call in data.calls)

    @cached_property
    def minutes(self) -> float:
        """How long its searches ran, added up."""
        return math.fsum(covered_seconds(spans_of(data)) for data in self.data) / 60.0

    @cached_property
    def promoting(self) -> int:
        """How many of its searches promoted a candidate."""
        return sum(each.is_candidate for each in self.found)

    @cached_property
    def failures(self) -> Counter[str]:
        """How many attempts ended in which failure, and how many were lost."""
        outcomes = (row.outcome for data in self.data for row in data.attempts)
        counts = Counter(outcome for outcome in outcomes if outcome != "ok")
        lost = sum(row.kind == "attempt_lost" for data in self.data for row in data.events)
        return counts + Counter({"lost": lost})


def sweep_rows(searches: Sequence[SweepSearch]) -> tuple[SweepRow, ...]:
    """The rows of a sweep in the order of its axes."""
    groups: dict[tuple[str, str, str], list[SweepSearch]] = {}
    for each in searches:
        groups.setdefault(each.member.row, []).append(each)
    return tuple(
        SweepRow(place=place, key=key, searches=tuple(members))
        for place, (key, members) in enumerate(groups.items())
    )


def ranked(rows: Iterable[SweepRow], objective: Objective) -> tuple[SweepRow, ...]:
    """The rows with the largest gain first; those that are measured on test before others."""

    def key(row: SweepRow) -> tuple[int, float, int]:
        gain = row.gain(objective)
        if gain is None:
            return len(SPLITS), 0.0, row.place
        return len(SPLITS) - SPLITS.index(row.split), -gain.mean, row.place

    return tuple(sorted(rows, key=key))


def objectives_of(data: ReportData) -> tuple[Objective, ...]:
    """The objectives of the domain, that of the search first."""
    own = [each for each in data.spec.objectives if each.name == data.experiment.objective]
    return (*own, *(each for each in data.spec.objectives if each not in own))


def found_by(data: ReportData) -> Found | None:
    """What a search holds for its best, a baseline perhaps, on the last split it was tried on."""
    slot = data.promoted_last
    policy = data.by_slot[slot] if slot is not None else data.best or data.best_baseline
    if policy is None:
        return None
    for split in reversed(SPLITS):
        tried = {
            row.scenario: found
            for row in data.scenarios
            if row.split == split
            and (found := data.scored.get((slot_of(policy), row.scenario))) is not None
        }
        if tried:
            return Found(data=data, policy=policy, split=split, tried=tried)
    return None


def published_gains(row: SweepRow) -> list[float | None]:
    """The gains in the figures that were published about the suite, as means over the seeds."""
    by_seed = [_published_gains(each) for each in row.found]
    columns = zip(*(gains for gains in by_seed if gains), strict=True)
    return [_mean(column) for column in columns]


def published_words(data: ReportData) -> tuple[str, str, tuple[str, ...]]:
    """Title, text and metrics of what was published about the suite; empty where nothing was."""
    found = found_by(data)
    published = _published(data)
    if published is None or found is None:
        return "", "", ()
    table = published.table(_runs(found))
    return str(table["title"]), str(table["text"]), tuple(str(row[0]) for row in table["rows"])


def moments(data: ReportData) -> list[Moment]:
    """The best score so far after each attempt, the best baseline's before the first one.

    It is the score that decides: on validation where the policies were tried there.
    """
    best = worth(data.best_baseline) if data.best_baseline is not None else 0.0
    found = [Moment(candidates=0, dollars=0.0, minutes=0.0, score=best)]
    spans, paid = spans_of(data), _paid_until(data)
    for number, row in enumerate(data.attempts, start=1):
        best = worth(row) if row.improved else best
        lasted = [(begin, min(last, row.created_at)) for begin, last in spans]
        found.append(
            Moment(
                candidates=number,
                dollars=paid(slot_of(row)),
                minutes=covered_seconds(lasted) / 60.0,
                score=best,
            )
        )
    return found


def spans_of(data: ReportData) -> list[tuple[str, str]]:
    """When the runs of a search began and ended."""
    return running_spans((*data.events, *data.candidates, *data.calls, data.experiment))


Curve = tuple[float, float, float, float]
"""What was used, the score as the geometric mean over the seeds, the lowest and the highest."""


def curve(row: SweepRow, used: Callable[[Moment], float]) -> list[Curve]:
    """Where the best so far of the row changes, and where its last search ends.

    A search that has ended keeps its last score.
    """
    by_seed = [sorted((used(each), each.score) for each in moments(data)) for data in row.data]
    by_seed = [steps for steps in by_seed if any(score > 0 for _, score in steps)]
    places = sorted({at for steps in by_seed for at, _ in steps})
    points: list[Curve] = []
    for at in places:
        scores = [_last(steps, at) for steps in by_seed]
        mean = geometric_mean(scores) or 0.0
        point = (at, mean, min(scores), max(scores))
        if not points or point[1:] != points[-1][1:] or at == places[-1]:
            points.append(point)
    return points


def pairs(rows: Sequence[SweepRow], objective: Objective) -> dict[tuple[int, int], Interval]:
    """How much better each row is than each other one, by the places of both."""
    found = {}
    for own, other in combinations(rows, 2):
        forth = own.against(other, objective)
        if forth is not None:
            back = replace(forth, low=-forth.high, mean=-forth.mean, high=-forth.low)
            found[own.place, other.place], found[other.place, own.place] = forth, back
    return found


def _last(steps: Sequence[tuple[float, float]], at: float) -> float:
    return next((score for used, score in reversed(steps) if used <= at), steps[0][1])


def _references(data: ReportData) -> dict[str, Reference]:
    return {
        row.scenario: Reference(
            metrics=row.baseline_metrics, stats=row.baseline_stats, known=row.figures
        )
        for row in data.scenarios
    }


def _paid_until(data: ReportData) -> Callable[[Slot], float]:
    """Return what the calls up to an attempt had cost."""
    calls = [(slot_of(call), call.cost_usd or 0.0) for call in data.calls if not call.replayed]
    return lambda slot: math.fsum(dollars for at, dollars in calls if at <= slot)


def _published(data: ReportData) -> Published | None:
    find = data.domain.hosted("published") if data.domain is not None else None
    found: Published | None = find(data.experiment.suite) if find is not None else None
    return found


def _runs(found: Found) -> dict[str, list[EvaluationRow]]:
    data = found.data
    reference = next(row for row in data.baselines if row.title == data.spec.reference)
    return {reference.title: runs_of(data, reference), POLICY: runs_of(data, found.policy)}


def _published_gains(found: Found) -> list[float | None]:
    """Return the gains in the order of the rows of the published table."""
    published = _published(found.data)
    figures = published.figures(_runs(found)) if published is not None else []
    return [each["gain_percent"] for each in figures if each["policy"] == POLICY]


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = list(values)
    known = [value for value in numbers if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(numbers) else None
