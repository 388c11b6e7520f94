"""What can be a policy's source at all, and the name it goes by."""

import hashlib

import pytest

from sandbox.source import candidate_id, malformed_because, source_line


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
def test_what_is_no_source_is_told_why(source: str, told: str) -> None:
    reason = malformed_because(source, 100)

    assert reason is not None
    assert told in reason


def test_ordinary_text_is_not_malformed() -> None:
    assert malformed_because("x = 'é'\r\n", 100) is None


def test_a_line_is_found_by_its_number() -> None:
    assert source_line("a\n  b\n", 2) == "b"
    assert source_line("a\n", 9) == source_line("a\n", None) == source_line("a\n", 0) == ""
