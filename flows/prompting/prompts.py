"""Writes the prompt for the next policy from the facts and the past; only computes.

Three texts: what the templates may use, which parts of the past are shown, and which of them when
the prompt would be too long. What changes least stands first: a server charges less for a beginning
that it has seen before.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flows.attempt import Move, Prompt, SeenAttempt
from flows.prompting.diagnoses import diagnose
from flows.prompting.lessons import record_of, seen
from flows.prompting.templates import (
    SYSTEM,
    USER,
    Templates,
    load_templates,
    render_own,
    text_sha256,
)
from flows.settings.search import SearchConfig
from flows.settings.sections import FeedbackConfig
from flows.untrusted import for_prompt, prompt_code, prompt_line
from sandbox.outcome import Outcome
from simulator.cell.allowed import STANDARD_MODULES
from simulator.domain import Domain
from simulator.domain_spec import Objective

JOB, RULES, SKELETON, CONTRACT = "job.md", "rules.md", "skeleton.txt", "contract.md"
"""Texts of a domain, all optional: what a policy is for, what it must respect, the least policy
that runs, and what it may use."""

CHARS_PER_TOKEN = 4
"""A rough average for English and Python; tokenizers differ."""

TITLE_CHARS = 90

LESSONS_WORTH = 300.0
SOURCE_WORTH = 200.0
"""Of the latest attempt."""
POLICY_WORTH = 300.0
"""Of the second best policy with its source; the third has two thirds of it, and so on."""
FIGURES_WORTH = 60.0
"""Of one baseline's figures."""
ATTEMPT_WORTH = 100.0
FADES = 0.85
"""What is left of an attempt's worth when there is a later one."""
LEAVE_TOGETHER = 4
"""The oldest attempts leave a prompt several at a time, an ``n``-th of those that it shows: between
two such moments prompts only grow at their end."""

Values = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One thing that a template may show; its texts are fenced and safe to stand in a prompt."""

    kind: str
    """baseline | figures | policy | attempt | last: the list of the template that it stands in.
    ``figures`` are joined to their baseline; ``lessons`` are one text."""
    key: str
    """``iteration/slot``."""
    headline: str
    worth: float
    """What is worth least for its length is left out first."""
    needed: bool = False
    """Whether it goes only when all that is not needed is gone."""
    place: int = 0
    """1 is the best policy so far, or the first parent."""
    source: str = ""
    diagnosis: str = ""


def render_prompt(
    *,
    config: SearchConfig,
    scenarios: Sequence[Any],
    attempts: Sequence[SeenAttempt],
    move: Move = "free",
    chosen: Sequence[SeenAttempt] = (),
) -> Prompt:
    """Return the prompt that shows these attempts, within the configured number of tokens."""
    templates = templates_of(config)
    system = system_text(config, scenarios)
    room = config.feedback.prompt_tokens * CHARS_PER_TOKEN - len(system)

    written = user_text(config, scenarios, attempts, move)
    parts = choose_parts(config, attempts, move, chosen, families_of(scenarios))
    user = written(fitted(parts, written, room))
    return Prompt(
        system=system,
        user=user,
        sha256=text_sha256(system, user),
        template=templates.name,
        template_sha256=templates.sha256,
    )


def system_text(config: SearchConfig, scenarios: Sequence[Any]) -> str:
    """Return the text that every prompt of a search begins with."""
    texts = templates_of(config).texts
    return render_own(texts, SYSTEM, system_values(config, scenarios))


def user_text(
    config: SearchConfig, scenarios: Sequence[Any], attempts: Sequence[SeenAttempt], move: Move
) -> Callable[[Sequence[Shown]], str]:
    """Return what writes the user text of a prompt that shows some parts."""
    texts = templates_of(config).texts

    def written(parts: Sequence[Shown]) -> str:
        values = user_values(config.domain, scenarios, attempts, parts, move)
        return for_prompt(render_own(texts, USER, values))

    return written


def templates_of(config: SearchConfig) -> Templates:
    """Return the templates that a search uses: the user's, else the domain's, else the shipped."""
    return load_templates(config.feedback.prompts or config.domain.hosted("prompt_templates"))


def by_density(part: Shown) -> float:
    """Return what a part is worth for its length."""
    return part.worth / max(1, len(part.headline) + len(part.source) + len(part.diagnosis))


def fitted(
    parts: Sequence[Shown],
    written: Callable[[Sequence[Shown]], str],
    room: int,
    rank: Callable[[Shown], float] = by_density,
) -> list[Shown]:
    """Return the parts whose text fits: the needed ones first, then by rank, as long as they do.

    What does not fit is passed over, so that something smaller may take its place.
    """
    if len(written(parts)) <= room:
        return list(parts)
    kept: list[Shown] = []
    needed = [part for part in parts if part.needed]
    others = sorted((part for part in parts if not part.needed), key=lambda part: -rank(part))
    for each in (*needed, *others):
        more = [part for part in parts if part in kept or part is each]
        if len(written(more)) <= room:
            kept = more
    return kept


def repeated_share(before: str, prompt: str) -> float:
    """Return the share of a prompt's characters that begin it as they began the one before."""
    lengths = range(min(len(before), len(prompt)))  # comparing slices beats comparing characters
    same = bisect_left(lengths, True, key=lambda at: before[: at + 1] != prompt[: at + 1])
    return same / len(prompt) if prompt else 0.0


