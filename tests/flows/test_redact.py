"""Secrets do not reach the disk, and ordinary text is left alone."""

import hashlib
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from flows.history.check import check
from flows.history.export import export_parquet
from flows.history.journal import Journal
from flows.history.records import Row
from flows.history.redact import REDACTED, environment_secrets, redact, redact_value
from flows.history.store import query
from tests.support.history_rows import call, candidate, evaluation, event, experiment, prompt

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
        "https://abcdefgh12345678@host/v1",
        "GET /v1/chat?key=abcdefgh12345678&model=x",
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
        "ssh://git@host/path, mail to somebody@example.org",
        "/v1/models?limit=20&order=asc",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text, ["none", "x"]) == text


def test_redacting_again_changes_nothing() -> None:
    text = (
        "Bearer abcdefgh12345678 http://u:pass@h/?key=abcdefgh12345678 api_key='0123456789abcdef'"
    )

    once = redact(text, ["planted"])

    assert redact(once, ["planted"]) == once


def test_secrets_of_the_environment_are_known_by_the_names_of_their_variables() -> None:
    environment = {
        "OPENAI_API_KEY": "planted-1",
        "AWS_SECRET_ACCESS_KEY": "planted-2",
        "GITHUB_TOKEN": " planted-3\n",
        "DB_PASSWORD": "planted-4",
        "client_secret": "planted-5",
        "SENTRY_DSN": "planted-6",
        "API_KEY_FILE": "/run/secrets/key",
        "SSH_KEY": "/home/me/.ssh/id",
        "SORT_KEY": "name",
        "KEYBOARD": "ordinary words",
        "MONKEY": "ordinary-word",
        "PATH": "/usr/bin:/bin",
    }

    found = environment_secrets(environment)

    assert set(found) == {f"planted-{number}" for number in range(1, 7)}


def test_nested_values_and_names_of_fields_are_redacted() -> None:
    value = {"headers": [{"api_key": "short"}, ("letmein!",)], "letmein!": 3, "n": None}

    redacted = redact_value(value, ["letmein!"])

    assert redacted == {"headers": [{"api_key": REDACTED}, [REDACTED]], REDACTED: 3, "n": None}


PLANTED = {
    "GITHUB_TOKEN": "planted-in-the-environment",
    "DB_PASSWORD": 'pl"anted in / quotes',
}


def rows_full_of(key: str) -> list[Row]:
    """The key in every place that a person, a model, a server or a policy can put it."""
    return [
        experiment(
            name=key,
            config={
                "proposer": {"base_url": f"http://u:{key}@host/v1"},
                "headers": {"Authorization": f"Bearer {key}", "X-Api-Key": key, key: "x"},
            },
            status_detail=f"failed: {key}",
        ),
        prompt(messages=[{"role": "user", "content": f"the key is {key}, keep it"}]),
        call(error=f"401: wrong key {key}", reply=json.dumps({"echo": key})),
        candidate(source=f"print({key!r})", title=key, problem=f"no {key}"),
        evaluation(prints=key, problem=key, metrics={"notes": [key]}),
        event(message=key, detail={"deep": [{"er": key}]}),
    ]


@pytest.mark.parametrize(
    "key",
    [
        "planted-key-0042",
        *(pytest.param(key, marks=pytest.mark.nightly) for key in PLANTED.values()),
    ],
)
def test_a_planted_key_is_nowhere_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"

    with Journal(home, "night", secrets=["planted-key-0042"]) as journal:
        journal.append_all(rows_full_of(key))
    export_parquet(home, tmp_path / "tables")

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    forms = [key, json.dumps(key)[1:-1], quote(key, safe="")]
    assert {path.name for path in files} >= {"history.duckdb", "build.duckdb", "prompts.parquet"}
    for path in files:
        assert not any(form.encode() in path.read_bytes() for form in forms), path
    tables = "experiments prompts llm_calls candidates evaluations events".split()
    for table in tables:
        assert REDACTED in str(query(home, f"FROM {table}").rows)
        assert key not in str(query(home, f"FROM {table}").rows)


def test_a_source_keeps_the_name_under_which_it_was_tried(tmp_path: Path) -> None:
    source = "KEY = 'planted-key-0042'\n"
    sha256 = hashlib.sha256(source.encode()).hexdigest()

    with Journal(tmp_path, "night", secrets=["planted-key-0042"]) as journal:
        journal.append(candidate(candidate=sha256, source=source))

    found = query(tmp_path, "SELECT candidate, source FROM candidates").rows
    assert found == ((sha256, f"KEY = '{REDACTED}'\n"),)
    assert check(tmp_path).ok
