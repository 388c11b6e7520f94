"""What follows a search for a simulator: mutants, calibration, the final checks, the certificate.

Each step is recorded as an event, so that an interrupted run continues after the last one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from flows.attempt import Attempt, Proposal
from flows.bootstrap.certificate import assumptions_of, hashes_of
from flows.bootstrap.examination import (
    adequacy,
    adequacy_record,
    calibrate,
    calibration_record,
    check_record,
    with_parameters,
)
from flows.history.records import CandidateRow, EvaluationRow, EventRow, Row, key_of
from flows.search.loop import nothing_left, run_final_test
from flows.search.session import Session
from flows.search.trying import try_in_cells
from flows.trials import side_by_side
from sandbox.outcome import Trial
from simulator.bootstrap.mutants import mutants_of
from simulator.bootstrap.scenario import CheckScenario
from simulator.domain import Scenario
from simulator.sealed.certificate import FORM, sealed_with_hash

ACCEPTANCE = "acceptance"
"""The kind of the events."""
ADEQUACY, CALIBRATION, ACCEPTED, REFUSED = "adequacy", "calibration", "accepted", "not accepted"


def accept(session: Session) -> None:
    """Put the best simulator to what is left, if it passed all checks so far."""
    best = session.ledger.best
    scenarios = session.services.scenarios
    if best is None or best.source is None or nothing_left(session, best.iteration + 1) is None:
        _once(session, REFUSED, "no simulator passed every check that is shown and held", best, {})
        return
    checks = _checks(*scenarios.train, *scenarios.validation)
    noticed = _step(session, ADEQUACY, best) or _adequacy(session, best, checks)
    calibration = _step(session, CALIBRATION, best) or _calibration(session, best)
    parameters = (calibration.get("result") or {}).get("parameters", {})
    final = [with_parameters(each, parameters) for each in _checks(*scenarios.test)]
    session.services = replace(session.services, scenarios=replace(scenarios, test=tuple(final)))
    run_final_test(session)
    scored = session.ledger.scored(key_of(best))
    failed = [each.name for each in final if not _passed(scored.get(each.name))]
    if failed:
        words = (
            f"{best.title} failed {len(failed)} of {len(final)} final checks: {', '.join(failed)}"
        )
        _once(session, REFUSED, words, best, {"failed": failed})
        return
    every = [*checks, *final]
    certificate = sealed_with_hash(
        {
            "certificate": FORM,
            "says": "accepted by these checks; what no check asks is not known",
            "domain": session.config.domain.name,
            "version": session.config.domain.spec.version,
            "experiment": session.experiment_id,
            "candidate": best.candidate,
            "seed": session.config.seed,
            "hashes": hashes_of(
                session.config.domain.root, best.source, [each.sha256 for each in every]
            ),
            "checks": [check_record(each, scored[each.name]) for each in every],
            "mutants": noticed["result"],
            "calibration": calibration["result"],
            "assumptions": assumptions_of(best.source),
        }
    )
    counts = f"{len(every)} checks, {_mutation_words(noticed['result'])}"
    _once(
        session, ACCEPTED, f"{best.title} is accepted: {counts}", best, {"certificate": certificate}
    )


def _checks(*scenarios: Scenario) -> list[CheckScenario]:
    return [cast(CheckScenario, each) for each in scenarios]


def certificate_in(rows: Sequence[Row]) -> tuple[str, dict[str, Any]] | None:
    """Return the source that was accepted and its certificate, None where none was."""
    for row in reversed(rows):
        if isinstance(row, EventRow) and row.kind == ACCEPTANCE and "certificate" in row.detail:
            certificate = row.detail["certificate"]
            for each in rows:
                if isinstance(each, CandidateRow) and each.candidate == certificate["candidate"]:
                    return each.source or "", certificate
    return None


def _adequacy(
    session: Session, best: CandidateRow, checks: Sequence[CheckScenario]
) -> dict[str, Any]:
    """Try mutants of the simulator on the checks that it passed."""
    folder = session.config.domain.cell.folder  # type: ignore[attr-defined]
    tested = adequacy(
        checks,
        mutants_of(best.source or "", folder.laws.mutants, session.config.seed),
        partial(_trial, session, best),
        partial(_in_slots, session.config.slots),
    )
    result = adequacy_record(tested, [each.name for each in session.services.scenarios.validation])
    return _once(session, ADEQUACY, _mutation_words(result), best, {"result": result})


def _calibration(session: Session, best: CandidateRow) -> dict[str, Any]:
    """Fit the parameters to one half of the measured figures."""
    tried = partial(_trial, session, best)
    folder = session.config.domain.cell.folder  # type: ignore[attr-defined]
    found = calibrate(best.source or "", folder, session.config.seed, tried)
    words = "nothing to calibrate: no parameters, or no figures.csv"
    result = None
    if found is not None:
        result = calibration_record(found)
        low, error, high = found.held
        words = (
            f"calibrated: error {100 * error:.2f} % ({100 * low:.2f} to {100 * high:.2f}) on "
            f"the half of {found.figures} figures that was not fitted"
        )
    return _once(session, CALIBRATION, words, best, {"result": result})


def _trial(
    session: Session,
    best: CandidateRow,
    source: str,
    label: str,
    scenarios: Sequence[CheckScenario],
) -> Trial:
    proposal = Proposal(source=source, title=label, origin=best.origin, operator="mutate")
    attempt = Attempt(key=key_of(best), proposal=proposal)
    return try_in_cells(session, attempt, label, list(scenarios))


def _in_slots(slots: int, call: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    """Call a function with all items, as many side by side as the search has slots."""
    done: list[Any] = []
    for start in range(0, len(items), slots):
        done += side_by_side(call, items[start : start + slots])
    return done


def _step(session: Session, step: str, best: CandidateRow) -> dict[str, Any] | None:
    """Return what an earlier run recorded of a step for this very simulator."""
    for row in session.ledger.acceptance:
        if (row.detail.get("step"), row.detail.get("candidate")) == (step, best.candidate):
            return row.detail
    return None


def _once(
    session: Session, step: str, message: str, best: CandidateRow | None, detail: dict[str, Any]
) -> dict[str, Any]:
    """Record a step unless it is recorded, and show it."""
    told = {"step": step, "candidate": best.candidate if best is not None else None, **detail}
    key = key_of(best) if best is not None else None
    if not session.ledger.knows_event(ACCEPTANCE, key, message):
        session.event(ACCEPTANCE, message, told, key)
        session.notice(message)
    return told


def _passed(row: EvaluationRow | None) -> bool:
    return row is not None and row.outcome == "ok" and (row.metrics or {}).get("passed") == 1.0


def _mutation_words(result: dict[str, Any]) -> str:
    return f"{result['killed']} of {result['made']} mutants of it were noticed"
