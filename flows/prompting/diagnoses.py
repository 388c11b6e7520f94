"""Says in a few lines how an attempt went: generic facts, and what its domain makes of them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from flows.attempt import SeenAttempt
from flows.prompting.excess import excess_lines
from flows.untrusted import prompt_fence, prompt_line
from sandbox.outcome import Evaluation, Outcome
from simulator.domain import Domain
from simulator.domain_host import Metrics
from simulator.domain_spec import Metric, Objective, figure

FINDINGS_SHOWN = 8
SCENARIOS_SHOWN = 3
MESSAGE_CHARS = 600
LINE_CHARS = 160
PRINT_CHARS = 400


def diagnose(
    attempt: SeenAttempt,
    reference: SeenAttempt | None,
    domain: Domain,
    objective: str | None = None,
    attempts: Iterable[SeenAttempt] = (),
) -> tuple[str, ...]:
    """Return the lines: why it failed, what held it back, and how it compares with the reference.

    What held it back is said by the domain, else by its figures alone. Where its cost arises is
    said beside the best of ``attempts`` in its weakest scenarios.
    """
    if reference is not None and attempt.stopped:
        reference = _where_tried(reference, attempt)
    lines = [*_sameness(attempt), *_findings(attempt), *_problem(attempt)]
    own = _metrics(attempt)
    others = _metrics(reference) if reference is not None else []
    explain = domain.hosted("diagnose")
    lines += explain(own, others) if explain is not None else _figures(own, others, domain)
    if reference is not None:
        lines += _scenarios(attempt.evaluations, reference.evaluations, domain, objective)
    lines += excess_lines(attempt, attempts, domain.spec, objective)
    if attempt.prints.strip():
        lines.append(prompt_fence("it printed", attempt.prints, PRINT_CHARS))
    return tuple(lines)


def _where_tried(reference: SeenAttempt, attempt: SeenAttempt) -> SeenAttempt:
    """Return the reference with the scenarios alone on which an attempt was tried."""
    tried = {each.scenario for each in attempt.evaluations}
    kept = tuple(each for each in reference.evaluations if each.scenario in tried)
    return replace(reference, evaluations=kept)


def _metrics(attempt: SeenAttempt) -> list[Metrics]:
    return [each.metrics for each in attempt.evaluations if each.metrics]


def _sameness(attempt: SeenAttempt) -> list[str]:
    if attempt.duplicate_of is None:
        return []
    return [
        f"it makes the same decisions as attempt {attempt.duplicate_of} in every scenario: change "
        "what it decides, not how it is written"
    ]


def _findings(attempt: SeenAttempt) -> list[str]:
    lines = []
    for finding in attempt.findings[:FINDINGS_SHOWN]:
        where = f"line {finding.line}" if finding.line else "the whole file"
        shown = f": {prompt_line(finding.source_line, LINE_CHARS)}" if finding.source_line else ""
        lines.append(f"{where}: {prompt_line(finding.message, LINE_CHARS)}{shown}")
    more = len(attempt.findings) - FINDINGS_SHOWN
    return [*lines, f"and {more} more findings"] if more > 0 else lines


_SIMULATOR_FAILED = (
    "the simulator failed, which is no fault of the policy: there is no score, and what went wrong "
    "is not told here"
)


def _problem(attempt: SeenAttempt) -> list[str]:
    lines = []
    if attempt.outcome == Outcome.SIMULATOR_FAILED:
        return [_SIMULATOR_FAILED]  # its words may tell what is hidden, or say what to write
    if attempt.problem:
        where = f" in line {attempt.problem_line}" if attempt.problem_line else ""
        lines.append(prompt_fence(f"it failed{where}", attempt.problem, MESSAGE_CHARS))
    if attempt.problem_source_line.strip():
        lines.append(f"that line is {prompt_line(attempt.problem_source_line, LINE_CHARS)}")
    failed = [each for each in attempt.evaluations if each.outcome != "ok"]
    if failed and len(failed) < len(attempt.evaluations):
        names = ", ".join(f"{each.scenario} ({each.outcome.value})" for each in failed[:5])
        lines.append(f"failed in {len(failed)} of {len(attempt.evaluations)} scenarios: {names}")
    return lines


def _figures(own: Sequence[Metrics], others: Sequence[Metrics], domain: Domain) -> list[str]:
    """Return the metrics that the domain shows to people, one a line."""
    lines = []
    for metric in domain.spec.metrics:
        mine, theirs = _over(metric, own), _over(metric, others)
        if mine is not None:
            name, shown = domain.spec.reference, _with_unit(theirs, metric)
            against = "" if theirs is None else f" ({name}: {shown})"
            lines.append(f"{metric.label}: {_with_unit(mine, metric)}{against}")
    return lines


def _over(metric: Metric, known: Sequence[Metrics]) -> float | None:
    """Return a metric over the scenarios, None where none has it."""
    found = [figure(metric.key, each) for each in known]
    values = [float(each) for each in found if isinstance(each, int | float)]
    if not values:
        return None
    match metric.over:
        case "sum":
            return sum(values)
        case "max":
            return max(values)
        case "mean":
            return sum(values) / len(values)


def _with_unit(value: float | None, metric: Metric) -> str:
    return "" if value is None else f"{value:.4g} {metric.unit}".rstrip()


def _scenarios(
    own: Sequence[Evaluation], others: Sequence[Evaluation], domain: Domain, name: str | None
) -> list[str]:
    worst = _ratios(own, others, domain.spec.objective(name))[:SCENARIOS_SHOWN]
    if not worst:
        return []
    shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in worst)
    return [f"weakest scenarios (score; {domain.spec.reference} is 1): {shown}"]


def _ratios(
    own: Sequence[Evaluation], others: Sequence[Evaluation], objective: Objective
) -> list[tuple[str, float]]:
    """Return (scenario, how many times better than the reference), worst first."""
    theirs = {each.scenario: _value(each, objective) for each in others}
    found = []
    for each in own:
        mine, other = _value(each, objective), theirs.get(each.scenario)
        if mine and other:
            ratio = other / mine if objective.better == "less" else mine / other
            found.append((each.scenario, ratio))
    return sorted(found, key=lambda pair: (pair[1], pair[0]))


def _value(evaluation: Evaluation, objective: Objective) -> float | None:
    value = figure(objective.figure, evaluation.metrics, evaluation.stats)
    return float(value) if value is not None else None
