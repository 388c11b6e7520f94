"""Searches on a cluster: their configuration, and what they kept, to be compared."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.history.records import CandidateRow, EvaluationRow
from flows.judging.leaderboard import leaderboard
from tests.cluster.units import PAGE
from tests.docs.pages import blocks
from tests.support.histories import essence, lines_of
from tests.support.small_suite import write_suite

SLOTS = "slots = 3\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """All of a search but times and hosts."""

    rows: dict[Any, Any]
    """Candidates and evaluations by key."""
    decisions: tuple[str | None, ...]
    """The hash of the decisions of each evaluation that ended well, in the order of their keys."""
    leaderboard: tuple[Any, ...]
    doubled: tuple[Any, ...]
    """Candidates that the journal has more than once."""


def kept(home: Path) -> Kept:
    """Return what the only search in a home folder kept."""
    [experiment] = [path.name for path in (home / "experiments").iterdir()]
    rows = essence(home, experiment)
    ordered = [rows[key] for key in sorted(rows, key=str)]
    keys = Counter(
        (line["row"]["iteration"], line["row"]["slot"]) for line in lines_of(home, "candidate")
    )
    return Kept(
        rows=rows,
        decisions=tuple(
            row.decision_sha256
            for row in ordered
            if isinstance(row, EvaluationRow) and row.outcome == "ok"
        ),
        leaderboard=tuple(leaderboard([r for r in ordered if isinstance(r, CandidateRow)])),
        doubled=tuple(key for key, times in keys.items() if times > 1),
    )


def hosts_of(home: Path) -> set[str | None]:
    """Return the hosts on which the only search in a home folder tried something."""
    return {line["row"]["host"] for line in lines_of(home, "evaluation") if line["row"]["host"]}


def write_config(folder: Path, candidates: int, duration: int = 40) -> Path:
    """Return docs/scale-out.md's search on three hosts, made short; ``--direct`` makes it local."""
    [shown] = [block for block in blocks(PAGE, "toml") if block.file_name == "search.toml"]
    made = f'{SLOTS}suite = "{write_suite(folder, duration=duration)}"\nbaselines = ["naive"]\n'
    text = shown.take().replace(SLOTS, made)
    text += f"[budget]\ncandidates = {candidates}\n[guards]\naudit_scenarios = 0\n"
    path = folder / "search.toml"
    path.write_text(text, encoding="utf-8")
    return path
