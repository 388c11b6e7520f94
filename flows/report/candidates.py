"""Every candidate for the page: its row of the table, and what opens under that row."""

from dataclasses import dataclass, field
from typing import Any

from flows.history.records import CandidateRow, EvaluationRow, LlmCallRow
from flows.judging.leaderboard import in_order
from flows.names import name_of
from flows.report.data import ReportData, Slot, parent_rows, slot_name, slot_of
from flows.report.text import clip, number, one_line, score_text
from flows.untrusted import counted, for_page
from sandbox.source import source_diff, source_line
from simulator.cell.cleantext import lines_of

MAX_TEXT_CHARS = 80_000
MAX_PRINT_CHARS = 4_000
MAX_LINES_CHARS = 2_600_000
MAX_FINDINGS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One line of the table of candidates; ``*_key`` are what it is sorted by."""

    slot: str
    order: int
    name: str
    title: str
    difference: str
    """From what it was made from, in a sentence."""
    origin: str
    operator: str
    parents: str
    outcome: str
    score: str
    score_key: float
    validation: str
    validation_key: float
    standing: str
    seconds: str
    seconds_key: float
    problem: str
    kind: str


def table_rows(data: ReportData) -> tuple[TableRow, ...]:
    """One row per attempt, baselines included, in the order of the leaderboard."""
    order = {slot_of(row): number for number, row in enumerate(data.candidates)}
    rows = in_order(data.candidates, data.promoted_last)
    return tuple(_table_row(data, order[slot_of(row)], row) for row in rows)


def _table_row(data: ReportData, order: int, row: CandidateRow) -> TableRow:
    kind = "baseline" if row.origin == "baseline" else "ok" if row.outcome == "ok" else "failed"
    best = data.promoted_last or (slot_of(data.best) if data.best is not None else None)
    if slot_of(row) == best:
        kind = "best"
    same = f"same as {row.duplicate_of}" if row.duplicate_of else ""
    reason = "" if row.standing == "promoted" else row.standing_detail
    problem = row.problem or reason or same
    return TableRow(
        slot=slot_name(slot_of(row)),
        order=order,
        name=one_line(name_of(row), 60),
        title=one_line(row.title or "untitled", 120),
        difference=one_line(data.differences.get(slot_of(row), ""), 400),
        origin=one_line(row.origin, 20),
        operator=one_line(row.operator, 20),
        parents=", ".join(slot_name(slot_of(item)) for item in parent_rows(data, row)),
        outcome=one_line(row.outcome, 30),
        score=score_text(row.score),
        score_key=-1.0 if row.score is None else row.score,
        validation=score_text(row.validation_score),
        validation_key=-1.0 if row.validation_score is None else row.validation_score,
        standing=one_line(_standing(data, row), 20),
        seconds=number(row.seconds),
        seconds_key=row.seconds,
        problem=one_line(problem, 200),
        kind=kind,
    )


def _standing(data: ReportData, row: CandidateRow) -> str:
    """What the search ruled; a baseline is one, whether or not it was the first to be the best."""
    return "baseline" if data.guarded and row.origin == "baseline" else row.standing


@dataclass(slots=True)
class SharedLines:
    """Many similar texts in little space: each is kept as runs of lines that all texts share.

    A text that would make them larger than its limit is replaced by a note.
    """

    limit: int = MAX_LINES_CHARS
    lines: list[str] = field(default_factory=list)
    texts: list[list[int]] = field(default_factory=list)
    size: int = 0
    left_out: int = 0
    _line_ids: dict[str, int] = field(default_factory=dict)
    _text_ids: dict[str, int] = field(default_factory=dict)

    def add(self, text: str | None, limit: int = MAX_TEXT_CHARS) -> int | None:
        """The number of the text; None for no text."""
        if not text:
            return None
        shown = clip(for_page(text), limit)
        if shown not in self._text_ids:
            lines = set(shown.split("\n"))
            new = sum(len(line) + 4 for line in lines if line not in self._line_ids)
            if self.size + new > self.limit:
                self.left_out += 1
                shown = "(left out to keep this page small; the history has it: assay sql)"
            else:
                self.size += new
        if shown not in self._text_ids:
            self._text_ids[shown] = self._keep(shown)
        return self._text_ids[shown]

    def _keep(self, shown: str) -> int:
        runs: list[int] = []
        for line in shown.split("\n"):
            number_of = self._line_ids.setdefault(line, len(self.lines))
            if number_of == len(self.lines):
                self.lines.append(line)
            if runs and runs[-2] + runs[-1] == number_of:
                runs[-1] += 1
            else:
                runs += [number_of, 1]
        self.texts.append(runs)
        return len(self.texts) - 1


def payload(data: ReportData) -> dict[str, Any]:
    """What the page's script opens: every source and difference, prompts while there is room."""
    kept = SharedLines()
    calls: dict[Slot, list[LlmCallRow]] = {}
    for call in data.calls:
        calls.setdefault(slot_of(call), []).append(call)
    details = {slot_name(slot_of(row)): _detail(data, row, kept) for row in data.candidates}
    for row in sorted(data.candidates, key=lambda row: -(row.score or -1.0)):
        talk = calls.get(slot_of(row), [])
        details[slot_name(slot_of(row))] |= _conversation(data, row, talk, kept)
    return {
        "lines": kept.lines,
        "texts": kept.texts,
        "candidates": details,
        "evaluationColumns": _evaluation_columns(data),
    }


