"""All that the history knows of one attempt: how it did, what it was made from, who asked."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from flows.errors import UserError
from flows.history.records import CandidateRow
from flows.history.store import (
    PLACE,
    Ask,
    Found,
    answers,
    find_at,
    find_best,
    find_candidate,
    find_experiment,
    find_named,
)
from flows.judging.objectives import metric_text
from flows.names import name_of
from flows.prompting.differences import difference
from flows.report.costs import cost_lines
from flows.report.data import installed
from flows.report.repeats import prompt_size
from sandbox.outcome import Evaluation, Outcome
from simulator.domain_spec import DomainSpec, spec_from
from simulator.errors import InputError

_ATTEMPT = "SELECT * FROM candidates WHERE experiment_id = ? AND iteration = ? AND slot = ?"
_TRIES = """
SELECT split, scenario, coalesce(purpose, 'score') AS purpose, outcome, score,
    cost, cost_unit, problem, problem_line, domain, domain_version, host, engine, image_id,
    isolation, stats, metrics
FROM evaluations WHERE experiment_id = ? AND iteration = ? AND slot = ?
ORDER BY list_position(['train', 'validation', 'test'], split), attempt, scenario
"""
_PARENT = """
SELECT source, iteration, slot FROM candidates WHERE candidate = ? AND source IS NOT NULL
ORDER BY experiment_id = ? DESC, created_at, iteration, slot LIMIT 1
"""
_MADE = """
SELECT * FROM candidates WHERE experiment_id = ? AND candidate = ? ORDER BY iteration, slot LIMIT 1
"""
_TESTS = """
SELECT message FROM events WHERE experiment_id = ? AND iteration = ? AND slot = ? AND kind = 'test'
ORDER BY sequence
"""
_SEARCHED = "SELECT objective, domain_spec FROM experiments WHERE experiment_id = ?"
_REFERENCE = """
SELECT baseline_policy AS policy FROM scenarios WHERE experiment_id = ? ORDER BY scenario LIMIT 1
"""
_PROMPT = "SELECT messages FROM prompts WHERE prompt_sha256 = ?"
_REPLY = """
SELECT model, outcome, reply, error FROM llm_calls
WHERE experiment_id = ? AND iteration = ? AND slot = ? ORDER BY attempt
"""


def known_attempt(home: Path, name: str, experiment: str | None) -> dict[str, Any]:
    """Return all that the history knows of an attempt: figures, parents, prompt, replies.

    Refuse a name that names none, saying what may be named.
    """
    return answers(home, lambda ask: _known(ask, _find(ask, home, name, experiment)))


def _find(ask: Ask, home: Path, name: str, experiment: str | None) -> Found:
    where = find_experiment(ask, experiment)
    if where is None:
        missing = f"no experiment {experiment!r}" if experiment else "no experiment yet"
        raise UserError(f"there is {missing} in {home}: start one with assay run")
    found = None
    place = PLACE.fullmatch(name)
    if name == "best":
        found = find_best(ask, where)
    elif place is not None:
        found = find_at(ask, where, int(place[1]), int(place[2]))
    else:
        only = where if experiment else None
        found = find_named(ask, name, where) or find_named(ask, name, only)
        found = found or find_candidate(ask, name.lower(), only)
    if found is None:
        there = where if experiment or place else home
        raise UserError(
            f"{name!r} names no attempt of {there}: give the first "
            "characters of a candidate's sha256 (4 or more), a name such as brisk-otter, a place "
            "such as 3/0, or best; "
            'assay sql "from leaderboard" lists them'
        )
    return found


def _known(ask: Ask, found: Found) -> dict[str, Any]:
    place = [found.experiment_id, found.iteration, found.slot]
    attempt = _dicts(ask, _ATTEMPT, place)[0]
    prompts = _dicts(ask, _PROMPT, [attempt["prompt_sha256"]])
    messages = json.loads(prompts[0]["messages"]) if prompts else []
    tries = [(each, _evaluation(each)) for each in _dicts(ask, _TRIES, place)]
    searched = next(iter(_dicts(ask, _SEARCHED, place[:1])), {})
    spec, objective = _spec(searched.get("domain_spec")), searched.get("objective")
    whole = attempt["standing"] != "stopped"  # what was not tried on all scenarios has no figures
    return {
        "attempt": attempt,
        **_named(ask, attempt),
        "evaluations": [_tried(row, tried, spec) for row, tried in tries],
        "figures": _over_splits(tries, spec, objective) if spec is not None and whole else [],
        "costs": _costs(ask, found, spec, objective),
        "reference": next((row["policy"] for row in _dicts(ask, _REFERENCE, place[:1])), None),
        "tests": [row["message"] for row in _dicts(ask, _TESTS, place)],
        "parents": [
            {"candidate": parent, **row}
            for parent in attempt["parents"] or ()
            for row in _dicts(ask, _PARENT, [parent, found.experiment_id])
        ],
        "prompt": messages,
        "prompt_size": list(prompt_size(ask, place, messages)),
        "replies": _dicts(ask, _REPLY, place),
    }


def _named(ask: Ask, attempt: dict[str, Any]) -> dict[str, str]:
    """Return what the candidate is called, and how it differs from its parents."""
    made = [
        row
        for parent in attempt["parents"] or ()
        for row in _dicts(ask, _MADE, [attempt["experiment_id"], parent])
    ]
    own, *parents = [
        CandidateRow(**{each.name: row[each.name] for each in fields(CandidateRow)})
        for row in (attempt | {"parents": attempt["parents"] or []}, *made)
    ]
    domain = installed(attempt["domain"] or "")
    space = domain.hosted("space") if domain is not None else None
    return {"name": name_of(own), "difference": difference(own, parents, space)}


def _costs(ask: Ask, found: Found, spec: DomainSpec | None, objective: str | None) -> list[str]:
    if spec is None:
        return []
    slot = (found.iteration, found.slot)
    return cost_lines(ask, found.experiment_id, spec, objective, [slot]).get(slot, [])


def _spec(recorded: str | None) -> DomainSpec | None:
    """Return what the domain of an experiment said of its figures; None where nothing is known."""
    try:
        return spec_from(json.loads(recorded or "{}"), "")
    except InputError:
        return None


def _evaluation(row: dict[str, Any]) -> Evaluation:
    return Evaluation(
        scenario=row["scenario"],
        outcome=Outcome(row["outcome"]),
        stats=json.loads(row["stats"] or "null"),
        metrics=json.loads(row["metrics"] or "null"),
    )


def _tried(row: dict[str, Any], tried: Evaluation, spec: DomainSpec | None) -> dict[str, Any]:
    """Return an evaluation with the figures that its domain shows in small tables, by name."""
    kept = {name: value for name, value in row.items() if name not in ("stats", "metrics")}
    brief = spec.brief() if spec is not None else []
    return kept | {"figures": {each.brief: metric_text(each, [tried]) for each in brief}}


def _over_splits(
    tries: Sequence[tuple[dict[str, Any], Evaluation]], spec: DomainSpec, objective: str | None
) -> list[dict[str, Any]]:
    """Return the domain's metrics over the scenarios of each split, as texts.

    Where the policy failed on one of them there is none: one over the rest would flatter it.
    """
    guards = {path for each in spec.objectives if each.name == objective for path in each.guards}
    scored: dict[str, list[Evaluation]] = {}
    for row, tried in tries:
        if row["purpose"] == "score":
            scored.setdefault(row["split"], []).append(tried)
    whole = {
        split: found
        for split, found in scored.items()
        if all(each.metrics is not None for each in found)
    }
    figures: list[dict[str, Any]] = [
        {
            "figure": each.label,
            "key": each.key,
            "over": each.over,
            "guard": each.key in guards,
            "splits": {split: metric_text(each, whole.get(split, [])) for split in scored},
        }
        for each in spec.metrics
    ]
    return [each for each in figures if any(each["splits"].values())]


def _dicts(ask: Ask, sql: str, params: Sequence[Any]) -> list[dict[str, Any]]:
    table = ask(sql, params)
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]