def system_values(config: SearchConfig, scenarios: Sequence[Any]) -> Values:
    """Return what the template of the system text may use."""
    domain = config.domain
    policy_calls = scenarios[0].calls if scenarios else domain.spec.calls.scored
    skeleton = domain.text(SKELETON)
    source = skeleton or domain.policy_source(domain.spec.example)
    return {
        "api": contract_page(domain, policy_calls),
        "example": "" if skeleton else domain.spec.example,
        "job": (domain.text(JOB) or domain.spec.summary).strip("\n"),
        "limits": config.limits,
        "modules": ", ".join(f"`{name}`" for name in STANDARD_MODULES if name != "__future__"),
        "policy_calls": policy_calls,
        "rules": domain.text(RULES).strip("\n"),
        "score": _score(domain, domain.spec.objective(config.objective)),
        "skeleton": f"```python\n{source.rstrip()}\n```",
        "system": domain.spec.system or f"a simulator of {domain.spec.title}",
        "objective": config.objective,
        "structured": config.proposer.structured,
    }


def contract_page(domain: Domain, *calls: str) -> str:
    """Return what a policy may use, as the domain says it for these calling modes."""
    page = domain.hosted("contract_page")
    text = page(*calls) if page is not None else domain.text(CONTRACT)
    return str(text).strip("\n")


def _score(domain: Domain, objective: Objective) -> str:
    """Return what is scored, in the words of the domain, else by name and unit."""
    if objective.explanation:
        return objective.explanation.strip("\n")
    first = domain.spec.reference
    unit = f", in {objective.unit}" if objective.unit else ""
    ratio = f"{first}'s / yours" if objective.better == "less" else f"yours / {first}'s"
    return (
        f"For each scenario: {objective.label}{unit}; {objective.better} is better. The score is\n"
        f"the geometric mean over the scenarios of ({ratio}): 1.0 is the policy {first},\n"
        "higher is better. A scenario in which the policy fails counts as badly as the worst."
    )


def user_values(
    domain: Domain,
    scenarios: Sequence[Any],
    attempts: Sequence[SeenAttempt],
    parts: Sequence[Shown],
    move: Move,
) -> Values:
    """Return what the template of the user text may use."""
    tried = [attempt for attempt in attempts if attempt.origin != "baseline"]
    kinds = {"baselines": "baseline", "policies": "policy", "attempts": "attempt", "last": "last"}
    lists = {name: [part for part in parts if part.kind == kind] for name, kind in kinds.items()}
    figures = {part.key: part.diagnosis for part in parts if part.kind == "figures"}
    lists["baselines"] = [
        replace(part, diagnosis=figures.get(part.key, "")) for part in lists["baselines"]
    ]
    return {
        **lists,
        "lessons": "\n".join(part.diagnosis for part in parts if part.kind == "lessons"),
        "scenarios": describe_scenarios(scenarios, domain),
        "move": move,
        "tried": len(tried),
        "failed": bool(tried) and tried[-1].outcome != "ok",
    }


