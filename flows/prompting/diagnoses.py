"""Says in a few lines what a scheduler engineer would say about an attempt."""

from collections.abc import Sequence

from flows.attempt import SeenAttempt
from flows.prompting.figures import ClassFigures, Figures, figures, ratios
from flows.untrusted import prompt_fence, prompt_line
from sandbox.outcome import Evaluation

FINDINGS_SHOWN = 8
SCENARIOS_SHOWN = 3
MESSAGE_CHARS = 600
LINE_CHARS = 160
PRINT_CHARS = 400


def diagnose(attempt: SeenAttempt, baseline: SeenAttempt | None) -> tuple[str, ...]:
    """Return the lines: how it compares with the baseline, why it failed, what held it back."""
    lines = [*_sameness(attempt), *_findings(attempt), *_problem(attempt)]
    measured = figures(attempt.evaluations)
    if measured is not None:
        other = figures(baseline.evaluations) if baseline is not None else None
        lines += _classes(measured, other)
        lines += _charges(measured)
        lines += _waits(measured)
        lines += _resources(measured)
        lines += _kills(measured)
        lines += _starvation(measured)
    if baseline is not None:
        lines += _scenarios(attempt.evaluations, baseline.evaluations)
    if attempt.prints.strip():
        lines.append(prompt_fence("it printed", attempt.prints, PRINT_CHARS))
    return tuple(lines)


def _sameness(attempt: SeenAttempt) -> list[str]:
    if attempt.duplicate_of is None:
        return []
    return [
        f"it decides the same as attempt {attempt.duplicate_of} in every scenario: change what is "
        "decided, not how it is written"
    ]


def _findings(attempt: SeenAttempt) -> list[str]:
    lines = []
    for finding in attempt.findings[:FINDINGS_SHOWN]:
        where = f"line {finding.line}" if finding.line else "the whole file"
        shown = f": {prompt_line(finding.source_line, LINE_CHARS)}" if finding.source_line else ""
        lines.append(f"{where}: {prompt_line(finding.message, LINE_CHARS)}{shown}")
    more = len(attempt.findings) - FINDINGS_SHOWN
    return [*lines, f"and {more} more findings"] if more > 0 else lines


def _problem(attempt: SeenAttempt) -> list[str]:
    lines = []
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


def _classes(own: Figures, other: Figures | None) -> list[str]:
    lines = []
    for name, mine in own.classes.items():
        if not mine.arrived:
            continue
        theirs = other.classes.get(name) if other is not None else None
        against = f" (baseline: {_fared(theirs)})" if theirs is not None else ""
        lines.append(f"{name}: {_fared(mine)}{against}")
    return lines


def _fared(fared: ClassFigures) -> str:
    mean = "" if fared.mean_seconds is None else f", mean latency {_seconds(fared.mean_seconds)}"
    tail = "" if fared.p95_seconds is None else f", p95 up to {_seconds(fared.p95_seconds)}"
    return f"{fared.completed} of {fared.arrived} completed{mean}{tail}"


def _charges(own: Figures) -> list[str]:
    shares = [f"{name} {share:.0f} %" for name, share in own.charges.items() if share >= 0.5]
    return [f"the weighted latency comes from: {', '.join(shares)}"] if shares else []


def _waits(own: Figures) -> list[str]:
    if own.wait_seconds is None or own.service_seconds is None:
        return []
    return [
        f"a pipeline waits {_seconds(own.wait_seconds)} for its first operator to start and takes "
        f"{_seconds(own.service_seconds)} from there (means)"
    ]


def _resources(own: Figures) -> list[str]:
    cpu, ram, used = (
        own.cpu_allocated_percent,
        own.memory_allocated_percent,
        own.memory_used_percent,
    )
    lines = []
    if cpu is not None and ram is not None:
        of_it = "" if used is None else f", of which {used:.0f} % was used"
        lines.append(f"CPUs {cpu:.0f} % allocated, memory {ram:.0f} % allocated{of_it}")
    if used is not None and used < 40 and (ram or 0) > 60:
        lines.append("memory requests are far above the need and keep other work out")
    if cpu is not None and ram is not None and cpu < 50 and ram < 50:
        lines.append("half of the cluster idles: more CPUs or more operators at once may pay")
    if cpu is not None and cpu > 90 and (ram or 0) < 60:
        lines.append("CPUs are the bottleneck: fewer per container would let more run at once")
    return lines


def _kills(own: Figures) -> list[str]:
    if not own.oom_kills:
        return []
    lines = [
        f"{own.oom_kills} out-of-memory kills wasted {own.oom_wasted_cpu_seconds:.0f} CPU seconds"
    ]
    for requested, observed, count in own.oom_requests:
        lines.append(f"{count} of them asked for {requested:g} GB and had come to {observed:g} GB")
    return lines


def _starvation(own: Figures) -> list[str]:
    lines = []
    if own.starved:
        lines.append(f"{own.starved} pipelines arrived and never had an operator started")
    if own.timed_out:
        lines.append(f"{own.timed_out} pipelines timed out")
    return lines


def _scenarios(own: Sequence[Evaluation], baseline: Sequence[Evaluation]) -> list[str]:
    worst = ratios(own, baseline)[:SCENARIOS_SHOWN]
    if not worst:
        return []
    shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in worst)
    return [f"weakest scenarios (times better than the baseline): {shown}"]


def _seconds(value: float) -> str:
    return f"{value:.1f} s"
