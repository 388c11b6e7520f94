"""What Prefect's pages show of a run: log lines, a progress bar, tables, links and events."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.events import emit_event
from prefect.logging import get_run_logger

from flows.experiment import Finished
from flows.history.records import CandidateRow
from flows.judging.comparison import Comparison, ComparisonRow
from flows.judging.intervals import Interval
from flows.judging.leaderboard import HEADERS, leaderboard
from flows.orchestration.folder import FolderResult
from flows.search.progress import Began, Happening, Progress, Settled, advance, plain_line
from flows.untrusted import Markdown, for_log, markdown, markdown_lines

SHORT_SHA256 = 12
MOST_ROWS = 1000
"""Rows of a table; Prefect keeps a table as one text."""


class Pages(Protocol):
    """Where a run is shown."""

    def log(self, line: str) -> None: ...

    def progress(self, key: str, percent: float) -> None: ...

    def table(
        self, key: str, rows: Sequence[Mapping[str, Markdown]], description: Markdown
    ) -> None: ...

    def text(self, key: str, content: Markdown, description: Markdown) -> None: ...

    def link(self, key: str, url: str, text: Markdown) -> None: ...

    def event(self, name: str, experiment: str, payload: Mapping[str, Any]) -> None: ...


class SearchBoard:
    """Shows a search as it goes on; log lines name experiment and candidate."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._progress = Progress()
        self._experiment = ""

    def show(self, happening: Happening) -> None:
        """Show one happening."""
        if isinstance(happening, Began):
            self._experiment = happening.experiment_id
        self._progress = advance(self._progress, happening)
        line = plain_line(self._progress, happening)
        if line is not None:
            self._pages.log(f"[{self._experiment}{_whose(happening)}] {line.strip()}")
        if isinstance(happening, Settled):
            self._settle(happening)

    def end(self, finished: Finished) -> None:
        """Leave the leaderboard, and where the best policy and the report are."""
        result = finished.result
        about = markdown("{}", result.experiment_id)
        self._pages.table("leaderboard", _ranked(leaderboard(result.candidates)), about)
        lines = [markdown("**{}**: {}", result.status, result.status_detail), Markdown()]
        for name, path in (("best policy", finished.best_policy), ("report", finished.report)):
            if path is not None:
                lines.append(markdown("* {}: {}", name, path))
                key, words = name.replace(" ", "-"), markdown("{} of the search", name)
                self._pages.link(key, path.as_uri(), words)
        self._pages.text("result", markdown_lines(*lines), about)

    def _settle(self, happening: Settled) -> None:
        config, row = self._progress.config, happening.row
        wanted = config.budget.candidates if config is not None else 1
        percent = min(100.0, 100.0 * happening.spend.candidates / wanted)
        self._pages.progress("candidates-tried", percent)
        if row.improved:
            self._pages.event(
                "assay.new-best",
                row.experiment_id,
                {"score": row.score, "candidate": row.candidate, "title": row.title},
            )


class FolderBoard:
    """Shows how a folder of policies is tried; other processes may try some of them."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def show(self, row: CandidateRow, percent: float) -> None:
        """Show one policy that this process tried, and how much is done."""
        score = "" if row.score is None else f", score {row.score:.4f}"
        why = "" if row.problem is None else f": {row.problem}"
        self._pages.log(f"[{_of(row)}] {row.title}: {row.outcome}{score}{why}")
        self._pages.progress("policies-tried", percent)

    def end(self, result: FolderResult) -> None:
        """Leave the table of all policies, the best first."""
        about = markdown("{}", result.experiment_id)
        ranked = leaderboard(result.candidates, top=MOST_ROWS)
        self._pages.table("policies", _ranked(ranked), about)
        ended = result.status, result.status_detail, result.tried_here
        lines = [markdown("**{}**: {}; {} by this run", *ended), Markdown()]
        lines += [markdown("* lost: {}", each) for each in result.lost]
        lines += [markdown("* passed over: {}", each) for each in result.passed_over]
        self._pages.text("result", markdown_lines(*lines), about)


def show_comparison(pages: Pages, comparison: Comparison, title: str) -> None:
    """Leave the leaderboard of a comparison, with intervals, and its verdict."""
    about = markdown("{}", title)
    rows = [_cells(rank, row) for rank, row in enumerate(comparison.rows, start=1)]
    pages.table("comparison", [_shown(row) for row in rows], about)
    failed = [row for row in comparison.rows if row.problem]
    problems = [markdown("* {}: {}", row.label, row.problem) for row in failed]
    verdict = markdown("{}", comparison.verdict)
    pages.text("verdict", markdown_lines(verdict, Markdown(), *problems), about)


class PrefectPages:
    """The pages of the flow run in which it is made."""

    def __init__(self) -> None:
        self._bars: dict[str, UUID] = {}
        self._log = get_run_logger()

    def log(self, line: str) -> None:
        self._log.info(for_log(line))

    def progress(self, key: str, percent: float) -> None:
        """Move the bar of this name, which begins with its first figure."""
        if key in self._bars:
            update_progress_artifact(self._bars[key], percent)
        else:
            self._bars[key] = cast(UUID, create_progress_artifact(percent, key=key))

    def table(
        self, key: str, rows: Sequence[Mapping[str, Markdown]], description: Markdown
    ) -> None:
        create_table_artifact([dict(row) for row in rows], key=key, description=description)

    def text(self, key: str, content: Markdown, description: Markdown) -> None:
        create_markdown_artifact(content, key=key, description=description)

    def link(self, key: str, url: str, text: Markdown) -> None:
        create_link_artifact(url, link_text=text, key=key)

    def event(self, name: str, experiment: str, payload: Mapping[str, Any]) -> None:
        """Emit an event about an experiment, to which an automation can react."""
        emit_event(
            event=name,
            resource={
                "prefect.resource.id": f"assay.experiment.{experiment}",
                "prefect.resource.name": experiment,
            },
            payload={k: for_log(v) if isinstance(v, str) else v for k, v in payload.items()},
        )


def _ranked(rows: Sequence[Sequence[str]]) -> list[dict[str, Markdown]]:
    return [_shown(dict(zip(HEADERS, row, strict=True))) for row in rows]


def _shown(row: Mapping[str, object]) -> dict[str, Markdown]:
    """Return a row as Prefect shows it: its page renders every cell as Markdown."""
    return {name: markdown("{}", value) for name, value in row.items()}


def _whose(happening: Happening) -> str:
    if isinstance(happening, Settled) and happening.row.candidate is not None:
        return f" {happening.row.candidate[:SHORT_SHA256]}"
    return ""


def _of(row: CandidateRow) -> str:
    return f"{row.experiment_id} {(row.candidate or '')[:SHORT_SHA256]}"


def _cells(rank: int, row: ComparisonRow) -> dict[str, Any]:
    return {
        "rank": rank,
        "policy": row.label,
        "outcome": str(row.outcome),
        "score": "none" if row.score is None else f"{row.score:.4f}",
        "against the first": _words(row.against_first),
        "against the best baseline": _words(row.against_baseline),
        "candidate": row.candidate[:SHORT_SHA256],
    }


def _words(interval: Interval | None) -> str:
    return "" if interval is None else interval.words()
