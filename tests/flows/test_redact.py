"""Secrets do not reach the disk, and ordinary text is left alone."""

from pathlib import Path

import pytest

from flows.journal import Journal
from flows.records import Row
from flows.redact import REDACTED, redact, redact_value
from tests.support.history_rows import call, candidate, experiment

SECRET = 'hunter2/with "quotes" + signs'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        'hunter2/with \\"quotes\\" + signs',
        "hunter2%2Fwith%20%22quotes%22%20%2B%20signs",
        "aHVudGVyMi93aXRoICJxdW90ZXMiICsgc2lnbnM=",
    ],
)
def test_a_known_secret_goes_in_every_form_it_travels_in(form: str) -> None:
    assert redact(f"before {form} after", [SECRET]) == f"before {REDACTED} after"


@pytest.mark.parametrize(
    "text",
    [
        "Incorrect API key provided: sk-proj-abcdefghijklmnop",
        "Incorrect API key provided: sk-abcd********wxyz",
        "Authorization: Bearer abcdefgh12345678",
        "{'Authorization': 'Basic dXNlcjpwYXNzd29yZA=='}",
        "token ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAABCDEFGHIJKLMNOP",
        'api_key="0123456789abcdef"',
        "http://user:password@host/v1",
    ],
)
def test_known_kinds_of_keys_go_without_being_told(text: str) -> None:
    redacted = redact(text)

    assert REDACTED in redacted
    for part in ("abcdefgh", "wxyz", "dXNlc", "ABCDEFGH", "0123456789", ":password@"):
        assert part not in redacted


@pytest.mark.parametrize(
    "text",
    [
        "a basic scheduling policy for the bearer of bad news",
        "task-by-size-and-priority, risk-averse-scheduling",
        "http://127.0.0.1:8000/v1",
        "key = (pipeline.priority, op.estimate)  # sort key",
        "s.tokens = {}; password = None",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text, ["none", "x"]) == text


def test_nested_values_and_names_of_fields_are_redacted() -> None:
    value = {"headers": [{"api_key": "short"}, ("letmein!",)], "letmein!": 3, "n": None}

    redacted = redact_value(value, ["letmein!"])

    assert redacted == {"headers": [{"api_key": REDACTED}, [REDACTED]], REDACTED: 3, "n": None}


def test_a_planted_key_is_nowhere_in_the_journal(tmp_path: Path) -> None:
    key = "planted-key-0042"
    rows: list[Row] = [
        experiment(config={"base_url": f"http://u:{key}@host/v1", "deep": [{"x": key}]}),
        candidate(source=f"print({key!r})", title=key, problem=f"no {key}"),
        call(error=f"401: wrong key {key}", reply=f'{{"echo": "{key}"}}'),
    ]

    with Journal(tmp_path, "night", secrets=[key]) as journal:
        journal.append_all(rows)

    assert key.encode() not in journal.path.read_bytes()
    assert journal.path.read_text().count(REDACTED) == 7
