"""Writes the prompt for the next policy from the facts and the past; only computes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.config import SearchConfig
from flows.diagnoses import diagnose
from flows.policy_page import policy_page
from flows.proposing import Attempt, Prompt
from flows.templates import render_text
from flows.untrusted import code, one_line
from simulator.cell.allowed import STANDARD_MODULES
from simulator.library import policy_source
from simulator.scenario import Scenario

TEMPLATES = Path(__file__).with_name("prompt_templates")
NAME = "refine"
CHARS_PER_TOKEN = 4
"""A rough and cautious average for English and Python; tokenizers differ."""

TITLE_CHARS = 90
EXAMPLE = "naive"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A part of the prompt; those of lower worth are dropped first when it grows too long."""

    text: str
    worth: float


def render_prompt(
    *, config: SearchConfig, scenarios: Sequence[Scenario], attempts: Sequence[Attempt]
) -> Prompt:
    """Return the prompt that shows these attempts, within the configured number of tokens."""
    system = render_text(
        TEMPLATES / "system.md.j2",
        api=policy_page(),
        limits=config.limits,
        modules=", ".join(f"`{name}`" for name in STANDARD_MODULES if name != "__future__"),
        policy_calls=scenarios[0].params.policy_calls if scenarios else "on_change",
        example=code(policy_source(EXAMPLE)),
    )
    most = config.feedback.prompt_tokens * CHARS_PER_TOKEN
    sections = _sections(config, attempts)
    user = _user(scenarios, attempts, sections)
    while len(system) + len(user) > most and sections:
        sections.remove(min(sections, key=lambda section: section.worth))
        user = _user(scenarios, attempts, sections)
    return Prompt(
        system=system,
        user=user,
        sha256=_sha256(system, user),
        template=NAME,
        template_sha256=_sha256(*_template_texts()),
    )


def _user(
    scenarios: Sequence[Scenario], attempts: Sequence[Attempt], sections: Sequence[_Section]
) -> str:
    baselines = [attempt for attempt in attempts if attempt.origin == "baseline"]
    return render_text(
        TEMPLATES / "user.md.j2",
        scenarios=describe_scenarios(scenarios),
        baselines=[_headline(attempt) for attempt in baselines],
        sections=[section.text for section in sections],
        task=_task(attempts),
    )


def describe_scenarios(scenarios: Sequence[Scenario]) -> str:
    """Return the clusters that the policy is tried on; nothing about what will arrive."""
    clusters: dict[str, list[str]] = {}
    for scenario in scenarios:
        p = scenario.params
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
        facts.append(
            "estimates of memory in op.estimate" if p.estimator_algo else "no estimates of memory"
        )
        families = clusters.setdefault("; ".join(facts), [])
        if scenario.family not in families:
            families.append(scenario.family)
    return "\n".join(f"- {', '.join(names)}: {facts}" for facts, names in clusters.items())


def _sections(config: SearchConfig, attempts: Sequence[Attempt]) -> list[_Section]:
    """Return the best policies, then the latest attempts, each worth more the better or newer."""
    naive = next((a for a in attempts if (a.iteration, a.slot) == (0, 0)), None)
    tried = [attempt for attempt in attempts if attempt.origin != "baseline"]
    best = _best(attempts)[: config.feedback.best]
    latest = tried[-config.feedback.attempts :] if config.feedback.attempts else []
    sections = [
        _Section(text=_with_source(attempt, rank), worth=1000.0 - 400.0 * rank)
        for rank, attempt in enumerate(best)
    ]
    sections += [
        _Section(text=_with_diagnosis(attempt, naive), worth=500.0 + age)
        for age, attempt in enumerate(latest)
        if attempt not in best[1:] or attempt is latest[-1]
    ]
    if latest and latest[-1] not in best and latest[-1].source:
        text = f"# The source of attempt {_key(latest[-1])}\n\n{code(latest[-1].source)}"
        sections.append(_Section(text=text, worth=550.0))
    return sections


def _best(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return the attempts that work, best first; repeats and the example are left out."""
    usable = [
        attempt
        for attempt in attempts
        if attempt.outcome == "ok"
        and attempt.score is not None
        and attempt.source
        and attempt.duplicate_of is None
        and not (attempt.origin == "baseline" and attempt.title == EXAMPLE)
    ]
    return sorted(usable, key=lambda a: (-(a.score or 0.0), a.iteration, a.slot))


def _with_source(attempt: Attempt, rank: int) -> str:
    title = "The best policy so far" if rank == 0 else f"Number {rank + 1} so far"
    return f"# {title}: {_headline(attempt)}\n\n{code(attempt.source or '')}"


def _with_diagnosis(attempt: Attempt, baseline: Attempt | None) -> str:
    lines = [line if "\n" in line else f"- {line}" for line in diagnose(attempt, baseline)]
    return "\n".join([f"# Attempt {_headline(attempt)}", "", *lines])


def _headline(attempt: Attempt) -> str:
    """Return one line that names an attempt and says how it went."""
    score = "no score" if attempt.score is None else f"score {attempt.score:.3f}"
    ended = score if attempt.outcome == "ok" else f"{attempt.outcome}, {score}"
    title = f" {one_line(attempt.title, TITLE_CHARS)}" if attempt.title else ""
    return f"{_key(attempt)}{title}: {ended}"


def _key(attempt: Attempt) -> str:
    return f"{attempt.iteration}/{attempt.slot}"


def _task(attempts: Sequence[Attempt]) -> str:
    tried = [attempt for attempt in attempts if attempt.origin != "baseline"]
    if not tried:
        return "Write a policy that scores higher than every baseline."
    if tried[-1].outcome != "ok":
        return (
            "The latest attempt failed. Mend it, or write another policy that scores higher than "
            "the best so far."
        )
    return (
        "Write a policy that scores higher than the best so far. Change what the figures above "
        "show to be the bottleneck; a copy with other names earns nothing."
    )


def _template_texts() -> list[str]:
    names = ("system.md.j2", "user.md.j2")
    return [(TEMPLATES / name).read_text(encoding="utf-8") for name in names]


def _sha256(*texts: str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "backslashreplace")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