def _evaluation_columns(data: ReportData) -> list[str]:
    first = data.spec.objectives[0]
    cost = first.label + (f", {first.unit}" if first.unit else "")
    return ["scenario", "split", "outcome", "score", cost, "calls", "CPU s", "problem"]


def _detail(data: ReportData, row: CandidateRow, kept: SharedLines) -> dict[str, Any]:
    parents = parent_rows(data, row)
    evaluations = data.tries.get(slot_of(row), [])
    return {
        "name": one_line(name_of(row), 60),
        "title": one_line(row.title or "untitled", 300),
        "difference": one_line(data.differences.get(slot_of(row), ""), 600),
        "sha": row.candidate or "",
        "how": _how(row, parents),
        "outcome": one_line(row.outcome, 40),
        "score": score_text(row.score),
        "guards": guard_lines(data, row),
        "costs": list(data.cost_lines.get(slot_of(row), ())),
        "problem": one_line(row.problem or "", 2_000),
        "line": row.problem_line,
        "lineText": one_line(source_line(row.source, row.problem_line), 300),
        "findings": [
            [item.get("line"), item.get("column"), one_line(str(item.get("message", "")))]
            for item in row.findings[:MAX_FINDINGS]
        ],
        "evaluations": [_evaluation(item) for item in evaluations],
        "source": kept.add("\n".join(lines_of(row.source or ""))),
        "diffs": [
            [slot_name(slot_of(parent)), kept.add(_diff(parent, row))] for parent in parents[:2]
        ],
        "prints": [
            [one_line(item.scenario, 80), kept.add(item.prints, MAX_PRINT_CHARS)]
            for item in evaluations
            if item.prints
        ],
    }


def guard_lines(data: ReportData, row: CandidateRow) -> list[str]:
    """What the guards found: standing with its reason, validation, gap, and the audit."""
    lines = []
    if row.standing:
        lines.append(one_line(f"{row.standing}: {row.standing_detail}"))
    figures = []
    if row.validation_score is not None:
        figures.append(f"validation score {score_text(row.validation_score)}")
    if row.gain_low_percent is not None and row.gain_high_percent is not None:
        figures.append(
            f"gain over the previous best {row.gain_low_percent:+.1f} to "
            f"{row.gain_high_percent:+.1f}\N{NO-BREAK SPACE}%"
        )
    if row.gap_percent is not None:
        figures.append(
            f"train score above validation score by {row.gap_percent:+.1f}\N{NO-BREAK SPACE}%"
        )
    if figures:
        lines.append("; ".join(figures))
    audits = [e for e in data.events if e.kind == "audit" and (e.iteration, e.slot) == slot_of(row)]
    return lines + [one_line(f"audit: {event.message}") for event in audits]


def _how(row: CandidateRow, parents: list[CandidateRow]) -> str:
    words = one_line(f"{row.origin}, {row.operator}", 80)
    if parents:
        words += " of " + " and ".join(slot_name(slot_of(item)) for item in parents)
    if row.duplicate_of:
        words += f"; same source or behaviour as {one_line(row.duplicate_of, 20)}"
    return words


def _evaluation(row: EvaluationRow) -> list[Any]:
    what = "repeat" if row.purpose == "score" else one_line(row.purpose, 20)
    repeat = f", {what} {row.attempt}" if row.attempt else ""
    return [
        one_line(row.scenario, 80) + repeat,
        one_line(row.split, 20),
        one_line(row.outcome, 40),
        score_text(row.score),
        number(row.cost, 5),
        f"{row.policy_calls:,}",
        number(row.policy_cpu_seconds),
        one_line(row.problem or "", 300),
    ]


def _diff(parent: CandidateRow, row: CandidateRow) -> str:
    if not parent.source or not row.source or parent.source == row.source:
        return ""
    names = slot_name(slot_of(parent)), slot_name(slot_of(row))
    return source_diff(parent.source, row.source, *names)


def _conversation(
    data: ReportData, row: CandidateRow, calls: list[LlmCallRow], kept: SharedLines
) -> dict[str, Any]:
    wanted = row.prompt_sha256 or next((call.prompt_sha256 for call in calls), None)
    prompt = data.prompt_by_sha256.get(wanted) if wanted else None
    return {
        "prompt": [
            [one_line(str(part.get("role", "")), 20), kept.add(str(part.get("content", "")))]
            for part in (prompt.messages if prompt else [])
        ],
        "replies": [[_call_line(call), kept.add(call.reply)] for call in calls],
    }


def _call_line(call: LlmCallRow) -> str:
    words = f"{call.model}, call {call.attempt}: {call.outcome}, {number(call.seconds)} s"
    if call.output_tokens is not None:
        words += f", {counted(call.output_tokens, 'token')} out"
    if call.replayed:
        words += ", replayed"
    return one_line(f"{words}. {call.error or ''}", 400)
