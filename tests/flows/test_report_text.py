"""The report's texts: what is shown, what is cut, what cannot break out."""

import json
import tomllib
import unicodedata

import pytest

from flows.report.text import (
    clip,
    dollars,
    elapsed_seconds,
    json_for_script,
    moment,
    number,
    one_line,
    score_text,
    seconds_text,
)
from flows.toml_text import document
from flows.untrusted import for_page


@pytest.mark.parametrize(
    "hidden", ["\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\u2028", "\ufeff"]
)
def test_a_hidden_character_is_written_out(hidden: str) -> None:
    assert for_page(f"a{hidden}b") == f"a⟨U+{ord(hidden):04X}⟩b"


def test_a_tag_character_and_a_lone_surrogate_are_written_out() -> None:
    assert for_page("\U000e0041\ud800") == "⟨U+E0041⟩⟨U+D800⟩"


def test_every_format_character_is_written_out_unless_it_has_a_shape_of_its_own() -> None:
    # Signs that stand before digits or join hieroglyphs: a reader sees them.
    shaped = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    shaped |= {*range(0x13430, 0x13440), ord("\n"), ord("\t")}
    unseen = {"Cc", "Cf", "Cs", "Zl", "Zp"}

    kept = {
        code
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in unseen and for_page(chr(code)) == chr(code)
    }

    assert kept <= shaped


def test_ordinary_text_of_any_script_stays_as_it_is() -> None:
    text = "naïve → 0.5\n\tשלום 你好 🙂"

    assert for_page(text) == text


def test_line_ends_of_other_systems_become_plain_ones() -> None:
    assert for_page("a\r\nb\rc") == "a\nb⟨U+000D⟩c"


def test_json_cannot_end_its_script_element_and_reads_back_the_same() -> None:
    value = {"text": "</script><!-- & ' \" \\"}

    shown = json_for_script(value)

    assert not set("<>&") & set(shown)
    assert json.loads(shown) == value


def test_json_shows_hidden_characters_in_keys_and_values() -> None:
    assert json.loads(json_for_script({"\u202ek": ["\x00"]})) == {"⟨U+202E⟩k": ["⟨U+0000⟩"]}


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    assert clip("abcdef", 4) == "abcd … (2 more characters)"
    assert one_line("a\n  b\tc") == "a b c"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0, "0"), (0.000512, "0.000512"), (12.345, "12.3"), (123456.7, "123,457")],
)
def test_numbers_have_three_significant_digits(value: float | None, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (0.25, "250 ms"), (12.34, "12.3 s"), (150, "2 min 30 s"), (7260, "2 h 01 min")],
)
def test_durations_are_said_as_a_person_would(value: float | None, shown: str) -> None:
    assert seconds_text(value) == shown


def test_scores_and_dollars_keep_the_digits_that_matter() -> None:
    assert [score_text(value) for value in (None, 1.834, 0.0123)] == ["–", "1.83", "0.012"]
    assert [dollars(value) for value in (None, 0.01234, 12.3)] == ["unknown", "$0.0123", "$12.30"]


def test_times_that_cannot_be_read_are_not_guessed() -> None:
    assert elapsed_seconds("2026-01-01T00:00:00", "2026-01-01T00:01:00") == 60
    assert elapsed_seconds("yesterday", "2026-01-01T00:01:00") is None
    assert elapsed_seconds("2026-01-01T00:00:00", "2026-01-01T00:01:00+00:00") is None
    assert moment("2026-01-01T00:00:00.5+00:00") == "2026-01-01 00:00:00 UTC"
    assert moment("yesterday") == "yesterday"


def test_a_configuration_reads_back_from_its_toml() -> None:
    config = {
        "name": 'with "quotes", \\ and ü\n',
        "seed": 3,
        "minutes": 1.5,
        "direct": True,
        "baselines": ["naive", "priority"],
        "proposer": {"kind": "offline", "weights": {"odd key.": 1e-9}},
        "models": [{"name": "a"}],
    }

    assert tomllib.loads(document(config)) == config


def test_a_key_without_a_value_is_left_out_of_the_toml() -> None:
    assert document({"a": None, "b": {"c": None, "d": 1}}) == "[b]\nd = 1\n"
