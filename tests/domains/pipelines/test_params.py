"""Parameters: defaults, files, and one clear line for everything that is wrong with them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.domains.pipelines.params import MAX_PARAMS_BYTES, Params, load_params
from simulator.errors import InputError, ParamsError

WRONG = [
    ({"duraton": 3}, "unknown parameter 'duraton', did you mean 'duration'?"),
    ({"duration": 0}, "duration is 0, expected a number above 0"),
    ({"duration": float("nan")}, "duration is nan, expected a number"),
    ({"duration": "600"}, "duration is '600', expected a number"),
    ({"ticks_per_second": 0}, "ticks_per_second is 0, expected a whole number from 1"),
    ({"ticks_per_second": 10.5}, "ticks_per_second is 10.5, expected a whole number"),
    ({"num_pools": True}, "num_pools is True, expected a whole number"),
    ({"random_seed": -1}, "random_seed is -1, expected a whole number from 0"),
    ({"num_segs": 2}, "num_segs is 2, expected a whole number from 1 to 1"),
    ({"allow_memory_overcommit": 1}, "allow_memory_overcommit is 1, expected true or false"),
    ({"estimator_algo": "exact"}, "estimator_algo is 'exact', expected '' or 'noisy'"),
    ({"noisy_estimator_sigma": -0.1}, "noisy_estimator_sigma is -0.1, expected a number from 0"),
    ({"policy_calls": ["on_change"]}, "expected 'every_tick' or 'on_change'"),
    ({"query_prob": 0.2}, "interactive_prob + query_prob + batch_prob is 1.1, expected 1"),
    ({"dag_linear_prob": 0}, "are all 0, expected one above 0"),
    ({"duration": 0.0001, "ticks_per_second": 10}, "makes 0 ticks, expected 1 to"),
    ({"duration": 1e8, "ticks_per_second": 10**9}, "ticks, expected 1 to"),
    ({"scheduler_algo": ""}, "scheduler_algo is '', expected a text"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_a_wrong_parameter_is_named_with_its_value_and_what_is_allowed(
    wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        Params.from_mapping(wrong, where="p.json")

    assert str(caught.value).startswith("p.json: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parameters_cannot_be_built_wrong() -> None:
    with pytest.raises(ParamsError, match="num_pools is 0"):
        Params(num_pools=0)


def test_numbers_keep_the_type_they_were_given_with() -> None:
    params = Params.from_mapping({"cpus_per_pool": 2.0, "ram_gb_per_pool": 8})

    assert repr(params.cpus_per_pool) == "2.0"
    assert repr(params.ram_gb_per_pool) == "8"


def test_probabilities_may_miss_one_by_a_rounding_error() -> None:
    Params(interactive_prob=0.6, query_prob=0.3, batch_prob=0.1)


def test_ticks_are_truncated_products() -> None:
    params = Params(duration=0.29, ticks_per_second=100, max_job_seconds=0.57)

    assert params.num_ticks == int(0.29 * 100) == 28
    assert params.max_job_ticks == 56
    assert params.tick_seconds == 0.01


@pytest.mark.parametrize("name", ["p.json", "p.toml"])
def test_a_file_gives_the_same_parameters_as_its_mapping(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    given = {"duration": 30, "num_pools": 2, "scheduler_algo": "naive"}
    as_toml = 'duration = 30\nnum_pools = 2\nscheduler_algo = "naive"\n'
    path.write_text(json.dumps(given) if name.endswith("json") else as_toml)

    assert load_params(path) == Params.from_mapping(given)
    assert Params.from_mapping(load_params(path).to_mapping()) == load_params(path)


BROKEN_FILES = [
    ("p.json", b"{", "not valid JSON"),
    ("p.json", b"[1]", "top level is [1], expected an object"),
    ("p.json", b'{"duration": 1, "duration": 2}', "key 'duration' is given twice"),
    ("p.json", b"\xff", "byte 0 is not UTF-8"),
    ("p.json", b"[" * 100_000, "p.json"),
    ("p.json", b'{"random_seed": ' + b"9" * 5000 + b"}", "p.json"),
    ("p.json", b" " * (MAX_PARAMS_BYTES + 1), "larger than"),
    ("p.toml", b"duration = ", "not valid TOML"),
    ("p.toml", b"duration = 1979-05-27", "duration is datetime.date(1979, 5, 27)"),
    ("p.yaml", b"duration: 1", "expected .json or .toml"),
]


@pytest.mark.parametrize(("name", "data", "message"), BROKEN_FILES)
def test_a_broken_file_gives_one_line(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(InputError) as caught:
        load_params(path)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_input_errors(tmp_path: Path) -> None:
    folder = tmp_path / "folder.json"
    folder.mkdir()

    for path in (tmp_path / "none.json", folder, tmp_path / ("x" * 300 + ".json")):
        with pytest.raises(InputError, match="cannot be read"):
            load_params(path)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
known = st.sampled_from(list(Params().to_mapping()))


@given(st.dictionaries(known | st.text(max_size=8), plain, max_size=4))
def test_any_mapping_is_read_or_refused_with_one_line(mapping: dict[str, Any]) -> None:
    try:
        Params.from_mapping(mapping)
    except ParamsError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 2000


@given(st.binary(max_size=200), st.sampled_from([".json", ".toml"]))
def test_any_bytes_are_read_or_refused_with_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("params") / f"p{suffix}"
    path.write_bytes(data)

    try:
        load_params(path)
    except ParamsError as error:
        assert "\n" not in str(error)
