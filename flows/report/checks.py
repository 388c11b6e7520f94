"""A search for a simulator: its versions, failed checks, counterexamples, the certificate."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.history.records import CandidateRow, EvaluationRow, key_of
from flows.report.data import ReportData, slot_name, slot_of
from flows.report.text import clip, number, one_line
from simulator.domain import BOOTSTRAP

MAX_VERSIONS = 60
MAX_FAILED = 12
MAX_BLOCK_CHARS = 4000
SPLIT_WORDS = {"train": "shown", "validation": "held", "test": "final"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What happened to a row at a moment, and where that is drawn."""

    x: int
    y: int
    words: str
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The log of a counterexample: a line for each row of a table, moments from left to right."""

    width: int
    height: int
    lines: tuple[tuple[int, str], ...]
    """Where each is, from above, and whose it is."""
    moments: tuple[tuple[int, str], ...]
    """Where each is, from the left, and its time in us."""
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One simulator: how many checks passed, as in 4/5, and which failed."""

    key: str
    title: str
    passed: tuple[str, ...]
    """For the checks that are shown, held and final; empty where it was not put to them."""
    failed: str
    reason: str
    scenario: str
    log: str
    """The smallest counterexample, where there is one."""
    smallest: bool
    """Only failures of shown checks are made smaller."""
    drawing: Drawing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckHistory:
    """What the page says of a search for a simulator."""

    versions: tuple[Version, ...]
    more: int
    certificate: tuple[tuple[str, str], ...]
    checks: tuple[tuple[str, ...], ...]
    """Of the certificate: name, kind, split, verdict, runs, CPU seconds."""
    survivors: tuple[str, ...]
    assumptions: tuple[str, ...]


def check_history(data: ReportData) -> CheckHistory | None:
    """Return the history of a simulator, None for a search of policies."""
    if not str(data.experiment.config.get("domain")).startswith(f"{BOOTSTRAP}:"):
        return None
    versions = [row for row in data.candidates if row.source is not None]
    told = _most_telling(versions)
    accepted = [row.detail["certificate"] for row in data.events if "certificate" in row.detail]
    certificate: dict[str, Any] = accepted[-1] if accepted else {}
    return CheckHistory(
        versions=tuple(_version(data, row) for row in told),
        more=len(versions) - len(told),
        certificate=_facts(certificate) if certificate else (),
        checks=tuple(
            tuple(one_line(str(each.get(key, "")), 120) for key in _COLUMNS)
            for each in certificate.get("checks", ())
        ),
        survivors=tuple(
            one_line(f"line {each['line']}: {each['change']}", 160)
            for each in certificate.get("mutants", {}).get("survivors", ())
        ),
        assumptions=tuple(one_line(each, 500) for each in certificate.get("assumptions", ())),
    )


_COLUMNS = ("name", "kind", "split", "verdict", "runs", "cpu_seconds")


def _most_telling(rows: Sequence[CandidateRow]) -> list[CandidateRow]:
    """Return so many versions as the page has room for: the promoted ones, then the latest."""
    order = sorted(rows, key=lambda row: (row.improved, row.iteration, row.slot), reverse=True)
    kept = {key_of(row) for row in order[:MAX_VERSIONS]}
    return [row for row in rows if key_of(row) in kept]


def _version(data: ReportData, row: Any) -> Version:
    tried = [each for each in data.tries.get(slot_of(row), []) if each.attempt == 0]
    failed = [each for each in tried if not _passed(each)]
    example = _smallest(failed)
    told = (example.metrics or {}) if example is not None else {}
    shown = told.get("counterexample") or {}
    names = [one_line(each.scenario, 80) for each in failed[:MAX_FAILED]]
    names += [f"and {len(failed) - MAX_FAILED} more"] if len(failed) > MAX_FAILED else []
    reason = told.get("reason") or (row.problem if row.outcome != "ok" else "") or ""
    log = str(shown.get("log", ""))
    return Version(
        key=slot_name(slot_of(row)),
        title=one_line(row.title, 80),
        passed=tuple(_share(tried, split) for split in SPLIT_WORDS),
        failed="; ".join(names),
        reason=one_line(str(reason), 300),
        scenario=clip(str(shown.get("scenario", "")), MAX_BLOCK_CHARS),
        log=clip(log, MAX_BLOCK_CHARS),
        smallest=example is not None and example.split == "train",
        drawing=drawing_of(log),
    )


