"""The short parts of a report: the verdict, tiles, failures by kind, cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flows.history.records import CandidateRow, LlmCallRow, parse_key
from flows.judging.guards import BARRED, STOPPED
from flows.judging.leaderboard import scores_of, verdict_of
from flows.judging.splits import TRAIN
from flows.names import called
from flows.prompting.lessons import Lesson, Tried, latest, record_of
from flows.proposers.prices import is_unpriced, may_be_charged
from flows.report.data import ReportData, Slot, slot_name, slot_of
from flows.report.repeats import same_share
from flows.report.text import (
    dollars,
    elapsed_seconds,
    number,
    one_line,
    percent,
    score_text,
    seconds_text,
)
from flows.untrusted import counted
from sandbox.source import source_line

STATUS_WORDS = {
    "running": "is still running, or was killed",
    "finished": "is finished",
    "budget_exhausted": "ended because its budget was used up",
    "finished_with_losses": "ended with attempts lost to infrastructure failures",
    "interrupted": "was interrupted and can be resumed",
    "failed": "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure at the top of the page."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureKind:
    """One outcome other than ok, with its first example."""

    outcome: str
    attempts: int
    share: str
    slot: str
    message: str
    line: int | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """What one model cost."""

    model: str
    cells: tuple[str, ...]


def reference_name(data: ReportData) -> str:
    """The policy whose score is 1 by definition."""
    return one_line(data.reference, 40)


def measure(data: ReportData) -> str:
    """What a score is, in words; empty where the domain does not know the objective."""
    objective = data.objective
    if objective is None:
        return ""
    label = one_line(f"{objective.label[:1].upper()}{objective.label[1:]}", 120)
    reference = reference_name(data)
    if objective.better == "less":
        words = f"{label} of {reference} divided by that of the policy; higher is better."
    else:
        words = f"{label}, divided by that of {reference}; higher is better."
    return f"{words} {one_line(objective.note)}".strip()


def status_sentence(data: ReportData) -> str:
    """How the search ended."""
    row = data.experiment
    words = STATUS_WORDS.get(row.status, f"has the status {one_line(row.status, 40)}")
    if row.status == "running" and data.alive is not None:
        words = "is running" if data.alive else "was killed and can be continued"
    detail = f": {one_line(row.status_detail).rstrip('.')}" if row.status_detail else ""
    return f"The search {words}{detail}."


def tiles(data: ReportData) -> tuple[Tile, ...]:
    """Best score, candidates, failures, time and cost."""
    attempts = data.attempts
    promoted = sum(row.improved for row in attempts)
    failed = sum(row.outcome != "ok" for row in attempts)
    repeats = sum(row.duplicate_of is not None for row in attempts)
    stopped = sum(row.standing == STOPPED for row in attempts)
    lost = sum(row.kind == "attempt_lost" for row in data.events)
    return (
        _best_tile(data),
        Tile(
            label="candidates tried",
            value=f"{len(attempts):,}",
            note=(f"{promoted:,} promoted, " if data.guarded else "")
            + (f"{stopped:,} stopped early, " if stopped else "")
            + (f"{repeats:,} the same as an earlier one" if repeats else "all different"),
        ),
        Tile(
            label="failed",
            value=f"{failed:,}",
            note=(f"{percent(failed / len(attempts))} of them" if failed else "no policy failed")
            + (f"; {lost:,} more lost to infrastructure failures" if lost else ""),
        ),
        _time_tile(data),
        _cost_tile(data.calls, promoted),
    )


def _best_tile(data: ReportData) -> Tile:
    best, bar = data.best, data.best_baseline
    if best is None or (data.guarded and not best.improved and bar is not None):
        if bar is None:
            return Tile(label="best score", value=score_text(None))
        on, value, rest = _scores(data, bar)
        note = f"the baseline {one_line(bar.title, 40)}: no candidate was promoted{rest}"
        return Tile(label=f"best score{on}", value=value, note=note)
    on, value, rest = _scores(data, best)
    note = f"{reference_name(data)} is 1{rest}"
    return Tile(label=f"best score{on}", value=value, note=note)


def _scores(data: ReportData, row: CandidateRow) -> tuple[str, str, str]:
    """The split of the score to go by, that score, and the other scores of a policy."""
    found = scores_of(row, data.tested)
    if not found:
        return "", score_text(None), ""
    (split, score), *others = found
    rest = "".join(f"; {score_text(each)} on {name}" for name, each in others)
    return f" on {split}" if others else "", score_text(score), rest


def _time_tile(data: ReportData) -> Tile:
    row = data.experiment
    last = row.finished_at or max((item.created_at for item in data.candidates), default=None)
    cell = math.fsum(item.cell_seconds or 0.0 for item in data.candidates)
    return Tile(
        label="wall time",
        value=seconds_text(elapsed_seconds(row.created_at, last)),
        note=f"{seconds_text(cell)} of cell time, summed over slots" if cell else "",
    )


def _cost_tile(calls: Sequence[LlmCallRow], promoted: int) -> Tile:
    if not calls:
        return Tile(label="cost of models", value="$0", note="no model was called")
    paid = [row for row in calls if not row.replayed]
    known = [row.cost_usd for row in paid if row.cost_usd is not None]
    unknown, silent = sum(map(is_unpriced, paid)), sum(map(may_be_charged, paid))
    note = counted(len(calls), "call") + (f", {unknown:,} of unknown price" if unknown else "")
    note += f", {silent:,} possibly charged, amount unknown" if silent else ""
    if known and promoted:
        note += f"; {dollars(math.fsum(known) / promoted)} per promoted candidate"
    return Tile(
        label="cost of models",
        value=dollars(math.fsum(known) if known or not paid else None),
        note=note,
    )


def failures(data: ReportData) -> tuple[FailureKind, ...]:
    """Outcomes other than ok, and results that were not ranked; the most frequent first.

    Failed baselines are kinds of their own: the search did not make them.
    """
    groups: dict[str, list[CandidateRow]] = {}
    for row in data.candidates:
        if row.standing != STOPPED and (row.outcome != "ok" or row.score is None):
            kind = row.outcome if row.outcome != "ok" else "ok, but not ranked"
            kind += ", baseline" if row.origin == "baseline" else ""
            groups.setdefault(kind, []).append(row)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(_failure(data, outcome, rows) for outcome, rows in ordered)


def _failure(data: ReportData, outcome: str, rows: Sequence[CandidateRow]) -> FailureKind:
    row = next((item for item in rows if item.problem or item.findings), rows[0])
    message, line = row.problem, row.problem_line
    if row.findings:
        message = message or str(row.findings[0].get("message", ""))
        line = line or row.findings[0].get("line") or None
    return FailureKind(
        outcome=one_line(outcome, 40),
        attempts=len(rows),
        share="–" if row.origin == "baseline" else percent(len(rows) / len(data.attempts)),
        slot=slot_name(slot_of(row)),
        message=one_line(message or "no message was recorded"),
        line=line,
        source=one_line(source_line(row.source, line), 200),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shows:
    """What the record shows: a row for each lesson, and what changed nothing."""

    rows: tuple[tuple[str, ...], ...]
    without_effect: str


LESSON_COLUMNS = ("change", "gain", "interval", "pairs", "failed", "a loss on")


def lessons(data: ReportData) -> Shows:
    """The effects of changes between candidates and their parents, on train alone."""
    scores: dict[Slot, dict[str, float]] = {}
    for each in data.evaluations:
        if each.split == TRAIN and each.attempt == 0 and each.outcome == "ok" and each.score:
            scores.setdefault(slot_of(each), {})[each.scenario] = each.score
    tried = [
        Tried(
            key=slot_of(row),
            candidate=row.candidate,
            parents=tuple(row.parents),
            origin=row.origin,
            source=row.source,
            scores=scores.get(_tried_as(row), {}),
            failed=row.outcome != "ok",
        )
        for row in latest(data.candidates)
        if row.source is not None and row.standing != BARRED
    ]
    families = {row.scenario: row.family for row in data.scenarios if row.split == TRAIN}
    space = data.domain.hosted("space") if data.domain is not None else None
    record = record_of(tried, families, space)
    idle = (f"{_plain(what)} ({counted(pairs, 'pair')})" for what, pairs in record.without_effect)
    return Shows(rows=tuple(map(_lesson, record.lessons)), without_effect=", ".join(idle))


def _tried_as(row: CandidateRow) -> Slot:
    """Return the attempt whose evaluations a candidate has: the one that it repeats, if any."""
    return parse_key(row.duplicate_of) if row.duplicate_of is not None else slot_of(row)


def _lesson(lesson: Lesson) -> tuple[str, ...]:
    low, mean, high = lesson.effect.percent
    against = (
        f"{one_line(name, 40)} ({percent(math.expm1(loss))})" for name, loss in lesson.against
    )
    return (
        _plain(lesson.words),
        f"{mean:.1f} %",
        f"{low:.1f} to {high:.1f} %",
        f"{lesson.effect.scenarios:,}",
        f"{lesson.failed:,}",
        ", ".join(against),
    )


def _plain(words: str) -> str:
    return one_line(words.replace("`", ""), 300)


COST_COLUMNS = (
    "calls",
    "answered",
    "replayed",
    "tokens in",
    "cached",
    "as before",
    "tokens out",
    "reasoning",
    "seconds",
    "cost",
)


def costs(data: ReportData) -> tuple[CostLine, ...]:
    """One line per model; nothing if no model was called."""
    groups: dict[str, list[LlmCallRow]] = {}
    for row in data.calls:
        groups.setdefault(f"{row.model} at {row.provider}", []).append(row)
    return tuple(_cost_line(model, rows, data) for model, rows in sorted(groups.items()))


def _cost_line(model: str, rows: Sequence[LlmCallRow], data: ReportData) -> CostLine:
    known = [row.cost_usd for row in rows if row.cost_usd is not None and not row.replayed]
    tokens = (
        _total([row.input_tokens for row in rows]),
        _total([row.cached_tokens for row in rows]),
        _same_beginning(rows, data),
        _total([row.output_tokens for row in rows]),
        _total([row.reasoning_tokens for row in rows]),
    )
    return CostLine(
        model=one_line(model, 100),
        cells=(
            f"{len(rows):,}",
            f"{sum(row.outcome == 'ok' for row in rows):,}",
            f"{sum(row.replayed for row in rows):,}",
            *tokens,
            number(math.fsum(row.seconds for row in rows)),
            dollars(math.fsum(known) if known else None),
        ),
    )


def _same_beginning(rows: Sequence[LlmCallRow], data: ReportData) -> str:
    sent = (data.prompt_by_sha256.get(row.prompt_sha256) for row in rows)
    share = same_share([each.messages for each in sent if each is not None])
    return "–" if share is None else percent(share)


def _total(values: Sequence[int | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known):,}" if known else "–"


ENDS = ("accepted", "not accepted")
"""The last step of what follows a search for a simulator."""


def verdict(data: ReportData) -> str:
    """What came of the search, in a sentence or two."""
    best, tried = data.best, counted(len(data.attempts), "candidate")
    if not data.attempts:
        return "No candidate has been tried yet."
    accepted = [row for row in data.events if row.kind == "acceptance"]
    if accepted and accepted[-1].detail.get("step") in ENDS:
        words = one_line(accepted[-1].message)
        return f"{words[:1].upper()}{words[1:]}. {tried} tried."
    if data.guarded:
        return f"{_ruled(data)} {tried} {'was' if len(data.attempts) == 1 else 'were'} tried."
    if best is None or best.score is None:
        return f"None of {tried} completed every scenario."
    name = one_line(called(best), 80)
    rival = max(
        (row for row in data.baselines if row.score is not None),
        key=lambda row: row.score or 0.0,
        default=None,
    )
    if rival is None or rival.score is None:
        return f"The best of {tried} is {name} with a score of {score_text(best.score)}."
    rival_name = f"{one_line(rival.title, 40)} ({score_text(rival.score)})"
    if best.score <= rival.score:
        return (
            f"None of {tried} beats the best baseline, {rival_name}; "
            f"the best is {name} with a score of {score_text(best.score)}."
        )
    return (
        f"The best of {tried}, {name}, scores {score_text(best.score)}: "
        f"{_gain(best.score, rival.score)} the best baseline, {rival_name}.{_saving(data, best)}"
    )


def _ruled(data: ReportData) -> str:
    """The search's own verdict: on test where that was tried, else as the best was promoted."""
    promoted = [row for row in data.candidates if row.improved]
    best = max(promoted, key=slot_of, default=None)
    tests = [data.test] if data.test is not None else []
    words = one_line(verdict_of(data.baselines, best, tests), 1_000).rstrip(".")
    return f"{words[:1].upper()}{words[1:]}."


def _gain(score: float, other: float) -> str:
    if other <= 0 or score / other < 2:
        return f"{percent(score / other - 1)} more than" if other > 0 else "more than"
    return f"{score / other:.1f} times"


def _saving(data: ReportData, best: CandidateRow) -> str:
    objective = data.objective
    if not best.score or best.score <= 1 or objective is None or objective.better != "less":
        return ""
    return (
        f" Its {one_line(objective.label, 120)} is {percent(1 - 1 / best.score)} below that of "
        f"{reference_name(data)} (geometric mean over the scenarios)."
    )
