"""Text of a policy, made safe to store and to show."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from simulator.cell.cleantext import clean_text


def test_ordinary_text_stays_as_it_is() -> None:
    assert clean_text("Grüße,\n\tWelt: 你好", 100) == "Grüße,\n\tWelt: 你好"


def test_terminal_escapes_are_broken() -> None:
    assert clean_text("\x1b[31mred\x9b0m\r\x07", 100) == "�[31mred�0m��"


def test_direction_marks_and_surrogates_are_replaced() -> None:
    assert clean_text("a\u202eb\u2066c\ud800d\u200be", 100) == "a�b�c�d�e"


def test_characters_that_hide_words_are_replaced() -> None:
    hidden = "\U000e0041\U000e0042\ufe01\U000e0101\u061c\u2060\u00ad\u3164"

    assert clean_text(f"a{hidden}b", 100) == f"a{'�' * len(hidden)}b"
    assert clean_text("⚠\ufe0f full", 100) == "⚠\ufe0f full"


def test_long_text_is_cut_and_says_so() -> None:
    assert clean_text("x" * 12, 10) == "x" * 10 + "\n[... at least 2 more characters were dropped]"


@given(st.text(st.characters(), max_size=50))
def test_whatever_comes_can_be_stored(text: str) -> None:
    cleaned = clean_text(text, 100)

    cleaned.encode()
    left = {c for c in cleaned if unicodedata.category(c) == "Cc"}
    assert left <= {"\n", "\t"}