def families_of(scenarios: Sequence[Any]) -> dict[str, str]:
    """Return the family of each scenario by its name."""
    return {each.name: each.family for each in scenarios}


def describe_scenarios(scenarios: Sequence[Any], domain: Domain) -> str:
    """Return what the policy is tried on, in the words of the domain, else by its counts."""
    outline = domain.hosted("outline")
    if outline is not None:
        return "\n".join(outline(scenarios))
    families: dict[str, list[Any]] = {}
    for each in scenarios:
        families.setdefault(each.family, []).append(each)
    return "\n".join(f"- {name}: {_extent(known, domain)}" for name, known in families.items())


def _extent(known: Sequence[Any], domain: Domain) -> str:
    """Return the length of the scenarios of a family, and how much there is of what."""
    facts = [f"{_span([each.duration_seconds for each in known])} s"]
    for key, label in domain.spec.sizes.items():
        facts.append(f"{_span([each.size[key] for each in known])} {label}")
    return "; ".join(facts)


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.4g}", f"{max(values):.4g}"
    return low if low == high else f"{low} to {high}"


def choose_parts(
    config: SearchConfig,
    attempts: Sequence[SeenAttempt],
    move: Move,
    chosen: Sequence[SeenAttempt],
    families: Mapping[str, str],
) -> list[Shown]:
    """Return what the prompt for this move shows; of each kind in the order it stands there."""
    feedback = config.feedback
    first = next((each for each in attempts if (each.iteration, each.slot) == (0, 0)), None)
    tried = [each for each in attempts if each.origin != "baseline"]
    policies = _policies(config, attempts, move, chosen)
    latest = _latest(feedback, tried, policies, move)
    baselines = [each for each in attempts if each.origin == "baseline"]
    measured = [each for each in baselines if each.evaluations]
    parts = [_baseline(each) for each in baselines]
    if not tried and feedback.show != "score":
        for each in measured:
            against = first if each is not first else None
            parts.append(_figures(each, _about(each, against, (), config)))
    for place, each in enumerate(policies, 1):
        explained = feedback.show != "score" and each not in latest and place <= _explained(move)
        explained = explained and bool(tried)  # the diagnoses of the baselines stand above
        shown = _about(each, first, attempts, config) if explained else ""
        parts.append(_policy(each, place, move, shown))
    for later, each in zip(reversed(range(len(latest))), latest, strict=True):
        shown = "" if feedback.show == "score" else _about(each, first, attempts, config)
        parts.append(_attempt(each, later, move, shown))
    if move == "free" and latest and latest[-1] not in policies and latest[-1].source:
        parts.append(_last(latest[-1]))
    if feedback.lessons and feedback.show == "history":
        parts += _lessons(config, attempts, families)
    return parts


def headline(attempt: SeenAttempt) -> str:
    """Return one line that names an attempt and says how it went."""
    score = "no score" if attempt.score is None else f"score {attempt.score:.3f}"
    if attempt.stopped:
        score = f"stopped {attempt.stopped}"
    ended = score if attempt.outcome == "ok" else f"{attempt.outcome}, {score}"
    title = f" {prompt_line(attempt.title, TITLE_CHARS)}" if attempt.title else ""
    return f"{_key(attempt)}{title}: {ended}"


def _policies(
    config: SearchConfig,
    attempts: Sequence[SeenAttempt],
    move: Move,
    chosen: Sequence[SeenAttempt],
) -> list[SeenAttempt]:
    """Return those that are shown with their source: the parents, else the best."""
    if move != "free":
        return [each for each in chosen if each.source]
    most = config.feedback.best if config.feedback.show == "history" else 1
    return _best(attempts, config.domain.spec.reference)[:most]


def _latest(
    feedback: FeedbackConfig,
    tried: Sequence[SeenAttempt],
    policies: Sequence[SeenAttempt],
    move: Move,
) -> list[SeenAttempt]:
    """Return the latest attempts, or the newest alone unless it is shown already."""
    if feedback.show == "history":
        return _window(tried, feedback.attempts)
    newest = _newest(tried, move)
    unknown = newest is not None and (feedback.show == "diagnoses" or newest not in policies)
    return [newest] if newest is not None and unknown else []


