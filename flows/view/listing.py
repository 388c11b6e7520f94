"""All experiments in a table: how each goes or went, filtered and sorted as its address says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.history.store import Ask
from flows.home import experiment_folder, is_held
from flows.view.address import Choice, address, choices

PER_PAGE = 100
MOST = 20_000
"""Experiments that are read, the newest ones."""
RUNNING, STOPPED = "running", "stopped"
SPLITS = ("test", "validation", "train")
"""The one that counts most first."""
OF_TEST = """
SELECT experiment_id, iteration, slot,
    CASE
        WHEN count(score) < count(*) THEN NULL
        WHEN min(score) <= 0 THEN 0
        ELSE exp(avg(CASE WHEN score > 0 THEN ln(score) END))
    END AS test
FROM evaluations WHERE attempt = 0 AND split = 'test' GROUP BY experiment_id, iteration, slot
"""
"""The score of each attempt on test; a search keeps those on the other splits."""

_EXPERIMENTS = f"""
WITH of_test AS ({OF_TEST}), scored AS (
    SELECT c.experiment_id, c.iteration, c.slot, c.origin = 'baseline' AS is_baseline, c.improved,
        c.name AS called, c.title, c.outcome, c.created_at,
        c.score AS train, c.validation_score AS validation, t.test
    FROM candidates c LEFT JOIN of_test t USING (experiment_id, iteration, slot)
), best AS (
    SELECT * FROM scored WHERE improved QUALIFY row_number() OVER (
        PARTITION BY experiment_id ORDER BY iteration DESC, slot DESC) = 1
), bar AS (
    SELECT experiment_id, max(test) AS test, max(validation) AS validation, max(train) AS train
    FROM scored WHERE is_baseline GROUP BY experiment_id
), tried AS (
    SELECT experiment_id,
        count(*) FILTER (NOT is_baseline) AS tried,
        count(*) FILTER (NOT is_baseline AND improved) AS promoted,
        count(*) FILTER (NOT is_baseline AND outcome <> 'ok') AS failed,
        max(created_at) AS latest
    FROM scored GROUP BY experiment_id
), paid AS (
    SELECT experiment_id, sum(cost_usd) FILTER (NOT replayed) AS usd FROM llm_calls
    GROUP BY experiment_id
)
SELECT e.experiment_id, e.name, e.status, e.domain, e.suite, e.objective, e.proposer, e.model,
    e.created_at, e.finished_at, t.latest, coalesce(t.tried, 0), coalesce(t.promoted, 0),
    coalesce(t.failed, 0), p.usd, b.iteration, b.slot, b.title, b.is_baseline,
    b.called, b.test, b.validation, b.train, r.test, r.validation, r.train
FROM experiments e LEFT JOIN tried t USING (experiment_id) LEFT JOIN paid p USING (experiment_id)
    LEFT JOIN best b USING (experiment_id) LEFT JOIN bar r USING (experiment_id)
ORDER BY e.created_at DESC, e.experiment_id LIMIT {MOST}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment in the table."""

    experiment_id: str
    name: str
    state: str
    domain: str
    suite: str
    objective: str
    proposer: str
    model: str
    started: datetime
    seconds: float
    tried: int
    promoted: int
    failed: int
    usd: float | None
    best: str
    """iteration/slot of the attempt that was promoted last; empty for none."""
    called: str
    title: str
    found: bool
    """Whether that is a candidate, and not a baseline."""
    on: str
    """The split of the two scores: the last one that the best was tried on."""
    score: float | None
    gain_percent: float | None
    """Over the best baseline on the same split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which experiments to show, and in which order."""

    words: str = ""
    state: str = ""
    domain: str = ""
    suite: str = ""
    model: str = ""
    sort: str = "-started"
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the page shows."""

    rows: tuple[Experiment, ...]
    found: int
    known: int
    running: int
    pages: int
    wanted: Wanted
    states: tuple[Choice, ...]
    domains: tuple[Choice, ...]
    suites: tuple[Choice, ...]
    models: tuple[Choice, ...]

    def sorted_by(self, column: str) -> str:
        """Return the address of the same table sorted by a column, the other way if it is so."""
        key = f"-{column}" if column in _NUMBERS else column
        if self.wanted.sort == key:
            key = key[1:] if key.startswith("-") else f"-{key}"
        return self.at(replace(self.wanted, sort=key, page=1))

    def direction(self, column: str) -> str:
        """Return what ``aria-sort`` says of a column."""
        bare = self.wanted.sort.removeprefix("-")
        if bare != column:
            return "none"
        return "descending" if self.wanted.sort.startswith("-") else "ascending"

    def turned_to(self, page: int) -> str:
        """Return the address of another page of the table."""
        return self.at(replace(self.wanted, page=page))

    def at(self, wanted: Wanted) -> str:
        """Return an address that shows what is wanted."""
        return address("/", wanted, Wanted())


