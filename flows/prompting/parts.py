"""Chooses what of the past a prompt shows, and says what is left out first when it is too long."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.attempt import Move, SeenAttempt
from flows.prompting.diagnoses import diagnose
from flows.settings.sections import FeedbackConfig
from flows.untrusted import prompt_code, prompt_line

TITLE_CHARS = 90
REFERENCE = "naive"
"""The policy whose score is 1.0: every other is better than it, so its source is never shown."""

BASELINE_WORTH = 10_000.0
PARENT_WORTH = 2_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One thing that a template may show; its texts are fenced and safe to stand in a prompt."""

    kind: str
    """baseline | figures | policy | attempt | last: the list of the template that it stands in.
    ``figures`` are joined to their baseline."""
    key: str
    """``iteration/slot``."""
    headline: str
    worth: float
    """What is worth least is left out first."""
    place: int = 0
    """1 is the best policy so far, or the first parent."""
    source: str = ""
    diagnosis: str = ""


def choose_parts(
    feedback: FeedbackConfig,
    attempts: Sequence[SeenAttempt],
    move: Move,
    chosen: Sequence[SeenAttempt],
) -> list[Shown]:
    """Return what the prompt for this move shows, in the order in which it stands there."""
    naive = next((each for each in attempts if (each.iteration, each.slot) == (0, 0)), None)
    tried = [each for each in attempts if each.origin != "baseline"]
    policies = _policies(feedback, attempts, move, chosen)
    latest = _latest(feedback, tried, policies, move)
    baselines = [each for each in attempts if each.origin == "baseline"]
    parts = [_baseline(each) for each in baselines]
    if not tried and feedback.show != "score":
        parts += [_figures(each, naive) for each in baselines if each.evaluations]
    for place, each in enumerate(policies, 1):
        explained = feedback.show != "score" and each not in latest and place <= _explained(move)
        explained = explained and bool(tried)  # the diagnoses of the baselines stand above
        parts.append(_policy(each, place, move, _diagnosis(each, naive) if explained else ""))
    parts += [_attempt(each, naive, age, feedback.show) for age, each in enumerate(latest)]
    if move == "free" and latest and latest[-1] not in policies and latest[-1].source:
        parts.append(_last(latest[-1]))
    return parts


def headline(attempt: SeenAttempt) -> str:
    """Return one line that names an attempt and says how it went."""
    score = "no score" if attempt.score is None else f"score {attempt.score:.3f}"
    ended = score if attempt.outcome == "ok" else f"{attempt.outcome}, {score}"
    title = f" {prompt_line(attempt.title, TITLE_CHARS)}" if attempt.title else ""
    return f"{_key(attempt)}{title}: {ended}"


def _policies(
    feedback: FeedbackConfig,
    attempts: Sequence[SeenAttempt],
    move: Move,
    chosen: Sequence[SeenAttempt],
) -> list[SeenAttempt]:
    """Return those that are shown with their source: the parents, else the best."""
    if move != "free":
        return [each for each in chosen if each.source]
    most = feedback.best if feedback.show == "history" else 1
    return _best(attempts)[:most]


def _latest(
    feedback: FeedbackConfig,
    tried: Sequence[SeenAttempt],
    policies: Sequence[SeenAttempt],
    move: Move,
) -> list[SeenAttempt]:
    """Return the latest attempts; the other best ones are shown already, unless one is newest."""
    if feedback.show == "history":
        found = list(tried[-feedback.attempts :]) if feedback.attempts else []
        known = policies[1:] if move == "free" else policies
        return [each for each in found if each not in known or each is _newest(tried, move)]
    newest = _newest(tried, move)
    unknown = newest is not None and (feedback.show == "diagnoses" or newest not in policies)
    return [newest] if newest is not None and unknown else []


def _newest(tried: Sequence[SeenAttempt], move: Move) -> SeenAttempt | None:
    """Return the attempt that a free move follows on; other moves have parents of their own."""
    return tried[-1] if tried and move == "free" else None


def _best(attempts: Sequence[SeenAttempt]) -> list[SeenAttempt]:
    """Return the attempts that work, best first, but for repeats, barred ones and the reference."""
    usable = [
        attempt
        for attempt in attempts
        if attempt.outcome == "ok"
        and attempt.score is not None
        and attempt.source
        and attempt.duplicate_of is None
        and attempt.standing != "barred"
        and not (attempt.origin == "baseline" and attempt.title == REFERENCE)
    ]
    return sorted(usable, key=lambda a: (-(a.score or 0.0), a.iteration, a.slot))


def _explained(move: Move) -> int:
    """Return how many of the policies come with their measurements."""
    return 1 if move == "free" else 2


def _baseline(attempt: SeenAttempt) -> Shown:
    worth = BASELINE_WORTH + (attempt.score or 0.0)
    return Shown(kind="baseline", key=_key(attempt), headline=headline(attempt), worth=worth)


def _figures(attempt: SeenAttempt, naive: SeenAttempt | None) -> Shown:
    against = naive if attempt is not naive else None
    return Shown(
        kind="figures",
        key=_key(attempt),
        headline=headline(attempt),
        worth=400.0 + (attempt.score or 0.0),
        diagnosis=_diagnosis(attempt, against),
    )


def _policy(attempt: SeenAttempt, place: int, move: Move, diagnosis: str) -> Shown:
    worth = 1_400.0 - 400.0 * place if move == "free" else PARENT_WORTH - place
    return Shown(
        kind="policy",
        key=_key(attempt),
        headline=headline(attempt),
        worth=worth,
        place=place,
        source=prompt_code(attempt.source or ""),
        diagnosis=diagnosis,
    )


def _attempt(attempt: SeenAttempt, naive: SeenAttempt | None, age: int, show: str) -> Shown:
    return Shown(
        kind="attempt",
        key=_key(attempt),
        headline=headline(attempt),
        worth=500.0 + age,
        diagnosis="" if show == "score" else _diagnosis(attempt, naive),
    )


def _last(attempt: SeenAttempt) -> Shown:
    return Shown(
        kind="last",
        key=_key(attempt),
        headline=headline(attempt),
        worth=550.0,
        source=prompt_code(attempt.source or ""),
    )


def _diagnosis(attempt: SeenAttempt, naive: SeenAttempt | None) -> str:
    lines = diagnose(attempt, naive)
    return "\n".join(line if "\n" in line else f"- {line}" for line in lines)


def _key(attempt: SeenAttempt) -> str:
    return f"{attempt.iteration}/{attempt.slot}"