def drawing_of(log: str) -> Drawing | None:
    """Return the drawing of a log as counterexamples have it, None of what is none."""
    events = [found.groups() for line in log.split("\n") if (found := _EVENT.match(line))]
    events = events[-MOST_DRAWN:]
    if not events:
        return None
    told: dict[tuple[str, int], list[str]] = {}
    for kind, time, fields in events:
        row, *others = (fields or "").split(", ")
        told.setdefault((row.replace("=", " "), int(time)), []).append(" ".join([kind, *others]))
    rows = list(dict.fromkeys(row for row, _ in told))
    times = sorted({time for _, time in told})
    longest = max(
        *(len(", ".join(words)) for words in told.values()), *(len(f"{time:,}") for time in times)
    )
    step = LETTER * longest + 2 * GAP
    left = LETTER * max(map(len, rows)) + 2 * GAP
    at_x = {time: left + place * step for place, time in enumerate(times)}
    at_y = {row: LINE * (place + 2) for place, row in enumerate(rows)}
    last = list(told)[-1]
    return Drawing(
        width=left + step * len(times),
        height=LINE * (len(rows) + 2),
        lines=tuple((y, one_line(row, 40)) for row, y in at_y.items()),
        moments=tuple((x, f"{time:,}") for time, x in at_x.items()),
        marks=tuple(
            Mark(
                x=at_x[key[1]],
                y=at_y[key[0]],
                words=one_line(", ".join(words), 80),
                last=key == last,
            )
            for key, words in told.items()
        ),
    )


MOST_DRAWN = 24
"""Events."""
LETTER, GAP, LINE = 7, 12, 30
"""In pixels: the width of a letter, the room around words, the distance of two lines."""
_EVENT = re.compile(r"(\w{1,40})\((\d{1,18})(?:, ([^()]{1,200}))?\)$")


def _smallest(failed: Sequence[EvaluationRow]) -> EvaluationRow | None:
    """Return the failure with the shortest counterexample, one without where none has one."""

    def size(row: EvaluationRow) -> tuple[bool, int]:
        example = (row.metrics or {}).get("counterexample")
        return example is None, len(str((example or {}).get("scenario", "")))

    return min(failed, key=size, default=None)


def _share(tried: Sequence[EvaluationRow], split: str) -> str:
    own = [each for each in tried if each.split == split]
    return f"{sum(map(_passed, own))}/{len(own)}" if own else ""


def _passed(row: EvaluationRow) -> bool:
    return row.outcome == "ok" and row.cost == 1.0


def _facts(certificate: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    mutants, calibration = certificate["mutants"], certificate["calibration"]
    facts = [
        ("it says", certificate["says"]),
        ("certificate, sha256", certificate["sha256"]),
        *((f"{name}, sha256", value) for name, value in certificate["hashes"].items()),
        ("mistakes noticed", f"{mutants['killed']} of {mutants['made']} made in it on purpose"),
        ("noticed by held checks alone", str(mutants["killed_by_held"])),
    ]
    if calibration is not None:
        error = calibration["held_error"]
        values = ", ".join(f"{k} = {v}" for k, v in calibration["parameters"].items())
        bounds = f"{number(100 * error['low'], 3)} to {number(100 * error['high'], 3)}"
        facts += [
            ("calibrated", values),
            ("error on figures not fitted", f"{number(100 * error['error'], 3)} % ({bounds} %)"),
        ]
    return tuple((label, one_line(str(value), 300)) for label, value in facts)
