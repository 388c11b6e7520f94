"""Failures are charged to the policy only where the evidence says so."""

from typing import Any

import pytest

from sandbox.errors import CellFailed
from sandbox.outcome import Evaluation, Outcome, Problem
from sandbox.provider import Ended
from sandbox.verdict import (
    OUTCOMES_OF_A_CELL,
    container_protections,
    judge,
    not_tried,
    process_protections,
    weaknesses,
    without_what_follows_a_limit,
)
from simulator.cell.frames import CellReport, Tried, pack_report
from simulator.cell.seal import ONE_UID, SPLIT

NONCE = b"k" * 32
DOMAIN = "d" * 64
LOCKED: dict[str, Any] = {
    "asked": SPLIT,
    "uid_split": True,
    "worker_seccomp": 2,
    "trusted_seccomp": 2,
    "own_filter": True,
    "no_new_privs": True,
    "worker_capabilities": "0x0",
    "own_pid_namespace": True,
    "read_only_root": True,
    "interfaces": ["lo"],
}
SOURCE = "first = 1\n  second = 2\n"


def ended(
    *tried: Tried, isolation: dict[str, Any] = LOCKED, fault: str | None = None, **rest: Any
) -> Ended:
    report = CellReport(
        simulator_version="1",
        domain_sha256=DOMAIN,
        isolation=isolation,
        tried=list(tried),
        fault=fault,
    )
    return Ended(stdout=pack_report(report, NONCE), stderr="", **rest)


def evaluations(what: Ended, *scenarios: str, isolation: str = SPLIT) -> tuple[Evaluation, ...]:
    wanted = container_protections(isolation)
    _, found = judge(
        what,
        nonce=NONCE,
        domain_sha256=DOMAIN,
        scenarios=scenarios,
        protections=wanted,
        source=SOURCE,
    )
    return found


def test_after_a_time_limit_nothing_counts_however_many_cells_were_used() -> None:
    def one(name: str, outcome: Outcome) -> Evaluation:
        problem = None if outcome is Outcome.OK else Problem(message=f"{outcome} it was")
        return Evaluation(scenario=name, outcome=outcome, problem=problem)

    limit = one("b", Outcome.CPU_LIMIT)
    left = not_tried("c", limit), not_tried("d", limit)
    cells = [
        (one("a", Outcome.OK), limit, *left),
        (one("a", Outcome.OK), limit, one("c", Outcome.OK), one("d", Outcome.WALL_LIMIT)),
        (one("a", Outcome.OK), limit, one("c", Outcome.POLICY_ERROR), left[1]),
    ]

    for evaluations in cells:
        assert without_what_follows_a_limit(evaluations) == cells[0]
    assert left[0].problem == Problem(
        message="not tried: cpu_limit in the scenario b (cpu_limit it was)"
    )


def test_a_good_report_is_taken_as_it_is() -> None:
    (one,) = evaluations(ended(Tried(scenario="a", outcome="ok", stats={"x": 1})), "a")

    assert (one.outcome, one.stats, one.problem) == (Outcome.OK, {"x": 1}, None)


@pytest.mark.parametrize("outcome", sorted(OUTCOMES_OF_A_CELL - {Outcome.OK}))
def test_every_failure_of_a_policy_is_an_outcome_not_an_error(outcome: Outcome) -> None:
    tried = Tried(scenario="a", outcome=outcome, message="what", line=2, step=7)

    (one,) = evaluations(ended(tried), "a")

    assert one.outcome is outcome
    assert one.problem is not None
    assert (one.problem.message, one.problem.step) == ("what", 7)
    assert one.problem.source_line == "second = 2"


@pytest.mark.parametrize("outcome", ["rejected", "malformed", "nondeterministic", "won"])
def test_an_outcome_that_no_cell_can_have_is_our_error(outcome: str) -> None:
    with pytest.raises(CellFailed, match="no cell can have"):
        evaluations(ended(Tried(scenario="a", outcome=outcome)), "a")


