"""Whose cell it is, and whether its owner still lives."""

import os

from sandbox.hardening import DEADLINE_LABEL, OWNER_LABEL
from sandbox.owner import Place, is_stale, labels_for, started_at, this_place

HERE = Place(boot_id="boot", pid_namespace="77")
LABELS = {OWNER_LABEL: "12:345:boot:77", DEADLINE_LABEL: "1000"}


def stale(labels: dict[str, str], now: float = 0.0, alive: dict[int, str] | None = None) -> bool:
    lives = {12: "345"} if alive is None else alive
    return is_stale(labels, now=now, place=HERE, start_of=lives.get)


def test_a_cell_of_a_living_owner_stays() -> None:
    assert not stale(LABELS)


def test_a_cell_of_a_dead_owner_goes() -> None:
    assert stale(LABELS, alive={})


def test_a_process_that_took_over_the_number_is_not_the_owner() -> None:
    assert stale(LABELS, alive={12: "999"})


def test_a_cell_past_its_deadline_goes() -> None:
    assert stale(LABELS, now=1001.0)


def test_a_cell_without_readable_labels_goes() -> None:
    assert stale({})
    assert stale({OWNER_LABEL: "x", DEADLINE_LABEL: "1000"})
    assert stale(LABELS | {DEADLINE_LABEL: "soon"})


def test_an_owner_on_another_boot_or_in_another_namespace_is_given_its_time() -> None:
    assert not stale(LABELS | {OWNER_LABEL: "13:1:other:77"})
    assert not stale(LABELS | {OWNER_LABEL: "13:1:boot:78"})
    assert stale(LABELS | {OWNER_LABEL: "13:1:other:77"}, now=1001.0)


def test_our_own_labels_are_those_of_a_living_owner() -> None:
    labels = labels_for(3600.0)

    assert not is_stale(labels, now=0.0, place=this_place(), start_of=started_at)
    assert labels[OWNER_LABEL].startswith(f"{os.getpid()}:")


def test_a_process_that_is_gone_has_no_start() -> None:
    assert started_at(2**22 + 1) is None
