"""The tests, attacks and counts that the security page names exist and are correct."""

import re

from simulator.cell.seccomp import ANSWERED_ZERO, X86_64
from tests.attacks.confusing import CONFUSING
from tests.attacks.escaping import ESCAPING
from tests.attacks.exhausting import EXHAUSTING
from tests.attacks.forging import FORGING
from tests.attacks.peeking import PEEKING
from tests.attacks.test_attacks import ATTACKS, ON_THE_CONTAINER
from tests.sealed.attacks import ATTACKS as SEALED
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


def test_the_tests_that_the_page_names_exist() -> None:
    texts = "".join(path.read_text("utf-8") for path in TESTS)

    assert [name for name in NAMED if f"def {name}(" not in texts] == []


def test_the_files_that_the_page_names_exist() -> None:
    paths = [f"/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("*/**/*.py")]

    assert [name for name in FILES if not any(p.endswith(f"/{name}") for p in paths)] == []


def test_the_attacks_that_the_page_names_exist() -> None:
    named = set(ATTACK.findall(PAGE)) - NO_ATTACKS

    assert named <= {attack.name for attack in ATTACKS}
    assert len(named) >= 15


def test_the_table_of_walls_counts_every_attack() -> None:
    for kind, attacks in KINDS.items():
        count = len(attacks)
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {kind}, ")]

        assert row.startswith(f"| {kind}, {count} | " + f"{count} held | " * 3)


def test_the_numbers_in_the_text_are_correct() -> None:
    assert f"has {len(SEALED)} attacks" in PAGE
    assert f"\n{sum(each.outside for each in SEALED)} that a container" in PAGE
    assert f"In none of the {len(ATTACKS)} did" in PAGE
    assert f"and {len(ON_THE_CONTAINER)} of them in containers" in PAGE
    assert f"leaves it {len(X86_64.numbers) - len(ANSWERED_ZERO)} system calls" in PAGE
