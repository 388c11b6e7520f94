"""Writes the prompt for the next policy from the facts and the past; only computes."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from flows.attempt import Move, Prompt, SeenAttempt
from flows.prompting.figures import CLASSES
from flows.prompting.folder import SYSTEM, USER, Templates, load_templates, text_sha256
from flows.prompting.parts import Shown, choose_parts
from flows.prompting.policy_page import policy_page
from flows.prompting.templates import render_own
from flows.settings.search import SearchConfig
from flows.untrusted import for_prompt
from simulator.cell.allowed import STANDARD_MODULES
from simulator.objectives import WEIGHTS
from simulator.params import Params
from simulator.plans import SCAN_GB_PER_SECOND
from simulator.scenario import Scenario
from simulator.workload import Priority, Workload

CHARS_PER_TOKEN = 4
"""A rough and cautious average for English and Python; tokenizers differ."""

Values = dict[str, object]


def render_prompt(
    *,
    config: SearchConfig,
    scenarios: Sequence[Scenario],
    attempts: Sequence[SeenAttempt],
    move: Move = "free",
    chosen: Sequence[SeenAttempt] = (),
) -> Prompt:
    """Return the prompt that shows these attempts, within the configured number of tokens."""
    templates = load_templates(config.feedback.prompts)
    system = render_own(templates.texts, SYSTEM, system_values(config, scenarios))
    parts = choose_parts(config.feedback, attempts, move, chosen)
    most = config.feedback.prompt_tokens * CHARS_PER_TOKEN
    user = _user(templates, scenarios, attempts, parts, move)
    while len(system) + len(user) > most and parts:
        parts.remove(min(parts, key=lambda part: part.worth))
        user = _user(templates, scenarios, attempts, parts, move)
    return Prompt(
        system=system,
        user=user,
        sha256=text_sha256(system, user),
        template=templates.name,
        template_sha256=templates.sha256,
    )


def system_values(config: SearchConfig, scenarios: Sequence[Scenario]) -> Values:
    """Return what the template of the system text may use."""
    policy_calls = scenarios[0].params.policy_calls if scenarios else "on_change"
    return {
        "api": policy_page(policy_calls),
        "limits": config.limits,
        "modules": ", ".join(f"`{name}`" for name in STANDARD_MODULES if name != "__future__"),
        "policy_calls": policy_calls,
        "scan_gb_per_second": SCAN_GB_PER_SECOND,
        "weights": ", ".join(
            f"{name} {WEIGHTS[priority]:g}"
            for priority, name in zip(Priority, CLASSES, strict=True)
        ),
        "objective": config.objective,
        "structured": config.proposer.structured,
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


def _user(
    templates: Templates,
    scenarios: Sequence[Scenario],
    attempts: Sequence[SeenAttempt],
    parts: Sequence[Shown],
    move: Move,
) -> str:
    values = user_values(scenarios, attempts, parts, move)
    return for_prompt(render_own(templates.texts, USER, values))


def user_values(
    scenarios: Sequence[Scenario],
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
