"""A policy's source as text and as a tree, from several threads at once."""

import ast
import gc
import hashlib
import sys
import traceback
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.trials import side_by_side
from sandbox.screen import screen
from sandbox.source import candidate_id, malformed_because, parse, source_diff, source_line
from simulator.domains.pipelines.library import policy_names, policy_source


def test_a_candidate_is_named_by_the_hash_of_its_source() -> None:
    assert candidate_id("x = 1\n") == hashlib.sha256(b"x = 1\n").hexdigest()
    assert len(candidate_id("\ud800")) == 64


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("a\0b", "NUL character at position 1"),
        ("a\udc80", "lone surrogate at position 1"),
        ("é" * 51, "102 bytes; 100 are allowed"),
    ],
)
def test_the_reason_why_a_source_is_malformed_is_named(source: str, told: str) -> None:
    reason = malformed_because(source, 100)

    assert reason is not None
    assert told in reason


def test_ordinary_text_is_not_malformed() -> None:
    assert malformed_because("x = 'é'\r\n", 100) is None


def test_a_line_is_found_by_its_number() -> None:
    assert source_line("a\n  b\n", 2) == "b"
    assert source_line("a\n", 9) == source_line("a\n", None) == source_line("a\n", 0) == ""


ENDS = st.sampled_from(["\n", "\r", "\r\n"])
LINES = st.sampled_from(["x = 1", "\x0cx = 1", "# \u2028 \x0b \x1c \x85 \u2029", "'\u2028'", ""])


@given(st.lists(LINES, max_size=6), st.lists(ENDS, min_size=1, max_size=3))
def test_the_line_shown_is_the_line_that_python_names(lines: list[str], ends: list[str]) -> None:
    above = "".join(line + end for line, end in zip(lines, cycle(ends), strict=False))
    number = None
    try:
        exec(compile(above + "1 / 0  # here", "policy.py", "exec"), {})
    except ZeroDivisionError:
        number = traceback.extract_tb(sys.exc_info()[2])[-1].lineno

    assert source_line(above + "1 / 0  # here", number) == "1 / 0  # here"
    for line in ("x = = here", "import os  # here"):
        assert [one.source_line for one in screen(above + line)] == [line]


def test_a_diff_is_line_by_line_whatever_ends_a_line() -> None:
    shown = source_diff("a\rb\r\nc\x0c", "a\nB\nc\x0c", "1/0", "2/0")

    assert shown.split("\n") == [
        "--- 1/0",
        "+++ 2/0",
        "@@ -1,3 +1,3 @@",
        " a",
        "-b",
        "+B",
        " c\x0c",
    ]


def test_a_diff_that_would_take_too_long_is_left_out() -> None:
    often = [f"x = {number % 200}" for number in range(3_000)]

    shown = source_diff("\n".join(often), "\n".join(reversed(often)), "1/0", "2/0")

    assert shown == "no diff: comparing 3,000 and 3,000 lines would take too long"


def test_threads_can_parse_at_the_same_time() -> None:
    sources = [policy_source(name) for name in policy_names()]
    before = gc.get_threshold()
    gc.set_threshold(50)  # a collection is where one thread gives way to another

    def work(number: int) -> list[str]:
        return [ast.dump(parse(source)) for source in sources[number % 3 :]]

    try:
        made = side_by_side(work, range(6))
    finally:
        gc.set_threshold(*before)

    assert made[0] == made[3] == [ast.dump(ast.parse(source)) for source in sources]


def test_syntax_errors_are_raised_unchanged() -> None:
    with pytest.raises(SyntaxError):
        parse("def step(:")
    with pytest.raises(SyntaxError):
        parse("type X = int", (3, 11))
