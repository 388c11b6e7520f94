"""The page on security says what is so: its tests, attacks and counts are those that there are."""

import re

import pytest

from simulator.cell.seccomp import X86_64
from tests.attacks.confusing import CONFUSING
from tests.attacks.escaping import ESCAPING
from tests.attacks.exhausting import EXHAUSTING
from tests.attacks.forging import FORGING
from tests.attacks.peeking import PEEKING
from tests.attacks.test_attacks import ATTACKS
from tests.support.cells import ROOT

PAGE = (ROOT / "docs/security.md").read_text("utf-8")
KINDS = {
    "forging": FORGING,
    "peeking": PEEKING,
    "exhausting": EXHAUSTING,
    "escaping": ESCAPING,
    "confusing": CONFUSING,
}
TESTS = list((ROOT / "tests").rglob("*.py"))
NAMED = sorted(set(re.findall(r"`(test_\w+)`", PAGE)))
FILES = sorted(set(re.findall(r"`((?:[\w/]+/)?\w+\.py)`", PAGE)))
ATTACK = re.compile(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`")
NO_ATTACKS = {"one-uid", "no-net", "no-pid", "no-mount"}
"""Names with hyphens that are of something else."""


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_the_page_names_is_there(name: str) -> None:
    assert any(f"def {name}(" in path.read_text("utf-8") for path in TESTS)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_page_names_is_there(name: str) -> None:
    found = [path for path in ROOT.glob("*/**/*.py") if path.as_posix().endswith(f"/{name}")]

    assert found or (ROOT / name).is_file()


def test_the_attacks_that_the_page_names_are_made() -> None:
    named = set(ATTACK.findall(PAGE)) - NO_ATTACKS

    assert named <= {attack.name for attack in ATTACKS}
    assert len(named) >= 15


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_walls_counts_every_attack(kind: str) -> None:
    count = len(KINDS[kind])
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {kind}, ")]

    assert row.startswith(f"| {kind}, {count} | " + f"{count} held | " * 3)


def test_the_numbers_in_the_text_are_the_true_ones() -> None:
    assert f"In none of the {len(ATTACKS)} did" in PAGE
    assert f"leaves it {len(X86_64.numbers)} system calls" in PAGE
