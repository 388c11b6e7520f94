"""What is done with a simulator that passed every check: mutants of it, and its parameters.

Everything here depends on its arguments alone, so that a certificate can be computed again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any, Protocol

from sandbox.outcome import Evaluation, Outcome, Trial
from simulator.bootstrap import calibration
from simulator.bootstrap.check_spec import SPLITS, Figures, Measure, Ranking
from simulator.bootstrap.folder import Folder, Measured, figure_rows
from simulator.bootstrap.mutants import Mutant
from simulator.bootstrap.scenario import CheckScenario

FIGURES_FILE = "figures.csv"
HELD = SPLITS["held"]
CHEAP = 0.2
"""The share of the CPU time of all checks that the cheap ones take together."""
UNREACHED = 1e9
"""The distance of parameters with which the simulator failed."""

Try = Callable[[str, str, Sequence[CheckScenario]], Trial]
"""Tries a source, under a label, on checks."""
NOTHING_KNOWN: Mapping[int, Sequence[str]] = {}
ForAll = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]
"""Calls a function with each of these, one after another or side by side."""


def killed_by(trial: Trial) -> list[str]:
    """Return the checks that noticed a mistake; a source that fails at all is noticed by all."""
    if not trial.evaluations:
        return [str(trial.outcome)]
    return [each.scenario for each in trial.evaluations if not passed(each)]


def passed(evaluation: Evaluation) -> bool:
    """Return whether a check passed."""
    metrics = evaluation.metrics or {}
    return evaluation.outcome is Outcome.OK and metrics.get("passed") == 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a mutant may run: a multiple of what the simulator it was made of used.

    That is the CPU time of the simulator's process in one run, on average over the runs of a check.
    The multiple is large, since a mutant that no check notices must not be stopped by chance.
    """

    times: float = 10.0
    least_cpu_seconds: float = 0.5

    def of_run(self, tried: "Tried | None") -> float:
        """Return the CPU seconds of a mutant in each run of a check that was tried."""
        if tried is None:
            return self.least_cpu_seconds
        runs: int = max(1, (tried.metrics or {}).get("runs", 1))
        return max(self.least_cpu_seconds, self.times * tried.policy_cpu_seconds / runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A mutant, and the checks that noticed it: all of them, or enough to know what it says."""

    mutant: Mutant
    killed_by: Sequence[str]


def for_mutants(
    checks: Sequence[CheckScenario], ended: "Mapping[str, Tried]", pace: Pace | None
) -> list[list[CheckScenario]]:
    """Return checks of which only the verdict matters, the cheap ones and then the dear ones.

    ``ended`` tells what the simulator itself used. Without a pace a mutant may use up all CPU
    seconds of a check.
    """
    used = {name: each.policy_cpu_seconds for name, each in ended.items()}
    parts: list[list[CheckScenario]] = [[], []]
    room = CHEAP * sum(used.get(each.name, 0.0) for each in checks)
    for each in sorted(checks, key=lambda each: used.get(each.name, 0.0)):
        room -= used.get(each.name, 0.0)
        limit = pace.of_run(ended.get(each.name)) if pace is not None else None
        parts[room < 0.0].append(replace(each, shrink=False, run_cpu_seconds=limit))
    return [part for part in parts if part]


def adequacy(
    parts: Sequence[Sequence[CheckScenario]],
    mutants: Sequence[Mutant],
    tried: Try,
    for_all: ForAll,
    known: Mapping[int, Sequence[str]] = NOTHING_KNOWN,
) -> list[Tested]:
    """Return how many small mistakes in this very source the checks ``for_mutants`` would notice.

    The dear ones are asked only where they could still change what is recorded. ``known`` are the
    checks that noticed mutants which were tried before, by number from 1.
    """
    held = {each.name for part in parts for each in part if each.split == HELD}

    def run(numbered: tuple[int, Mutant]) -> Tested:
        number, mutant = numbered
        if number in known:
            return Tested(mutant=mutant, killed_by=known[number])
        killed: list[str] = []
        for part in parts:
            killed += killed_by(tried(mutant.source, f"mutant {number}", part))
            if len(killed) > 1 and held & set(killed):
                break
        return Tested(mutant=mutant, killed_by=killed)

    return for_all(run, list(enumerate(mutants, start=1)))


def adequacy_record(
    tested: Sequence[Tested], held: Sequence[str], pace: Pace | None
) -> dict[str, Any]:
    """Return the mutation score, the survivors, and what the checks are worth."""
    killed = [each for each in tested if each.killed_by]
    alone: dict[str, int] = {}
    for each in killed:
        if len(each.killed_by) == 1:
            alone[each.killed_by[0]] = alone.get(each.killed_by[0], 0) + 1
    return {
        "made": len(tested),
        "killed": len(killed),
        "killed_by_held": sum(bool(set(each.killed_by) & set(held)) for each in killed),
        "score": round(len(killed) / len(tested), 4) if tested else None,
        "survivors": [
            {"line": each.mutant.line, "change": each.mutant.change}
            for each in tested
            if not each.killed_by
        ],
        "only_one_check_noticed": alone,
    } | ({} if pace is None else {"pace": asdict(pace)})


Recall = Callable[[int, Callable[[], list[float]]], list[float]]


def _compute(_number: int, distances: Callable[[], list[float]]) -> list[float]:
    return distances()


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """Parameters, and how far the simulator is from the two halves of the figures with them."""

    parameters: dict[str, int]
    fitted: float
    held: calibration.Error
    figures: int


def calibrate(
    source: str, folder: Folder, seed: int, tried: Try, recall: Recall = _compute
) -> Calibrated | None:
    """Fit the parameters to one half of the figures; None without parameters or figures.

    ``recall`` may know the distances of a generation, numbered from 0, and computes them if not.
    """
    if not folder.spec.parameters or FIGURES_FILE not in folder.files:
        return None
    rows = figure_rows(folder, FIGURES_FILE)
    runs = sorted({_run_of(row) for row in rows})
    if len(runs) < 2:
        return None
    first, second = calibration.halves(len(runs), seed)
    fitted = [row for row in rows if _run_of(row) in {runs[each] for each in first}]
    held = [row for row in rows if _run_of(row) in {runs[each] for each in second}]
    start = {name: each.default for name, each in folder.spec.parameters.items()}

    numbers = count()

    def loss(children: Sequence[calibration.Parameters]) -> list[float]:
        return recall(
            next(numbers),
            lambda: [
                UNREACHED if pairs is None else min(UNREACHED, calibration.relative_distance(pairs))
                for pairs in measured_pairs(source, fitted, children, tried)
            ],
        )

    best, distance = calibration.fit(folder.spec.parameters, start, loss, seed)
    return Calibrated(
        parameters=best,
        fitted=distance,
        held=held_error(source, held, best, seed, tried),
        figures=len(rows),
    )


def held_error(
    source: str, held: Sequence[Measured], parameters: Mapping[str, int], seed: int, tried: Try
) -> calibration.Error:
    """Return the error on the half of the figures that was not fitted."""
    (pairs,) = measured_pairs(source, held, [dict(parameters)], tried)
    if pairs is None:
        return calibration.Error(UNREACHED, UNREACHED, UNREACHED)
    return calibration.error_with_interval(pairs, seed)


def held_half(folder: Folder, seed: int) -> list[Measured]:
    """Return the figures that are not fitted."""
    rows = figure_rows(folder, FIGURES_FILE)
    runs = sorted({_run_of(row) for row in rows})
    held = {runs[each] for each in calibration.halves(len(runs), seed)[1]}
    return [row for row in rows if _run_of(row) in held]


def measured_pairs(
    source: str,
    rows: Sequence[Measured],
    children: Sequence[calibration.Parameters],
    tried: Try,
) -> list[dict[str, list[tuple[float, float]]] | None]:
    """Return, for each set of parameters, (measured, simulated) by figure; None where it failed."""
    groups: dict[tuple[str, str], list[Measured]] = {}
    for row in rows:
        groups.setdefault((row.generator, row.policy), []).append(row)
    asked = []
    for number, child in enumerate(children):
        for (generator, policy), group in groups.items():
            check = Measure(
                name=f"{number} {generator} {policy}",
                split="shown",
                generator=generator,
                policy=policy,
                seeds=sorted({row.seed for row in group}),
                set=dict(child),
                figures=sorted({row.figure for row in group}),
                cpu_seconds=60.0,
            )
            asked.append(CheckScenario(name=check.name, split="train", check=check))
    ended = {each.scenario: each for each in tried(source, "calibration", asked).evaluations}
    found: list[dict[str, list[tuple[float, float]]] | None] = []
    for number in range(len(children)):
        pairs: dict[str, list[tuple[float, float]]] | None = {}
        for (generator, policy), group in groups.items():
            evaluation = ended.get(f"{number} {generator} {policy}")
            figures = (evaluation.metrics or {}).get("figures") if evaluation else None
            if figures is None or pairs is None:
                pairs = None
                break
            for row in group:
                pair = row.value, float(figures[str(row.seed)][row.figure])
                pairs.setdefault(row.figure, []).append(pair)
        found.append(pairs)
    return found


def with_parameters(check: CheckScenario, parameters: Mapping[str, int]) -> CheckScenario:
    """Return a check against measured figures with calibrated parameters; others stay."""
    measured = isinstance(check.check, Figures) or (
        isinstance(check.check, Ranking) and bool(check.check.file)
    )
    return replace(check, parameters=dict(parameters)) if measured else check


def calibration_record(found: Calibrated) -> dict[str, Any]:
    """Return what was calibrated, as a certificate has it."""
    low, error, high = (round(each, 6) for each in found.held)
    return {
        "parameters": found.parameters,
        "figures": found.figures,
        "fitted_error": round(found.fitted, 6),
        "held_error": {"low": low, "error": error, "high": high},
    }


class Tried(Protocol):
    """An evaluation, or the row of one."""

    @property
    def outcome(self) -> str: ...
    @property
    def metrics(self) -> dict[str, Any] | None: ...
    @property
    def policy_cpu_seconds(self) -> float: ...


def check_record(check: CheckScenario, evaluation: Tried) -> dict[str, Any]:
    """Return how a check went, as a certificate has it."""
    metrics = evaluation.metrics or {}
    found = {
        "name": check.name,
        "kind": check.family,
        "split": check.check.split,
        "sha256": check.sha256,
        "seeds": list(check.check.seeds),
        "verdict": metrics.get("verdict", str(evaluation.outcome)),
        "runs": metrics.get("runs", 0),
        "cpu_seconds": round(evaluation.policy_cpu_seconds, 2),
    }
    return found | ({"reason": metrics["reason"]} if metrics.get("reason") else {})


def _run_of(row: Measured) -> tuple[str, int, str]:
    return row.generator, row.seed, row.policy
