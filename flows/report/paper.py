"""The paper's own setting: what the policies gain there, beside the gain that the paper reports."""

from collections.abc import Sequence
from dataclasses import dataclass

from flows.history.records import EvaluationRow
from flows.judging.paper import METRICS, PAPER_GAIN_PERCENT, PAPER_SUITE, THROUGHPUT, paper_figures
from flows.report.compare import Contender
from flows.report.data import ReportData, slot_of
from flows.report.text import number
from sandbox.outcome import Evaluation, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperLine:
    """One metric: what each policy gains over naive by it."""

    metric: str
    note: str
    cells: tuple[str, ...]


def paper_table(data: ReportData, rivals: Sequence[Contender]) -> tuple[PaperLine, ...]:
    """A line for each metric, cells in the order of the rivals; nothing for another suite."""
    if data.experiment.suite != PAPER_SUITE:
        return ()
    names = {_key(rival): rival for rival in rivals}
    figures = paper_figures({key: _evaluations(data, rival) for key, rival in names.items()})
    found = {(figure.policy, figure.metric): figure for figure in figures}
    lines = []
    for metric in METRICS:
        shown = [found.get((key, metric)) for key in names]
        cells = tuple(_gain(figure.gain_percent if figure else None) for figure in shown)
        traces = max((figure.traces for figure in shown if figure), default=0)
        note = f"over {traces} traces"
        if metric == THROUGHPUT:
            note += f"; the paper's metric, it reports +{PAPER_GAIN_PERCENT}\N{NO-BREAK SPACE}%"
        if any(figure for figure in shown):
            lines.append(PaperLine(metric=metric, note=note, cells=cells))
    return tuple(lines)


def _key(rival: Contender) -> str:
    """Naive by its name, which the figures are measured against; others by their place."""
    is_naive = rival.row.origin == "baseline" and rival.row.title == "naive"
    return "naive" if is_naive else rival.colour


def _evaluations(data: ReportData, rival: Contender) -> list[Evaluation]:
    slot = slot_of(rival.row)
    rows = (data.scored.get((slot, scenario.scenario)) for scenario in data.scenarios)
    return [_evaluation(row) for row in rows if row is not None]


def _evaluation(row: EvaluationRow) -> Evaluation:
    known = row.outcome in set(Outcome)
    return Evaluation(
        scenario=row.scenario,
        outcome=Outcome(row.outcome) if known else Outcome.PROTOCOL_ERROR,
        stats=row.stats,
        metrics=row.metrics,
    )


def _gain(percent: float | None) -> str:
    if percent is None:
        return "–"
    return f"{'+' if percent > 0 else ''}{number(percent, 4)}\N{NO-BREAK SPACE}%"