def _window(tried: Sequence[SeenAttempt], most: int) -> list[SeenAttempt]:
    """Return the latest, at most so many; the oldest leave several at a time."""
    if not most:
        return []
    step = max(1, most // LEAVE_TOGETHER)
    gone = max(0, len(tried) - most)
    return list(tried[-(-gone // step) * step :])


def _newest(tried: Sequence[SeenAttempt], move: Move) -> SeenAttempt | None:
    """Return the attempt that a free move follows on; other moves have parents of their own."""
    return tried[-1] if tried and move == "free" else None


def _best(attempts: Sequence[SeenAttempt], reference: str) -> list[SeenAttempt]:
    """Return the attempts that work, best first, but for repeats, barred ones and the reference.

    Every other is better than the reference, so its source is never shown.
    """
    usable = [
        attempt
        for attempt in attempts
        if attempt.outcome == "ok"
        and attempt.score is not None
        and attempt.source
        and attempt.duplicate_of is None
        and attempt.standing != "barred"
        and not (attempt.origin == "baseline" and attempt.title == reference)
    ]
    return sorted(usable, key=lambda a: (-(a.score or 0.0), a.iteration, a.slot))


def _explained(move: Move) -> int:
    """Return how many of the policies come with their measurements."""
    return 1 if move == "free" else 2


def _baseline(attempt: SeenAttempt) -> Shown:
    worth = attempt.score or 0.0
    key, line = _key(attempt), headline(attempt)
    return Shown(kind="baseline", key=key, headline=line, worth=worth, needed=True)


def _figures(attempt: SeenAttempt, diagnosis: str) -> Shown:
    return Shown(
        kind="figures",
        key=_key(attempt),
        headline=headline(attempt),
        worth=FIGURES_WORTH + (attempt.score or 0.0),
        diagnosis=diagnosis,
    )


def _policy(attempt: SeenAttempt, place: int, move: Move, diagnosis: str) -> Shown:
    return Shown(
        kind="policy",
        key=_key(attempt),
        headline=headline(attempt),
        worth=2 * POLICY_WORTH / (place + 1),
        needed=place == 1 or move != "free",
        place=place,
        source=prompt_code(attempt.source or ""),
        diagnosis=diagnosis,
    )


def _attempt(attempt: SeenAttempt, later: int, move: Move, diagnosis: str) -> Shown:
    return Shown(
        kind="attempt",
        key=_key(attempt),
        headline=headline(attempt),
        worth=ATTEMPT_WORTH * FADES**later,
        needed=later == 0 and move == "free",
        diagnosis=diagnosis,
    )


def _last(attempt: SeenAttempt) -> Shown:
    return Shown(
        kind="last",
        key=_key(attempt),
        headline=headline(attempt),
        worth=SOURCE_WORTH,
        needed=attempt.outcome != Outcome.OK,
        source=prompt_code(attempt.source or ""),
    )


def _lessons(
    config: SearchConfig, attempts: Sequence[SeenAttempt], families: Mapping[str, str]
) -> list[Shown]:
    """Return what the record shows, in a list that is empty where it shows nothing yet."""
    domain = config.domain
    tried = seen(attempts, domain.spec.objective(config.objective))
    lines = record_of(tried, families, domain.hosted("space")).lines()
    text = "\n".join(f"- {line}" for line in lines)
    found = Shown(kind="lessons", key="", headline="", worth=LESSONS_WORTH, diagnosis=text)
    return [found] if lines else []


def _about(
    attempt: SeenAttempt,
    first: SeenAttempt | None,
    attempts: Sequence[SeenAttempt],
    config: SearchConfig,
) -> str:
    """Return the diagnosis of an attempt, against the first baseline where that is given."""
    lines = diagnose(attempt, first, config.domain, config.objective, attempts)
    return "\n".join(line if "\n" in line else f"- {line}" for line in lines)


def _key(attempt: SeenAttempt) -> str:
    return f"{attempt.iteration}/{attempt.slot}"
