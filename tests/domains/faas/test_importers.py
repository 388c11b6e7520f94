"""The Azure Functions traces as scenarios of functions as a service, from small files by hand."""

import json
from pathlib import Path

import pytest

from flows.cli.main import main
from simulator.domains.faas.cell import open_scenario
from simulator.domains.faas.importers import (
    Imported,
    Selection,
    import_azure_2019,
    import_azure_2021,
    write_scenario,
)
from simulator.domains.faas.scenario_files import read_world
from simulator.domains.faas.world import US
from simulator.errors import TraceError
from tests.support.import_files import azure_2019_day, azure_2021_rows

HEADER = "app,func,end_timestamp,duration\n"


def import_2021(folder: Path, rows: str, selection: Selection | None = None) -> Imported:
    path = folder / "rows.txt"
    path.write_text(HEADER + rows)
    return import_azure_2021(path, selection or Selection())


def test_invocations_of_2021_arrive_at_their_end_less_their_duration(tmp_path: Path) -> None:
    [path] = azure_2021_rows(tmp_path)

    imported = import_azure_2021(path)
    write_scenario(imported, tmp_path / "made")

    world = read_world(tmp_path / "made")
    assert list(world.times) == [0, 9_750_000, 689 * US]
    assert list(world.services) == [2_500_000, 250_000, US]
    assert [each.name for each in world.setup.tenants] == ["t1", "t2"]
    assert [each.tenant for each in world.setup.functions] == [0, 0, 1]
    assert (tmp_path / "made" / "names.csv").read_text() == (
        "function,app,func\nt1/f1,a1,f1\nt1/f2,a1,f2\nt2/f1,b2,f1\n"
    )


def test_a_day_of_2019_keeps_minutes_owners_durations_and_the_median_of_memory(
    tmp_path: Path,
) -> None:
    invocations, durations, memory = azure_2019_day(tmp_path)

    imported = import_azure_2019(invocations, durations, memory)
    write_scenario(imported, tmp_path / "made")

    world = read_world(tmp_path / "made")
    minutes = [(time // (60 * US), function) for time, function in zip(
        world.times, world.functions, strict=True)]  # fmt: skip
    assert sorted(minutes) == [(0, 0), (0, 0), (0, 1), (1, 1), (2, 0), (2, 1)]
    assert {each.memory_mb for each in world.setup.functions} == {150}
    for function, service in zip(world.functions, world.services, strict=True):
        assert 100_000 <= service <= 900_000 if function == 0 else service == 2 * US
    assert (len(world.setup.tenants), imported.tenants, imported.functions) == (1, 1, 2)
    assert (imported.invocations, imported.taken, imported.left_out) == (6, 6, ())


def test_whole_functions_are_sampled_and_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = "".join(f"a{number % 20},f{number % 40},{number + 1},0.5\n" for number in range(400))
    first = import_2021(tmp_path, rows, Selection(sample=0.5, seed=3))
    again = import_2021(tmp_path, rows, Selection(sample=0.5, seed=3))
    other = import_2021(tmp_path, rows, Selection(sample=0.5, seed=4))

    assert first == again and first.files != other.files
    assert first.taken == 10 * first.functions
    assert 5 < first.functions < 35
    assert dict(first.left_out) == {"of functions not in the sample": 400 - first.taken}
    assert f"# left out: {400 - first.taken} of functions" in first.files["scenario.toml"]


def test_a_window_a_limit_and_negative_durations_leave_out_and_say_so(tmp_path: Path) -> None:
    rows = "a,f,10,1\na,f,20,1\na,f,30,1\na,f,40,-1\na,f,5000,1\n"

    imported = import_2021(tmp_path, rows, Selection(limit=2))

    assert dict(imported.left_out) == {
        "with a negative duration": 1,
        "outside the window": 1,
        "after the first 2": 1,
    }
    assert (imported.invocations, imported.taken, imported.begin_seconds) == (5, 2, 9.0)


def test_functions_of_2019_without_durations_are_counted(tmp_path: Path) -> None:
    invocations, durations, memory = azure_2019_day(tmp_path)
    kept = [line for line in durations.read_text().splitlines() if not line.startswith("o,a,g")]
    durations.write_text("\n".join(kept) + "\n")

    imported = import_azure_2019(invocations, durations, memory)

    assert imported.left_out == (("of functions without durations", 3),)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,f,1,2\na,f,x,1\n", r"rows\.txt:3: end_timestamp is 'x', expected a number"),
        ("a,f,1,long\n", r"rows\.txt:2: duration is 'long', expected a number"),
        ("a,f,1\n", r"rows\.txt:2: 3 cells, expected 4 as in the header"),
        ("", r"rows\.txt: no invocation can be taken"),
    ],
)
def test_malformed_rows_are_refused_with_line_column_and_value(
    tmp_path: Path, rows: str, message: str
) -> None:
    with pytest.raises(TraceError, match=message):
        import_2021(tmp_path, rows)


def test_malformed_counts_of_2019_are_refused_with_line_column_and_value(tmp_path: Path) -> None:
    invocations, durations, memory = azure_2019_day(tmp_path)
    invocations.write_text(invocations.read_text().replace("http,2,", "http,2.5,"))

    with pytest.raises(TraceError, match=r"invocations\.csv:2: 1 is '2\.5', expected a whole"):
        import_azure_2019(invocations, durations, memory)


def typed(*arguments: str) -> object:
    """Return the exit code of ``assay ARGUMENTS``, run in this process."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code or 0


@pytest.mark.slow
def test_the_command_writes_a_scenario_that_a_policy_can_be_tried_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [rows] = azure_2021_rows(tmp_path)
    out = tmp_path / "day"
    asked = ["--domain", "faas", "--out", str(out), "--assume", "nodes=2"]

    assert typed("traces", "import", "azure-2021", str(rows), *asked) == 0
    assert "assumed: the platform is not in the data: 2 nodes" in capsys.readouterr().out
    assert typed("traces", "check", str(out), "--domain", "faas") == 0
    assert typed("traces", "describe", str(out), "--domain", "faas") == 0
    assert "invocations" in capsys.readouterr().out
    tried = ["--trace", str(out), "--domain", "faas", "--cell", "process", "--json"]
    assert typed("evaluate", "break-even", *tried) == 0
    [evaluation] = json.loads(capsys.readouterr().out)["evaluations"]
    assert evaluation["metrics"]["invocations"] == open_scenario(out).size["invocations"]


def test_wishes_that_make_no_sense_here_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [rows] = azure_2021_rows(tmp_path)
    for says, asked in {
        "expected a folder": ["--out", str(tmp_path / "day.csv")],
        "--steps-per-second has no meaning": [
            "--out",
            str(tmp_path / "d"),
            "--steps-per-second",
            "10",
        ],
        "--assume 'x=1' is unknown": ["--out", str(tmp_path / "d"), "--assume", "x=1"],
    }.items():
        assert typed("traces", "import", "azure-2021", str(rows), "--domain", "faas", *asked) == 2
        told = capsys.readouterr().err
        assert says in told, told
        assert told.count("\n") == 1
