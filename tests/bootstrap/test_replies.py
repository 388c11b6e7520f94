"""Replies that were written by hand, as models give them: only what is right gets through."""

import ast
from pathlib import Path

import pytest

from flows.proposers.replies import extract_source
from sandbox.screen import screen
from tests.support.systems import NAMES, SYSTEMS, system, verdict

QUICK = ("run", "random", "worked", "determinism", "reference")
CPU_SECONDS = 0.8
"""Of one of these checks; a hostile reply takes all of them."""
REPLIES = sorted(path for name in NAMES for path in (SYSTEMS / name / "replies").glob("*.md"))
LABEL = "<!-- Written by hand for the tests, as a model might have answered: "


def fate(path: Path) -> str:
    """Return how far a reply gets: unreadable, refused by the screen, or by which checks."""
    source = extract_source(path.read_text(encoding="utf-8")).source
    if source is None:
        return "unreadable"
    if screen(source):
        return "screened"
    example = system(path.parent.parent.name)
    quick = [each for each in example.checks if each.kind in QUICK]
    for split in ("shown", "held"):
        some = [each for each in quick if each.split == split]
        if any(verdict(example, each, source, CPU_SECONDS) == "fail" for each in some):
            return split
    return "passes"


def test_every_reply_says_that_it_was_written_by_hand() -> None:
    assert len(REPLIES) == 5 * len(NAMES) + 1
    assert all(path.read_text(encoding="utf-8").startswith(LABEL) for path in REPLIES)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_only_what_is_right_passes_and_what_is_almost_right_passes_what_is_shown(name: str) -> None:
    found = {path.stem: fate(path) for path in REPLIES if path.parent.parent.name == name}

    assert found["right"] == "passes"
    assert found["almost"] == "held"
    assert found["wrong"] == "shown"
    assert found["malformed"] in ("unreadable", "screened")
    assert found["hostile"] in ("screened", "shown")
    assert found.get("memorised", "shown") == "shown"


@pytest.mark.parametrize("name", NAMES)
def test_the_right_reply_is_the_right_simulator(name: str) -> None:
    example = system(name)
    source = extract_source(example.source("replies/right.md")).source

    assert source is not None
    good = example.source("simulators/good.py")
    assert ast.dump(ast.parse(source)) == ast.dump(ast.parse(good))
