"""Headers of traces: what is written can be read, and no file breaks a check."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.cli.traces import describe_traces
from flows.toml_text import document
from simulator.domains.pipelines.traces.checks import check_file
from simulator.errors import InputError
from tests.support.examples import at_night

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = TEXTS | NUMBERS | st.booleans()
NAMES = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
HEADERS = st.dictionaries(
    NAMES,
    VALUES | st.lists(TEXTS, max_size=3) | st.dictionaries(NAMES, VALUES, min_size=1, max_size=3),
    max_size=6,
)
KEYS = st.sampled_from(
    ["sha256", "pipelines", "source", "licence", "params", "window_seconds", "ticks_per_second"]
)
TRACE = (
    "pipeline_id,arrival_seconds,priority,operator_id,parents,baseline_cpu_seconds,cpu_scaling,"
    "memory_gb,storage_read_gb\np1,0.5,QUERY,op1,,1.0,const,,2.0\n"
)
QUICK = settings(
    max_examples=at_night(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUICK
@given(HEADERS)
def test_a_header_is_read_back_as_it_was_written(header: dict[str, Any]) -> None:
    assert tomllib.loads(document(header)) == header


def test_tables_inside_lists_are_read_back() -> None:
    header = {"files": [{"name": 'a "b" \\ \x7f\n', "sha256": "0"}], "n": 1}

    assert tomllib.loads(document(header)) == header


def test_a_file_name_that_is_not_unicode_does_not_break_a_header() -> None:
    assert tomllib.loads(document({"name": "caf\udce9"})) == {"name": "caf\\udce9"}


@QUICK
@given(st.dictionaries(KEYS, VALUES | st.dictionaries(NAMES, VALUES, max_size=2)))
def test_no_header_breaks_a_check_or_a_description(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: dict[str, Any]
) -> None:
    trace = tmp_path / "t.csv"
    trace.write_text(TRACE, encoding="utf-8")
    trace.with_suffix(".toml").write_text(document(header), encoding="utf-8")

    checked = check_file(str(trace))
    try:
        code = describe_traces.main([str(trace)], standalone_mode=False)
    except InputError as error:
        code = 2 if str(error).startswith(str(trace.with_suffix(".toml"))) else 1

    assert checked.pipelines == 1
    assert all("\n" not in problem for problem in checked.problems)
    assert code in (0, 2)


@QUICK
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()))
def test_no_bytes_break_a_check(tmp_path: Path, data: bytes) -> None:
    for name in ("t.csv", "t.toml", "s.toml"):
        path = tmp_path / name
        path.write_bytes(data)

        checked = check_file(str(path))

        assert checked.ok or all(checked.problems)
