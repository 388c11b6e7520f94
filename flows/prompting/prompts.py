"""Writes the prompt for the next policy from the facts and the past; only computes.

Three texts: what the templates may use, which parts of the past are shown, and what is left out
first when the prompt is too long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flows.attempt import Move, Prompt, SeenAttempt
from flows.prompting.diagnoses import diagnose
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
from simulator.cell.allowed import STANDARD_MODULES
from simulator.domain import Domain
from simulator.domain_spec import Objective

JOB, RULES, SKELETON, CONTRACT = "job.md", "rules.md", "skeleton.txt", "contract.md"
"""Texts of a domain, all optional: what a policy is for, what it must respect, the least policy
that runs, and what it may use."""

CHARS_PER_TOKEN = 4
"""A rough average for English and Python; tokenizers differ."""

TITLE_CHARS = 90
BASELINE_WORTH = 10_000.0
PARENT_WORTH = 2_000.0

Values = dict[str, object]


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
    system = render_own(templates.texts, SYSTEM, system_values(config, scenarios))
    room = config.feedback.prompt_tokens * CHARS_PER_TOKEN - len(system)

    def written(parts: Sequence[Shown]) -> str:
        values = user_values(config.domain, scenarios, attempts, parts, move)
        return for_prompt(render_own(templates.texts, USER, values))

    user = _fitted(choose_parts(config, attempts, move, chosen), written, room)
    return Prompt(
        system=system,
        user=user,
        sha256=text_sha256(system, user),
        template=templates.name,
        template_sha256=templates.sha256,
    )


def templates_of(config: SearchConfig) -> Templates:
    """Return the templates that a search uses: the user's, else the domain's, else the shipped."""
    return load_templates(config.feedback.prompts or config.domain.hosted("prompt_templates"))


def _fitted(parts: Sequence[Shown], written: Callable[[Sequence[Shown]], str], room: int) -> str:
    """Return the text of the worthiest parts that fit: the least worthy are left out first.

    Omitted parts that are small enough to fit are put back.
    """
    kept = list(parts)
    text = written(kept)
    while len(text) > room and kept:
        kept.remove(min(kept, key=lambda part: part.worth))
        text = written(kept)
    left_out = [part for part in parts if part not in kept]
    for each in sorted(left_out, key=lambda part: -part.worth):
        more = [part for part in parts if part in kept or part is each]
        longer = written(more)
        if len(longer) <= room:
            kept, text = more, longer
    return text


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
        "scenarios": describe_scenarios(scenarios, domain),
        "move": move,
        "tried": len(tried),
        "failed": bool(tried) and tried[-1].outcome != "ok",
    }


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
) -> list[Shown]:
    """Return what the prompt for this move shows, in the order in which it stands there."""
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
    for age, each in enumerate(latest):
        shown = "" if feedback.show == "score" else _about(each, first, attempts, config)
        parts.append(_attempt(each, age, shown))
    if move == "free" and latest and latest[-1] not in policies and latest[-1].source:
        parts.append(_last(latest[-1]))
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
    worth = BASELINE_WORTH + (attempt.score or 0.0)
    return Shown(kind="baseline", key=_key(attempt), headline=headline(attempt), worth=worth)


def _figures(attempt: SeenAttempt, diagnosis: str) -> Shown:
    return Shown(
        kind="figures",
        key=_key(attempt),
        headline=headline(attempt),
        worth=400.0 + (attempt.score or 0.0),
        diagnosis=diagnosis,
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


def _attempt(attempt: SeenAttempt, age: int, diagnosis: str) -> Shown:
    return Shown(
        kind="attempt",
        key=_key(attempt),
        headline=headline(attempt),
        worth=500.0 + age,
        diagnosis=diagnosis,
    )


def _last(attempt: SeenAttempt) -> Shown:
    return Shown(
        kind="last",
        key=_key(attempt),
        headline=headline(attempt),
        worth=550.0,
        source=prompt_code(attempt.source or ""),
    )


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
