"""What follows a search for a simulator: mutants, calibration, the final checks, the certificate.

Each step is recorded as an event, so that an interrupted run continues after the last one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from flows.attempt import Attempt, Proposal
from flows.bootstrap.another import all_programs
from flows.bootstrap.certificate import assumptions_of, hashes_of
from flows.bootstrap.examination import (
    Pace,
    Tested,
    adequacy,
    adequacy_record,
    calibrate,
    calibration_record,
    check_record,
    for_mutants,
    with_parameters,
)
from flows.history.records import CandidateRow, EvaluationRow, EventRow, Row, key_of
from flows.names import called
from flows.search.loop import nothing_left, run_final_test
from flows.search.progress import Stepped
from flows.search.session import Session
from flows.search.trying import try_in_cells
from flows.trials import side_by_side
from sandbox.outcome import Trial
from simulator.bootstrap import calibration
from simulator.bootstrap.mutants import Mutant, mutants_of
from simulator.bootstrap.scenario import CheckScenario
from simulator.domain import Scenario
from simulator.errors import InputError
from simulator.sealed.certificate import FORM, accepted_numbers, names_of, sealed_with_hash
from simulator.sealed.shapes import MOST_SIMULATOR_BYTES
from simulator.textfile import read_text

ACCEPTANCE = "acceptance"
"""The kind of the events."""
ALIKE, ADEQUACY, CALIBRATION = "alike", "adequacy", "calibration"
ACCEPTED, REFUSED = "accepted", "not accepted"
STEP = "acceptance_step"
"""The kind of the events of one mutant, or one generation of parameters, each."""
MUTANT, GENERATION = "mutant", "generation"


def accept(session: Session) -> None:
    """Put the best simulator to what is left, if it passed all checks so far."""
    best = session.ledger.best
    scenarios = session.services.scenarios
    if best is None or best.source is None or nothing_left(session, best.iteration + 1) is None:
        _once(session, REFUSED, "no simulator passed every check that is shown and held", best, {})
        return
    checks = _checks(*scenarios.train, *scenarios.validation)
    if session.config.another:
        sandbox = all_programs(session.services.sandbox)  # the search is over
        session.services = replace(session.services, sandbox=sandbox)
        if _step(session, ALIKE, best) is None:
            _compare_with_accepted(session, best, checks)
    folder = session.config.domain.cell.folder  # type: ignore[attr-defined]
    try:
        mutants = mutants_of(best.source, folder.laws.mutants, session.config.seed)
    except InputError as error:
        words = f"{best.title} is refused: no mistakes can be made in it on purpose: {error}"
        _once(session, REFUSED, words, best, {})
        return
    noticed = _step(session, ADEQUACY, best) or _adequacy(session, best, checks, mutants)
    calibrated = _step(session, CALIBRATION, best) or _calibration(session, best)
    _conclude(session, best, checks, noticed, calibrated)


def _conclude(
    session: Session,
    best: CandidateRow,
    checks: Sequence[CheckScenario],
    noticed: Mapping[str, Any],
    calibrated: Mapping[str, Any],
) -> None:
    """Try the final checks; make the certificate where none of them fails."""
    scenarios = session.services.scenarios
    parameters = (calibrated.get("result") or {}).get("parameters", {})
    final = [with_parameters(each, parameters) for each in _checks(*scenarios.test)]
    session.services = replace(session.services, scenarios=replace(scenarios, test=tuple(final)))
    _stepped(session, "final checks tried", 0, len(final))
    run_final_test(session)
    _stepped(session, "final checks tried", len(final), len(final))
    scored = session.ledger.scored(key_of(best))
    failed = [each.name for each in final if not _passed(scored.get(each.name))]
    if failed:
        words = (
            f"{called(best)} failed {len(failed)} of {len(final)} final checks: {', '.join(failed)}"
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
                session.config.domain.root, best.source or "", [each.sha256 for each in every]
            ),
            "checks": [check_record(each, scored[each.name]) for each in every],
            "mutants": noticed["result"],
            "calibration": calibrated["result"],
            "assumptions": assumptions_of(best.source or ""),
        }
    )
    counts = f"{len(every)} checks, {_mutation_words(noticed['result'])}"
    _once(
        session,
        ACCEPTED,
        f"{called(best)} is accepted: {counts}",
        best,
        {"certificate": certificate},
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


def _compare_with_accepted(
    session: Session, best: CandidateRow, checks: Sequence[CheckScenario]
) -> None:
    """Say which of the accepted simulators does the same in all checks, event by event."""
    scored, folder = session.ledger.scored(key_of(best)), session.config.domain.root
    own = [scored[each.name].decision_sha256 for each in checks]
    alike = []
    for number in accepted_numbers(folder):
        name = names_of(number)[0]
        source = read_text(folder / name, InputError, MOST_SIMULATOR_BYTES)
        trial = _trial(session, best, source, name, checks)
        ended = {each.scenario: each.decision_sha256 for each in trial.evaluations}
        if [ended.get(each.name) for each in checks] == own:
            alike.append(name)
    words = f"it does not do the same as any accepted simulator in all {len(checks)} checks"
    if alike:
        words = (
            f"it does the same as {', '.join(alike)} in all {len(checks)} checks, event by event: "
            "where these look, both read the specification in one way"
        )
    _once(session, ALIKE, words, best, {"alike": alike})


def _adequacy(
    session: Session,
    best: CandidateRow,
    checks: Sequence[CheckScenario],
    mutants: Sequence[Mutant],
) -> dict[str, Any]:
    """Try mutants of the simulator on the checks that it passed; each is recorded as it ends."""
    known = _recorded(session, MUTANT, best)

    def keep(number: int, tested: Tested) -> None:
        if number not in known:
            noticed = f"by {tested.killed_by[0]}" if tested.killed_by else "by no check"
            words = f"mutant {number}, line {tested.mutant.line}: noticed {noticed}"
            _record(session, MUTANT, number, words, best, list(tested.killed_by))

    pace = Pace()
    tested = adequacy(
        for_mutants(checks, session.ledger.scored(key_of(best)), pace),
        mutants,
        partial(_trial, session, best),
        partial(_in_slots, session, "mutants tried", keep),
        known,
    )
    held = [each.name for each in session.services.scenarios.validation]
    result = adequacy_record(tested, held, pace)
    return _once(session, ADEQUACY, _mutation_words(result), best, {"result": result})


def _calibration(session: Session, best: CandidateRow) -> dict[str, Any]:
    """Fit the parameters to one half of the measured figures."""
    folder = session.config.domain.cell.folder  # type: ignore[attr-defined]
    known = _recorded(session, GENERATION, best)
    total = calibration.GENERATIONS + 1

    def recall(number: int, distances: Callable[[], list[float]]) -> list[float]:
        _stepped(session, "generations of parameters tried", number, total)
        if number not in known:
            known[number] = distances()
            words = f"parameters, generation {number}: the least distance is {min(known[number]):g}"
            _record(session, GENERATION, number, words, best, known[number])
        return known[number]

    tried = partial(_trial, session, best)
    found = calibrate(best.source or "", folder, session.config.seed, tried, recall)
    words = "nothing to calibrate: no parameters, or no figures.csv"
    result = None
    if found is not None:
        _stepped(session, "generations of parameters tried", total, total)
        result = calibration_record(found)
        low, error, high = found.held
        words = (
            f"calibrated: error {100 * error:.2f} % ({100 * low:.2f} to {100 * high:.2f}) on "
            f"the half of {found.figures} figures that was not fitted"
        )
    return _once(session, CALIBRATION, words, best, {"result": result})


def _recorded(session: Session, step: str, best: CandidateRow) -> dict[int, list[Any]]:
    """Return what an earlier run recorded of the parts of a step for this very simulator."""
    return {
        row.detail["number"]: row.detail["found"]
        for row in session.ledger.acceptance
        if (row.detail.get("step"), row.detail.get("candidate")) == (step, best.candidate)
    }


def _record(
    session: Session, step: str, number: int, words: str, best: CandidateRow, found: list[Any]
) -> None:
    detail = {"step": step, "candidate": best.candidate, "number": number, "found": found}
    session.event(STEP, words, detail, key_of(best))


def _stepped(session: Session, what: str, done: int, total: int) -> None:
    session.watch(Stepped(what=what, done=done, total=total))


def _trial(
    session: Session,
    best: CandidateRow,
    source: str,
    label: str,
    scenarios: Sequence[CheckScenario],
) -> Trial:
    proposal = Proposal(source=source, title="", origin=best.origin, operator="mutate")
    attempt = Attempt(key=key_of(best), proposal=proposal)
    return try_in_cells(session, attempt, label, list(scenarios))


def _in_slots(
    session: Session,
    what: str,
    keep: Callable[[int, Any], None],
    call: Callable[[Any], Any],
    items: Sequence[Any],
) -> list[Any]:
    """Call a function with all items, as many side by side as the search has slots.

    Each result is kept, by its number from 1, as soon as those beside it have ended.
    """
    done: list[Any] = []
    slots = session.config.slots
    for start in range(0, len(items), slots):
        _stepped(session, what, start, len(items))
        for result in side_by_side(call, items[start : start + slots]):
            done.append(result)
            keep(len(done), result)
    _stepped(session, what, len(items), len(items))
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
