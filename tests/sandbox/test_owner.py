"""Who owns a cell, and whether the owner is still alive."""

import os

from hypothesis import given
from hypothesis import strategies as st

from sandbox.hardening import DEADLINE_LABEL, OWNER_LABEL
from sandbox.hardening import UPTIME_DEADLINE_LABEL as UPTIME_LABEL
from sandbox.reaper import (
    Now,
    Place,
    is_named_like_ours,
    is_stale,
    labels_for,
    malformed,
    started_at,
    this_moment,
    this_place,
)

HERE = Place(boot_id="boot", pid_namespace="77")
LABELS = {OWNER_LABEL: "12:345:boot:77", DEADLINE_LABEL: "1000", UPTIME_LABEL: "50"}
EARLY = Now(wall=0.0, since_boot=0.0)
LATE = Now(wall=1001.0, since_boot=51.0)


def stale(labels: dict[str, str], now: Now = EARLY, alive: dict[int, str] | None = None) -> bool:
    lives = {12: "345"} if alive is None else alive
    return is_stale(labels, now=now, place=HERE, start_of=lives.get)


def test_a_cell_of_a_living_owner_stays() -> None:
    assert not stale(LABELS)


def test_a_cell_of_a_dead_owner_goes() -> None:
    assert stale(LABELS, alive={})


def test_a_process_that_reuses_the_id_is_not_the_owner() -> None:
    assert stale(LABELS, alive={12: "999"})


def test_a_cell_past_its_deadline_goes() -> None:
    assert stale(LABELS, now=LATE)


def test_a_clock_that_is_set_forward_ends_no_cell_of_this_boot() -> None:
    assert not stale(LABELS, now=Now(wall=9e9, since_boot=49.0))


def test_a_clock_that_is_set_back_extends_no_deadline_of_this_boot() -> None:
    assert stale(LABELS, now=Now(wall=-9e9, since_boot=51.0))


ODD = st.one_of(
    st.sampled_from(["", "²", "-1", "1.5", "1e9", " 5", "5\n", "٣", "9" * 40, "soon", "0x10"]),
    st.text(max_size=30),
)


@given(st.dictionaries(st.sampled_from([OWNER_LABEL, DEADLINE_LABEL, UPTIME_LABEL]), ODD))
def test_labels_that_we_did_not_write_are_malformed_or_can_be_judged(odd: dict[str, str]) -> None:
    labels = LABELS | odd

    if malformed(labels) is None:
        stale(labels)
    else:
        assert any(label in (malformed(labels) or "") for label in odd)


def test_every_label_must_match_in_full() -> None:
    assert malformed(LABELS) is None
    for label in (OWNER_LABEL, DEADLINE_LABEL):
        rest = {name: value for name, value in LABELS.items() if name != label}
        assert malformed(rest) == f"it has no label {label}"
    for value in ("12", "12:345", "12:345:boot", "x:345:boot:77", "12:345:boot:77:", "1:2:a b:3"):
        assert malformed(LABELS | {OWNER_LABEL: value}) == f"its label {OWNER_LABEL} is {value!r}"


def test_only_names_that_we_give_are_ours() -> None:
    assert is_named_like_ours("assay-cell-0123456789abcdef")
    for name in ("", "web", "assay-cell-", "assay-cell-mine", "my-assay-cell-0123456789abcdef",
                 "assay-cell-0123456789abcdef\n", "assay-cell-0123456789abcdef0"):  # fmt: skip
        assert not is_named_like_ours(name), name


def test_a_cell_with_one_deadline_only_is_judged_by_that() -> None:
    labels = {OWNER_LABEL: LABELS[OWNER_LABEL], DEADLINE_LABEL: "1000"}

    assert not stale(labels, now=Now(wall=999.0, since_boot=51.0))
    assert stale(labels, now=LATE)


def test_a_cell_of_another_boot_or_namespace_stays_until_its_deadline() -> None:
    assert not stale(LABELS | {OWNER_LABEL: "13:1:other:77"})
    assert not stale(LABELS | {OWNER_LABEL: "13:1:boot:78"})
    assert stale(LABELS | {OWNER_LABEL: "13:1:boot:78"}, now=LATE)
    assert stale(LABELS | {OWNER_LABEL: "13:1:other:77"}, now=Now(wall=1001.0, since_boot=0.0))
    assert not stale(LABELS | {OWNER_LABEL: "13:1:other:77"}, now=Now(wall=999.0, since_boot=51.0))


def test_our_own_labels_are_those_of_a_living_owner() -> None:
    labels = labels_for(3600.0)

    assert malformed(labels) is None
    assert not is_stale(labels, now=this_moment(), place=this_place(), start_of=started_at)
    assert labels[OWNER_LABEL].startswith(f"{os.getpid()}:")


def test_a_process_that_is_gone_has_no_start() -> None:
    assert started_at(2**22 + 1) is None
