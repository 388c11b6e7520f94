"""Which candidate may be called the best: decisions from figures alone, with reasons."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flows.history.records import CandidateRow, format_key, key_of
from flows.judging.intervals import Interval, paired_interval, unpaired_interval
from flows.judging.objectives import HasFigures
from flows.judging.scoring import Verdict, geometric_mean
from flows.judging.splits import VALIDATION
from flows.settings.sections import GuardConfig
from sandbox.outcome import Outcome
from simulator.domain_spec import Metric, figure

PROMOTED, REFUSED, BARRED, STOPPED = "promoted", "refused", "barred", "stopped"
NO_GAIN, NO_SURE_GAIN = "not better", "not statistically significant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A policy's figures by scenario: scores on train, scores and guarded ones where it counts."""

    title: str
    train: Mapping[str, float]
    deciding: Mapping[str, float]
    guarded: Mapping[str, Mapping[str, float]]
    """Figures that may not get worse, on the deciding scenarios, by their paths."""

    def only(self, scenarios: Iterable[str]) -> "Figures":
        """Return the figures of these scenarios alone."""
        names = set(scenarios)

        def kept(values: Mapping[str, float]) -> dict[str, float]:
            return {name: value for name, value in values.items() if name in names}

        guarded = {path: kept(values) for path, values in self.guarded.items()}
        return Figures(
            title=self.title,
            train=kept(self.train),
            deciding=kept(self.deciding),
            guarded=guarded,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of a search; equal rules and figures give equal rulings."""

    guards: GuardConfig
    objective: str
    guarded: tuple[Metric, ...] = ()
    """The figures that may not get worse by this objective."""
    deciding: str = VALIDATION
    """The split that decides."""
    seed: int = 0
    each_counts: bool = False
    """Whether every scenario counts by itself; see ``DomainSpec.promotion``."""
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The scenarios of each group in which a candidate has to be better, see ``DomainSpec.groups``;
    empty where there is one group only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The standing of a candidate, and the reason."""

    standing: str = ""
    """"" | promoted | refused | barred | stopped."""
    reason: str = ""
    """In one word: baseline | interval | scenarios | failed | gamed | gap | implausible |
    nondeterministic | simulator (it failed) | raced (its trial was stopped) | known (it repeats an
    attempt with that standing)."""
    detail: str = ""
    validation_score: float | None = None
    interval: Interval | None = None
    gap_percent: float | None = None

    @property
    def gain_percent(self) -> tuple[float | None, float | None]:
        """The bounds of the confidence interval of the gain; None where there is no bound."""
        if self.interval is None:
            return None, None
        low, _, high = self.interval.percent
        return (None, None) if self.interval.scenarios == 1 else (low, high)


def rule(
    title: str,
    train: Verdict,
    validation: Verdict | None,
    best: Figures | None,
    anchor: Figures | None,
    rules: Rules,
) -> Ruling:
    """Rule by verdicts: on a baseline where there is no ``anchor``, else on a confirmed candidate.

    Both have to be believed on train.
    """
    doubt = Ruling() if validation is None else _doubt(validation)
    if doubt.standing:
        return doubt
    own = figures_of(title, train, validation, rules.guarded)
    failed = ""
    if validation is not None and validation.outcome is not Outcome.OK:
        failed = f"{validation.outcome}: {validation.message}"
    if anchor is None:
        return Ruling() if failed else rule_on_baseline(own, best, rules)
    assert best is not None, "where there is an anchor, it was the best itself"
    return rule_on_candidate(own, best, anchor, rules, failed)


def rule_alone(train: Verdict) -> Ruling:
    """Rule by a verdict on train alone: it can bar or stop a policy, never promote it."""
    if train.stopped:
        return Ruling(standing=STOPPED, reason="raced", detail=train.stopped)
    if train.outcome is Outcome.NONDETERMINISTIC:
        return Ruling(standing=BARRED, reason="nondeterministic", detail=train.message)
    return _doubt(train)


def rule_on_baseline(own: Figures, best: Figures | None, rules: Rules) -> Ruling:
    """Rule on a library policy: fixed beforehand, the best point estimate is the one to beat."""
    score = geometric_mean(list(own.deciding.values()))
    validated = score if rules.deciding == VALIDATION else None
    if best is not None and score <= geometric_mean(list(best.deciding.values())):
        return Ruling(validation_score=validated)
    return Ruling(
        standing=PROMOTED,
        reason="baseline",
        detail=f"the best baseline so far on {rules.deciding}: score {score:.4f}",
        validation_score=validated,
    )


def rule_on_candidate(
    own: Figures, best: Figures, anchor: Figures, rules: Rules, failed: str = ""
) -> Ruling:
    """Rule on a candidate that did better on train than ``best`` and was tried a second time.

    ``anchor`` is the best baseline: how far its train score is above its validation score is no
    more than a difference between the scenarios. ``failed`` says how the second try failed. Where
    there are groups of scenarios, it has to be better in each of them.
    """
    if rules.each_counts:
        return _by_each_scenario(own, best, rules, failed)
    deciding = {
        label: names
        for label, names in rules.groups.items()
        if not own.deciding.keys().isdisjoint(names)
    }
    if failed or len(deciding) < 2:
        return _by_all(own, best, anchor, rules, failed)
    rulings = {
        label: _by_all(own.only(names), best.only(names), anchor.only(names), rules)
        for label, names in deciding.items()
    }
    return _together(rulings, own)


def rule_on_repeat(original: CandidateRow) -> Ruling:
    """Rule on an attempt that repeats an earlier one: it is never better than that."""
    if original.standing in ("", PROMOTED):
        return Ruling()
    return Ruling(
        standing=original.standing,
        reason="known",
        detail=f"the same as {format_key(key_of(original))}: {original.standing_detail}",
    )


def reason_in_short(row: CandidateRow) -> str:
    """Return in a few words why a candidate is not the best; its detail has the figures."""
    detail = row.standing_detail
    ending = next((each for each in (NO_GAIN, NO_SURE_GAIN) if detail.endswith(each)), None)
    if ending is not None and detail.startswith("on "):
        return f"{ending} on {detail.split()[1]}"
    return detail.partition("; but ")[2] or detail


def figures_of(
    title: str, train: Verdict, validation: Verdict | None, guarded: Sequence[Metric]
) -> Figures:
    """Return the figures that decide: of validation where it was tried, else of train."""
    decisive = train if validation is None else validation
    return Figures(
        title=title,
        train={each.evaluation.scenario: each.score for each in train.judged},
        deciding={each.evaluation.scenario: each.score for each in decisive.judged},
        guarded=guarded_figures(decisive.evaluations, guarded),
    )


def guarded_figures(
    evaluations: Iterable[HasFigures], guarded: Sequence[Metric]
) -> dict[str, dict[str, float]]:
    """Return the guarded figures by path and scenario; one that is missing counts as 0."""
    found = list(evaluations)
    return {
        each.key: {e.scenario: float(figure(each.key, e.metrics, e.stats) or 0.0) for e in found}
        for each in guarded
    }


def guard_ratios(
    guarded: Metric,
    own: Mapping[str, Mapping[str, float]],
    other: Mapping[str, Mapping[str, float]],
) -> list[float]:
    """Return how many times as good a guarded figure is as another policy's, by scenario."""
    mine, theirs = own[guarded.key], other[guarded.key]
    return _ratios(theirs, mine) if guarded.better == "less" else _ratios(mine, theirs)


def certain_loss(interval: Interval) -> bool:
    """Whether a guarded figure is worse beyond doubt; of one scenario the figure itself decides."""
    return interval.mean < 0.0 if interval.scenarios == 1 else interval.high < 0.0


def gap_interval(own: Figures, anchor: Figures, rules: Rules) -> Interval:
    """Return how far the gain over the anchor on train is above that on validation."""
    return unpaired_interval(
        _ratios(own.train, anchor.train),
        _ratios(own.deciding, anchor.deciding),
        level=rules.guards.confidence,
        resamples=rules.guards.resamples,
        seed=rules.seed,
    )


def seed_for(seed: int, key: tuple[int, int]) -> int:
    """Return the seed of the resampling for one attempt."""
    digest = hashlib.sha256(f"interval/{seed}/{key[0]}/{key[1]}".encode()).digest()
    return int.from_bytes(digest[:8])


def _doubt(verdict: Verdict) -> Ruling:
    """Bar a score that cannot be true, refuse one that there is not; pass a policy's failure."""
    if verdict.outcome is Outcome.SIMULATOR_FAILED:
        detail = f"no score: {verdict.outcome}: {verdict.message}"
        return Ruling(standing=REFUSED, reason="simulator", detail=detail)
    if verdict.outcome is not Outcome.OK or verdict.score is not None:
        return Ruling()
    return Ruling(standing=BARRED, reason="implausible", detail=verdict.message)


def _by_all(own: Figures, best: Figures, anchor: Figures, rules: Rules, failed: str = "") -> Ruling:
    """Rule by the interval over all scenarios that are given."""
    validates = rules.deciding == VALIDATION
    score = geometric_mean(list(own.deciding.values())) if validates else None
    gap = gap_interval(own, anchor, rules) if validates and own.train else None
    interval = _interval(_ratios(own.deciding, best.deciding), rules)
    standing, reason, detail = _stand(own, best, rules, interval, gap, failed)
    return Ruling(
        standing=standing,
        reason=reason,
        detail=detail,
        validation_score=score,
        interval=interval,
        gap_percent=gap.percent[1] if gap is not None else None,
    )


def _together(rulings: Mapping[str, Ruling], own: Figures) -> Ruling:
    """Return what the rulings on all groups come to: promoted is what is promoted in each.

    Its figures are those of the group that decides, where the candidate is barred or refused, or
    else gains least; that group is told first.
    """
    order = (BARRED, REFUSED, PROMOTED)
    told = sorted(
        rulings.items(),
        key=lambda each: (
            order.index(each[1].standing),
            each[1].interval.low if each[1].interval else 0.0,
        ),
    )
    decides = told[0][1]
    score = None if decides.validation_score is None else geometric_mean([*own.deciding.values()])
    detail = "; ".join(f"{label}: {each.detail}" for label, each in told)
    return replace(decides, detail=detail, validation_score=score)


def _stand(
    own: Figures,
    best: Figures,
    rules: Rules,
    interval: Interval,
    gap: Interval | None,
    failed: str,
) -> tuple[str, str, str]:
    """Return standing, reason and detail; the gap alarm goes first, because it bars."""
    if failed:
        return REFUSED, "failed", f"failed on {rules.deciding}: {failed}"
    if gap is not None and gap.low > 0.0 and gap.percent[1] > rules.guards.gap_percent:
        return BARRED, "gap", _gap_words(own, gap.percent[1], rules)
    against = f"on {rules.deciding} against {best.title}: {interval.words()}"
    if not _certain_gain(interval):
        return REFUSED, "interval", f"{against}; {_no_better(interval)}"
    for guarded in rules.guarded:
        change = _interval(guard_ratios(guarded, own.guarded, best.guarded), rules)
        if certain_loss(change):
            words = f"gamed: by {rules.objective}, {against}; but {guarded.label} {change.words()}"
            return REFUSED, "gamed", words
    return PROMOTED, "interval", against


def _by_each_scenario(own: Figures, best: Figures, rules: Rules, failed: str) -> Ruling:
    """Promote what is worse in no scenario that decides, and better in one of any split."""
    whole = rules.deciding == VALIDATION and len(own.deciding) == len(best.deciding)
    score = geometric_mean(list(own.deciding.values())) if whole else None
    gains = {name: mine - best.deciding[name] for name, mine in own.deciding.items()}
    better, worse = (sum(sign * gain > 0 for gain in gains.values()) for sign in (1, -1))
    gained = better > 0 or sum(own.train.values()) > sum(best.train.values())
    against = (
        f"on {rules.deciding} against {best.title}: better in {better} and worse in {worse} of "
        f"{len(gains)} scenarios"
    )
    if len(gains) < len(best.deciding):
        against += f"; {len(best.deciding) - len(gains)} were not tried any more"
    if failed:
        standing, reason, against = REFUSED, "failed", f"failed on {rules.deciding}: {failed}"
    else:
        standing, reason = (REFUSED if worse or not gained else PROMOTED), "scenarios"
    return Ruling(standing=standing, reason=reason, detail=against, validation_score=score)


def _gap_words(own: Figures, gap: float, rules: Rules) -> str:
    train = geometric_mean(list(own.train.values()))
    validation = geometric_mean(list(own.deciding.values()))
    return (
        f"gap alarm: score {train:.3f} on train but {validation:.3f} on validation, a gap "
        f"{gap:.1f} % larger than that of the best baseline (limit "
        f"{rules.guards.gap_percent:g} %): overfitted to the train scenarios"
    )


def _no_better(interval: Interval) -> str:
    return NO_SURE_GAIN if interval.mean > 0.0 else NO_GAIN


def _certain_gain(interval: Interval) -> bool:
    """One scenario has no interval: there the figure itself decides, and a warning says so."""
    return interval.mean > 0.0 if interval.scenarios == 1 else interval.low > 0.0


def _interval(ratios: Sequence[float], rules: Rules) -> Interval:
    return paired_interval(
        ratios,
        level=rules.guards.confidence,
        resamples=rules.guards.resamples,
        seed=rules.seed,
    )


def _ratios(numerators: Mapping[str, float], denominators: Mapping[str, float]) -> list[float]:
    """Return numerator over denominator by scenario; where nothing arrived both count the same."""
    ratios = []
    for name, denominator in denominators.items():
        numerator = numerators[name]
        usable = numerator > 0.0 and denominator > 0.0
        ratios.append(numerator / denominator if usable else 1.0)
    return ratios
