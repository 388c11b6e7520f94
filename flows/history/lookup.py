"""Finds attempts in the history by what a person calls them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.errors import UserError
from flows.history.store import query

SHA256_PREFIX = re.compile(r"[0-9a-f]{4,64}")
PLACE = re.compile(r"(\d{1,9})/(\d{1,9})")

_EXPERIMENT = """
SELECT experiment_id FROM experiments WHERE experiment_id = ? OR name = ?
ORDER BY experiment_id = ? DESC, created_at DESC, experiment_id LIMIT 1
"""
_NEWEST = "SELECT experiment_id FROM experiments ORDER BY created_at DESC, experiment_id LIMIT 1"
_ATTEMPTS = "SELECT experiment_id, iteration, slot, candidate, title, source FROM candidates "
_BEST = (
    _ATTEMPTS + "WHERE experiment_id = ? AND improved ORDER BY iteration DESC, slot DESC LIMIT 1"
)
_AT_PLACE = _ATTEMPTS + "WHERE experiment_id = ? AND iteration = ? AND slot = ?"
_BY_SHA256 = (
    _ATTEMPTS
    + """
WHERE starts_with(candidate, ?) AND (? IS NULL OR experiment_id = ?)
ORDER BY created_at DESC, experiment_id, iteration, slot
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An attempt of an experiment; ``source`` is None when its reply held none."""

    experiment_id: str
    iteration: int
    slot: int
    candidate: str | None
    title: str
    source: str | None


def find_experiment(home: Path, name: str | None) -> str | None:
    """Return the id of the experiment of this id or name, the newest one if none is named."""
    rows = _rows(home, _EXPERIMENT, [name] * 3) if name else _rows(home, _NEWEST, [])
    return str(rows[0][0]) if rows else None


def find_best(home: Path, experiment_id: str) -> Found | None:
    """Return the attempt that an experiment promoted last."""
    return _first(_rows(home, _BEST, [experiment_id]))


def find_at(home: Path, experiment_id: str, iteration: int, slot: int) -> Found | None:
    """Return the attempt at a place of an experiment."""
    return _first(_rows(home, _AT_PLACE, [experiment_id, iteration, slot]))


def find_candidate(home: Path, prefix: str, experiment_id: str | None = None) -> Found | None:
    """Return the newest attempt whose candidate begins so; refuse one that fits several."""
    if SHA256_PREFIX.fullmatch(prefix) is None:
        return None
    rows = _rows(home, _BY_SHA256, [prefix, experiment_id, experiment_id])
    several = sorted({row[3] for row in rows})
    if len(several) > 1:
        known = ", ".join(each[:12] for each in several[:5])
        raise UserError(
            f"{prefix} begins {len(several)} candidates ({known}{', ...' * (len(several) > 5)}), "
            "expected one: give more characters"
        )
    return _first(rows)


def _rows(home: Path, sql: str, params: Sequence[Any]) -> tuple[tuple[Any, ...], ...]:
    return query(home, sql, params).rows


def _first(rows: Sequence[tuple[Any, ...]]) -> Found | None:
    if not rows:
        return None
    experiment_id, iteration, slot, candidate, title, source = rows[0]
    return Found(
        experiment_id=str(experiment_id),
        iteration=int(iteration),
        slot=int(slot),
        candidate=candidate,
        title=str(title or ""),
        source=source,
    )
