"""Every row of an evaluation names the host that ran it; one trial may have had several."""

from dataclasses import replace
from typing import Any

from flows.search.recording import Tried, evaluation_rows
from flows.search.session import Provenance
from flows.trials import joined
from sandbox.outcome import CellInfo, Evaluation, Outcome, Place, Trial
from simulator.domain import find_domain

ALPHA = Place(host="alpha", engine="27.0", image_id="sha256:a", isolation="docker/full")
BETA = Place(host="beta", engine="29.0", image_id="sha256:b", isolation="docker/full")
PROVENANCE = Provenance(
    experiment_id="e",
    config_sha256="c",
    assay_version="1",
    simulator_version="s",
    image_id="sha256:of-the-search",
    domain=find_domain(),
)


def trial(place: Place | None, *scenarios: str, **changes: Any) -> Trial:
    """Return a trial of these scenarios on one host; without one it was refused before a cell."""
    outcome = Outcome.OK if place is not None else Outcome.REJECTED
    cell = None
    if place is not None:
        cell = CellInfo(image_id=place.image_id, runtime="", isolation=place.isolation, seconds=1)
    return Trial(
        candidate="p",
        outcome=outcome,
        cell=cell,
        evaluations=tuple(
            Evaluation(scenario=name, outcome=outcome, place=place, **changes) for name in scenarios
        ),
    )


def places(whole: Trial) -> list[tuple[str, str | None, str | None, str | None, str | None]]:
    """Return what the rows of a trial say of where it ran."""
    tries = [
        Tried(trial=whole, evaluation=each, split="train", purpose="score")
        for each in whole.evaluations
    ]
    rows = evaluation_rows((1, 0), tries, PROVENANCE, "now")
    return [(r.scenario, r.host, r.engine, r.image_id, r.isolation) for r in rows]


def test_parts_of_a_trial_on_two_hosts_keep_their_own() -> None:
    whole = joined([trial(ALPHA, "a", "b"), trial(BETA, "c")])

    assert places(whole) == [
        ("a", "alpha", "27.0", "sha256:a", "docker/full"),
        ("b", "alpha", "27.0", "sha256:a", "docker/full"),
        ("c", "beta", "29.0", "sha256:b", "docker/full"),
    ]


def test_what_no_cell_tried_has_no_host() -> None:
    assert places(trial(None, "a")) == [("a", None, None, "sha256:of-the-search", None)]


def test_a_host_is_no_part_of_what_a_policy_did() -> None:
    from flows.judging.scoring import behaviour

    here = trial(ALPHA, "a", decision_sha256="d")
    there = replace(here, evaluations=tuple(replace(e, place=BETA) for e in here.evaluations))

    assert behaviour(here.evaluations) == behaviour(there.evaluations)