def test_a_missing_scenario_is_our_error() -> None:
    with pytest.raises(CellFailed, match="reported on the scenarios"):
        evaluations(ended(Tried(scenario="a", outcome="ok")), "a", "b")


def test_a_fault_of_the_simulator_is_our_error() -> None:
    with pytest.raises(CellFailed, match="KeyError: 3"):
        evaluations(ended(fault="KeyError: 3"), "a")


def test_an_out_of_memory_kill_without_a_report_is_memory_limit() -> None:
    what = Ended(stdout=b"", stderr="", out_of_memory=True)

    found = evaluations(what, "a", "b")

    assert [(one.scenario, one.outcome) for one in found] == [
        ("a", Outcome.MEMORY_LIMIT),
        ("b", Outcome.MEMORY_LIMIT),
    ]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (
            Ended(stdout=b"", stderr="Traceback: boom"),
            "the end of its standard error: Traceback: boom",
        ),
        (Ended(stdout=b"", stderr="", overdue=True), "before the host's deadline"),
        (Ended(stdout=b"x" * 99, stderr="", flooded=True), "more than a report can hold"),
        (Ended(stdout=b"{'score': 777}\n" * 9, stderr=""), "no authentic report"),
    ],
)
def test_no_authentic_report_without_evidence_is_our_error(what: Ended, told: str) -> None:
    with pytest.raises(CellFailed, match=told):
        evaluations(what, "a")


@pytest.mark.parametrize(
    ("name", "weaker"),
    [
        ("asked", "none"),
        ("uid_split", False),
        ("worker_seccomp", 0),
        ("trusted_seccomp", 0),
        ("own_filter", False),
        ("no_new_privs", False),
        ("worker_capabilities", "0x20"),
        ("own_pid_namespace", False),
        ("read_only_root", False),
        ("interfaces", ["eth0", "lo"]),
    ],
)
def test_a_report_from_a_weaker_cell_is_refused(name: str, weaker: Any) -> None:
    what = ended(Tried(scenario="a", outcome="ok"), isolation=LOCKED | {name: weaker})

    with pytest.raises(CellFailed, match=f"weaker than asked .*{name}"):
        evaluations(what, "a")


def test_a_fact_that_is_missing_counts_as_missing_protection() -> None:
    assert len(weaknesses({}, container_protections(SPLIT))) == len(LOCKED)


def test_one_user_id_is_enough_only_where_it_was_asked_for() -> None:
    facts = LOCKED | {"asked": ONE_UID, "uid_split": False}

    assert weaknesses(facts, container_protections(ONE_UID)) == []
    assert len(weaknesses(facts, container_protections(SPLIT))) == 2


@pytest.mark.parametrize(
    ("wall", "name", "weaker"),
    [
        ("pid", "own_pid_namespace", False),
        ("mount", "read_only_root", False),
        ("net", "interfaces", ["eth0", "lo"]),
    ],
)
def test_each_protection_of_an_embedded_cell_must_be_in_its_report(
    wall: str, name: str, weaker: Any
) -> None:
    facts = LOCKED | {"trusted_seccomp": 0, name: weaker}
    others = {"pid", "mount", "net"} - {wall}

    assert weaknesses(facts, process_protections(SPLIT, others)) == []
    assert len(weaknesses(facts, process_protections(SPLIT, {*others, wall}))) == 1


@pytest.mark.parametrize(
    ("name", "weaker"),
    [("uid_split", False), ("worker_seccomp", 0), ("own_filter", False), ("no_new_privs", False)],
)
def test_an_embedded_cell_without_its_seal_is_refused(name: str, weaker: Any) -> None:
    assert len(weaknesses(LOCKED | {name: weaker}, process_protections(SPLIT, ()))) == 1


def test_a_result_of_another_domain_is_our_failure_and_no_score() -> None:
    well = ended(Tried(scenario="a", outcome="ok"))

    with pytest.raises(CellFailed, match="another domain than was asked for"):
        judge(
            well,
            nonce=NONCE,
            domain_sha256="e" * 64,
            scenarios=["a"],
            protections=container_protections(SPLIT),
            source=SOURCE,
        )
