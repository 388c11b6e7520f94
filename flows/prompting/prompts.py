"""Writes the prompt for the next policy from the facts and the past; only computes.

Three texts: what the templates may use, which parts of the past are shown, and what is left out
first when the prompt is too long.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from flows.attempt import Move, Prompt, SeenAttempt
from flows.prompting.diagnoses import WEIGHTS, diagnose
from flows.prompting.policy_page import policy_page
from flows.prompting.templates import SYSTEM, USER, load_templates, render_own, text_sha256
from flows.settings.search import SearchConfig
from flows.settings.sections import FeedbackConfig
from flows.untrusted import for_prompt, prompt_code, prompt_line
from simulator.cell.allowed import STANDARD_MODULES
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.plans import SCAN_GB_PER_SECOND
from simulator.domains.pipelines.scenario import Scenario
from simulator.domains.pipelines.workload import Workload

CHARS_PER_TOKEN = 4
"""A rough average for English and Python; tokenizers differ."""

TITLE_CHARS = 90
REFERENCE = "naive"
"""The policy whose score is 1.0: every other is better than it, so its source is never shown."""

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
    templates = load_templates(config.feedback.prompts)
    system = render_own(templates.texts, SYSTEM, system_values(config, scenarios))
    room = config.feedback.prompt_tokens * CHARS_PER_TOKEN - len(system)

    def written(parts: Sequence[Shown]) -> str:
        values = user_values(scenarios, attempts, parts, move)
        return for_prompt(render_own(templates.texts, USER, values))

    user = _fitted(choose_parts(config.feedback, attempts, move, chosen), written, room)
    return Prompt(
        system=system,
        user=user,
        sha256=text_sha256(system, user),
        template=templates.name,
        template_sha256=templates.sha256,
    )


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
    policy_calls = scenarios[0].params.policy_calls if scenarios else "on_change"
    return {
        "api": policy_page(policy_calls),
        "limits": config.limits,
        "modules": ", ".join(f"`{name}`" for name in STANDARD_MODULES if name != "__future__"),
        "policy_calls": policy_calls,
        "scan_gb_per_second": SCAN_GB_PER_SECOND,
        "weights": ", ".join(f"{name} {weight:g}" for name, weight in WEIGHTS.items()),
        "objective": config.objective,
        "structured": config.proposer.structured,
    }


def user_values(
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
        "scenarios": describe_scenarios(scenarios),
        "move": move,
        "tried": len(tried),
        "failed": bool(tried) and tried[-1].outcome != "ok",
    }


def describe_scenarios(scenarios: Sequence[Scenario]) -> str:
    """Return the clusters that the policy is tried on, and how much arrives there by family."""
    clusters: dict[str, dict[str, list[tuple[Workload, float]]]] = {}
    for each in scenarios:
        families = clusters.setdefault(_cluster(each.params), {})
        families.setdefault(each.family, []).append((each.workload, each.params.duration))
    lines = []
    for cluster, families in clusters.items():
        lines.append(f"- {cluster}")
        lines += [f"  - {family}: {_scale(known)}" for family, known in families.items()]
    return "\n".join(lines)


def _cluster(p: Params) -> str:
    pools = "1 pool" if p.num_pools == 1 else f"{p.num_pools} pools, each"
    facts = [
        f"{pools} of {p.cpus_per_pool:g} CPUs and {p.ram_gb_per_pool:g} GB",
        f"{p.duration:g} s at {p.ticks_per_second:g} ticks per second",
        "several operators per container"
        if p.multi_operator_containers
        else "one operator per container",
    ]
    if p.allow_memory_overcommit:
        facts.append("memory may be overcommitted")
    if p.max_job_seconds:
        facts.append(f"pipelines time out after {p.max_job_seconds:g} s")
    else:
        facts.append("no deadlines")
    facts.append(
        "estimates of memory in op.estimate" if p.estimator_algo else "no estimates of memory"
    )
    return "; ".join(facts)


def _scale(known: Sequence[tuple[Workload, float]]) -> str:
    """Return how many pipelines arrive and how large they are, over the scenarios of a family."""
    rates = [60 * len(workload.pipelines) / seconds for workload, seconds in known]
    sizes = [len(each.operators) for workload, _ in known for each in workload.pipelines]
    if not sizes:
        return "nothing arrives"
    return (
        f"{_span(rates)} pipelines per minute, {_span(sizes)} operators in each "
        f"(median {median(sizes):g})"
    )


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2g}", f"{max(values):.2g}"
    return low if low == high else f"{low} to {high}"


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
