"""A search for a simulator: its versions, failed checks, counterexamples, the certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flows.history.records import EvaluationRow
from flows.report.data import ReportData, slot_name, slot_of
from flows.report.text import clip, number, one_line
from simulator.domain import BOOTSTRAP

MAX_VERSIONS = 60
MAX_FAILED = 12
MAX_BLOCK_CHARS = 4000
SPLIT_WORDS = {"train": "shown", "validation": "held", "test": "final"}


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
    rows = [_version(data, row) for row in data.candidates if row.source is not None]
    accepted = [row.detail["certificate"] for row in data.events if "certificate" in row.detail]
    certificate: dict[str, Any] = accepted[-1] if accepted else {}
    return CheckHistory(
        versions=tuple(rows[:MAX_VERSIONS]),
        more=max(0, len(rows) - MAX_VERSIONS),
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


def _version(data: ReportData, row: Any) -> Version:
    tried = [each for each in data.tries.get(slot_of(row), []) if each.attempt == 0]
    failed = [each for each in tried if not _passed(each)]
    example = _smallest(failed)
    told = (example.metrics or {}) if example is not None else {}
    shown = told.get("counterexample") or {}
    names = [one_line(each.scenario, 80) for each in failed[:MAX_FAILED]]
    names += [f"and {len(failed) - MAX_FAILED} more"] if len(failed) > MAX_FAILED else []
    reason = told.get("reason") or (row.problem if row.outcome != "ok" else "") or ""
    return Version(
        key=slot_name(slot_of(row)),
        title=one_line(row.title, 80),
        passed=tuple(_share(tried, split) for split in SPLIT_WORDS),
        failed="; ".join(names),
        reason=one_line(str(reason), 300),
        scenario=clip(str(shown.get("scenario", "")), MAX_BLOCK_CHARS),
        log=clip(str(shown.get("log", "")), MAX_BLOCK_CHARS),
    )


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
