"""Questions in SQL from a page: read-only, in a process of their own, with limits."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path

from flows.errors import UserError
from flows.history.asked import ask_apart
from flows.history.export import render_table, text_cells
from flows.history.store import Bounds, QueryError, Table, refreshed

MOST_CHARS = 8_000
"""Of a statement: an address is not longer everywhere."""
SECONDS = 10.0
SHOWN = Bounds(seconds=SECONDS, rows=500, chars=1_000_000)
"""For an answer on the page."""
SAVED = Bounds(seconds=SECONDS, rows=50_000, chars=20_000_000)
"""For an answer as CSV."""
AT_ONCE = 2
"""Questions that are answered at the same time; others wait their turn."""
PATIENCE_SECONDS = 15.0
WAIT_SECONDS = 1.0
"""For another process that brings the history up to date."""

EXAMPLES = (
    ("the best of each experiment", "FROM leaderboard WHERE rank = 1 ORDER BY score DESC"),
    (
        "outcomes of all evaluations",
        "SELECT outcome, count(*) AS evaluations\nFROM evaluations GROUP BY ALL ORDER BY 2 DESC",
    ),
    (
        "what was gained for what",
        "SELECT experiment, attempts, improvements, held_out_gain_percent, cost_usd\n"
        "FROM cost_per_improvement",
    ),
    (
        "the tables and their columns",
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns()\n"
        "WHERE schema_name = 'main' AND NOT internal ORDER BY table_name, column_index",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the page shows of an answer."""

    columns: tuple[tuple[str, bool], ...] = ()
    """Names, and whether they hold numbers."""
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""


class Console:
    """Answers statements about the history of a home folder, a few at the same time."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def answer(self, statement: str) -> Answer:
        """Return the answer for a page; what is wrong with the statement is an answer too."""
        try:
            table = self._ask(statement, SHOWN)
        except UserError as problem:
            return Answer(problem=str(problem))
        columns, rows = text_cells(table)
        return Answer(columns=columns, rows=rows, notes=table.notes)

    def csv(self, statement: str) -> str:
        """Return the answer as CSV in which no spreadsheet finds a formula; raise UserError."""
        return render_table(self._ask(statement, SAVED), "csv")

    def _ask(self, statement: str, bounds: Bounds) -> Table:
        if len(statement) > MOST_CHARS:
            raise QueryError(
                f"the statement has {len(statement):,} characters, expected at most "
                f"{MOST_CHARS:,}: ask it with assay sql"
            )
        if not self._turns.acquire(timeout=PATIENCE_SECONDS):
            raise QueryError("other questions are still being answered: ask again in a moment")
        try:
            notes = refreshed(self._home, WAIT_SECONDS)
            table = ask_apart(self._home, statement, bounds)
            return replace(table, notes=(*notes, *table.notes))
        finally:
            self._turns.release()
