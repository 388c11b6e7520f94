"""Suites: the shipped ones are whole and as described; broken suite files say what is wrong."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.domains.pipelines.cell import scenario_from_files
from simulator.domains.pipelines.families import find_family, generate_family
from simulator.domains.pipelines.library import load_suite, suite_names
from simulator.domains.pipelines.params import Params
from simulator.domains.pipelines.scenario_codec import decode_scenario, encode_scenario
from simulator.domains.pipelines.suite_builder import build_suites
from simulator.domains.pipelines.workload import Segment, Workload
from simulator.errors import InputError, TraceError
from simulator.suites import SPLITS, traces_folder

MAX_SHIPPED_BYTES = 3_000_000


def test_the_shipped_suites_are_smoke_paper_and_mixed() -> None:
    assert suite_names() == ["mixed", "paper", "smoke"]


@pytest.mark.parametrize("name", ["mixed", "paper", "smoke"])
def test_every_split_of_a_shipped_suite_has_scenarios_called_on_change(name: str) -> None:
    suite = load_suite(name)

    assert all(suite.split(split) for split in SPLITS)
    assert sum(len(suite.split(split)) for split in SPLITS) == len(suite.scenarios)
    assert {scenario.params.policy_calls for scenario in suite.scenarios} == {"on_change"}
    assert len({scenario.sha256 for scenario in suite.scenarios}) == len(suite.scenarios)


def test_every_family_of_mixed_is_in_every_split_and_the_shifted_one_only_in_test() -> None:
    suite = load_suite("mixed")
    families = {split: {each.family for each in suite.split(split)} for split in SPLITS}

    assert families["train"] == families["validation"] == families["test"] - {"shifted"}
    assert "shifted" in families["test"]
    assert len(families["train"]) >= 12


def test_shipped_traces_are_what_the_builder_makes(tmp_path: Path) -> None:
    build_suites(tmp_path)

    made = {path.relative_to(tmp_path): path.read_bytes() for path in _files(tmp_path)}
    shipped = {path.relative_to(traces_folder()): path.read_bytes() for path in _shipped()}
    assert made == shipped
    assert sum(map(len, shipped.values())) < MAX_SHIPPED_BYTES


def test_every_shipped_trace_has_a_header_with_source_licence_seed_and_hash() -> None:
    hashes = {
        entry["sha256"]
        for suite in (traces_folder() / "suites").glob("*.toml")
        for entry in tomllib.loads(suite.read_text())["scenarios"]
    }

    for path in traces_folder().glob("*/*.csv"):
        header = tomllib.loads(path.with_suffix(".toml").read_text())
        assert {"source", "licence", "seed", "window_seconds"} <= set(header)
        assert header["sha256"] in hashes


def test_operators_of_smoke_differ_so_that_no_single_size_fits() -> None:
    for scenario in load_suite("smoke").scenarios:
        needs = sorted(
            need
            for pipeline in scenario.workload.pipelines
            for operator in pipeline.operators
            for need in [_need(operator.segments[0])]
        )

        assert needs[len(needs) * 9 // 10] > 4 * needs[len(needs) // 4]


def test_a_family_is_the_same_for_the_same_seed_only() -> None:
    family = find_family("wide")

    assert generate_family(family, 1) == generate_family(family, 1)
    assert generate_family(family, 1) != generate_family(family, 2)


@pytest.mark.parametrize("name", ["smoke", "paper"])
def test_a_scenario_survives_encoding(name: str) -> None:
    for scenario in load_suite(name).scenarios:
        assert decode_scenario(encode_scenario(scenario)) == scenario


@given(st.binary(max_size=200))
def test_any_bytes_are_a_scenario_or_an_input_error(data: bytes) -> None:
    with pytest.raises(InputError):
        decode_scenario(data)


def test_a_scaling_function_cannot_be_sent() -> None:
    scenario = load_suite("smoke").scenarios[0]
    pipeline = scenario.workload.pipelines[0]
    work = Segment(baseline_cpu_seconds=1, cpu_scaling=lambda cpus, seconds: seconds)
    operator = replace(pipeline.operators[0], segments=(work,))
    odd = Workload(pipelines=(replace(pipeline, operators=(operator,)),))

    with pytest.raises(InputError, match="expected a named cpu_scaling"):
        encode_scenario(replace(scenario, workload=odd))


def test_a_scenario_from_files_is_the_trace_or_the_generator() -> None:
    params = Params(duration=50, num_pools=1)
    trace = next(traces_folder().glob("smoke/*.csv"))

    replayed = scenario_from_files(trace, params)
    generated = scenario_from_files(None, params)

    assert replayed.name == trace.stem
    assert replayed.workload != generated.workload
    assert replayed.sha256 != generated.sha256


ENTRY = '[[scenarios]]\nname = "a"\nfamily = "f"\nsplit = "train"\n'
HEAD = 'name = "s"\ndescription = "d"\n'
BROKEN = [
    ("", "scenarios is missing"),
    (HEAD, "scenarios is missing"),
    ("scenario = 1\n", "unknown key 'scenario'"),
    (HEAD + ENTRY, "scenario 1: sha256 is missing, expected a text"),
    (HEAD + ENTRY + 'sha256 = "00"\n', "expected '00' as the suite file says"),
    (HEAD + ENTRY + 'trace = "none.csv"\nsha256 = "00"\n', "none.csv: cannot be read"),
    (HEAD + ENTRY.replace("train", "trian"), "split is 'trian', expected train, validation, test"),
    (HEAD + ENTRY + "params = 3\n", "scenario 1: params is 3, expected a table"),
    (HEAD + ENTRY + "params = { num_pools = 0 }\n", "scenario 1: params: num_pools is 0"),
    (HEAD + "scenarios = [3]\n", "scenario 1 is 3, expected a table"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_a_broken_suite_file_gives_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(text)

    with pytest.raises(InputError) as caught:
        load_suite(path)

    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_changed_trace_is_noticed(tmp_path: Path) -> None:
    for path in _shipped():
        copy = tmp_path / path.relative_to(traces_folder())
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    trace = next(tmp_path.glob("smoke/*.csv"))
    trace.write_text(trace.read_text().replace("QUERY", "BATCH_PIPELINE", 1))

    with pytest.raises(TraceError, match=f"{trace.name}: sha256 is"):
        load_suite(tmp_path / "suites" / "smoke.toml")


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown suite 'smok', expected mixed, paper, smoke"):
        load_suite("smok")
    with pytest.raises(InputError, match="unknown split 'all', expected train, validation, test"):
        load_suite("smoke").split("all")


def _need(segment: Segment) -> float:
    return segment.storage_read_gb if segment.memory_gb is None else segment.memory_gb


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".csv", ".toml")]


def _shipped() -> list[Path]:
    return [
        path for name in ("smoke", "mixed", "suites") for path in _files(traces_folder() / name)
    ]