_KEYS: dict[str, Callable[[Experiment], Any]] = {
    "name": lambda row: row.name.lower(),
    "state": lambda row: row.state,
    "suite": lambda row: (row.domain, row.suite),
    "model": lambda row: (row.proposer, row.model),
    "tried": lambda row: row.tried,
    "failed": lambda row: row.failed / row.tried if row.tried else None,
    "score": lambda row: row.score,
    "gain": lambda row: row.gain_percent,
    "cost": lambda row: row.usd,
    "seconds": lambda row: row.seconds,
    "started": lambda row: row.started,
}
_NUMBERS = {"tried", "failed", "score", "gain", "cost", "seconds", "started"}
"""Columns that are first sorted downwards."""


def listing(ask: Ask, home: Path, wanted: Wanted) -> Listing:
    """Return the experiments that are wanted, a page of them."""
    known = [_experiment(home, row) for row in ask(_EXPERIMENTS).rows]
    found = _sorted([row for row in known if _fits(row, wanted)], wanted.sort)
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(max(1, wanted.page), pages)
    return Listing(
        rows=tuple(found[(page - 1) * PER_PAGE : page * PER_PAGE]),
        found=len(found),
        known=len(known),
        running=sum(row.state == RUNNING for row in known),
        pages=pages,
        wanted=replace(wanted, page=page),
        states=choices((row.state for row in known), wanted.state),
        domains=choices((row.domain for row in known), wanted.domain),
        suites=choices((row.suite for row in known), wanted.suite),
        models=choices((row.model for row in known), wanted.model),
    )


def _fits(row: Experiment, wanted: Wanted) -> bool:
    said = (row.name, row.experiment_id, row.called, row.title, row.proposer, row.model)
    text = " ".join(said).lower()
    return (
        all(word in text for word in wanted.words.lower().split())
        and wanted.state in ("", row.state)
        and wanted.domain in ("", row.domain)
        and wanted.suite in ("", row.suite)
        and wanted.model in ("", row.model)
    )


def _sorted(rows: list[Experiment], sort: str) -> list[Experiment]:
    """Return rows in order; those without a value come last, whichever way it goes."""
    key = _KEYS.get(sort.removeprefix("-"), _KEYS["started"])
    valued = [row for row in rows if key(row) is not None]
    valued.sort(key=key, reverse=sort.startswith("-"))
    return valued + [row for row in rows if key(row) is None]


def _experiment(home: Path, row: Sequence[Any]) -> Experiment:
    (identity, name, status, domain, suite, objective, proposer, model, started, ended) = row[:10]
    latest, tried, promoted, failed, usd, iteration, slot, title, is_baseline = row[10:19]
    called = row[19] or ""
    on, score, bar = _on(row[20:23], row[23:26])
    return Experiment(
        experiment_id=str(identity),
        name=str(name or identity),
        state=state_of(home, str(identity), str(status)),
        domain=domain or "",
        suite=suite or "",
        objective=objective or "",
        proposer=proposer or "",
        model=model or "",
        started=started,
        seconds=max(0.0, ((ended or latest or started) - started).total_seconds()),
        tried=tried,
        promoted=promoted,
        failed=failed,
        usd=usd,
        best="" if iteration is None else f"{iteration}/{slot}",
        called=called,
        title=title if title and title != called else "",
        found=iteration is not None and not is_baseline,
        on=on,
        score=score,
        gain_percent=100 * (score / bar - 1) if score is not None and bar else None,
    )


def _on(best: Sequence[float | None], bar: Sequence[float | None]) -> tuple[Any, ...]:
    """Return the split by which the best counts, its score there and that of the best baseline."""
    for split, score, against in zip(SPLITS, best, bar, strict=True):
        if score is not None:
            return split, score, against
    return "", None, None


def state_of(home: Path, identity: str, status: str) -> str:
    """Return the status; a search that says it runs and holds no lock was killed."""
    if status != RUNNING:
        return status
    folder = experiment_folder(home, identity)
    if folder.parent != home / "experiments" or folder.name in ("", ".", ".."):
        return status
    try:
        return RUNNING if is_held(folder / "lock") else STOPPED
    except (OSError, ValueError):
        return STOPPED
