"""``assay traces list``, ``describe``, ``generate`` and ``check``."""

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from flows.workloads import describe, description_mapping, list_scenarios
from simulator.domain import find_domain
from simulator.domains.pipelines.library import load_suite
from simulator.suites import Suite, traces_folder
from tests.support.domains import TOY_FOLDER
from tests.support.in_process import command
from tests.support.small_suite import write_faas_suite

Capsys = pytest.CaptureFixture[str]
SHIPPED = traces_folder() / "smoke" / "smoke-branching-1.csv"


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "p.toml"
    path.write_text("duration = 30\nnum_pipelines = 2\nrandom_seed = 7\n", encoding="utf-8")
    return path


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A copy of a shipped trace with its header."""
    copy = tmp_path / "copy.csv"
    copy.write_bytes(SHIPPED.read_bytes())
    copy.with_suffix(".toml").write_bytes(SHIPPED.with_suffix(".toml").read_bytes())
    return copy


@pytest.mark.parametrize(
    "name", ["list", "describe", "generate", "check", "formats", "import", "suite", None]
)
def test_every_command_has_help(capsys: Capsys, name: str | None) -> None:
    words = ["traces"] if name is None else ["traces", name]

    done = command(capsys, *words, "--help")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: assay {' '.join(words)}")


def test_list_names_every_scenario_with_split_family_and_size(capsys: Capsys) -> None:
    done = command(capsys, "traces", "list", "--json")

    suites = {suite["name"]: suite["scenarios"] for suite in json.loads(done.out)["suites"]}
    found = {each["name"]: each for each in suites["smoke"]}
    for scenario in load_suite("smoke").scenarios:
        told = found[scenario.name]
        assert (told["split"], told["family"]) == (scenario.split, scenario.family)
        assert told["pipelines"] == len(scenario.workload.pipelines)
        assert told["operators"] >= told["pipelines"]
    assert {"smoke", "mixed", "paper"} <= set(suites)


def test_list_is_a_table_for_people(capsys: Capsys) -> None:
    done = command(capsys, "traces", "list")

    assert done.code == 0
    assert "smoke-branching-1" in done.out
    assert "validation" in done.out


def test_a_suite_is_described_at_a_glance(capsys: Capsys) -> None:
    done = command(capsys, "traces", "describe", "smoke", "--split", "train")

    train = [each.name for each in load_suite("smoke").split("train")]
    assert all(name in done.out for name in train)
    assert f"assay traces describe smoke --scenario {train[0]}" in done.out


def test_a_scenario_is_described_in_full(capsys: Capsys) -> None:
    done = command(capsys, "traces", "describe", "smoke", "--scenario", "smoke-branching-1")

    for part in ("arrivals", "priorities", "scaling", "critical path", "offered load", "cluster"):
        assert part in done.out
    assert "4 pools of 12 cpus and 128 GB" in done.out


def test_load_falls_as_pools_grow_and_operators_that_do_not_fit_are_counted(
    capsys: Capsys,
) -> None:
    done = command(
        capsys, "traces", "describe", "smoke", "--scenario", "smoke-branching-1", "--json"
    )

    (told,) = json.loads(done.out)["scenarios"]
    sizes = told["pool_sizes"]
    assert [size["cpus"] for size in sizes] == [3, 6, 12, 24, 48]
    assert sizes[0]["cpu_share"] == pytest.approx(4 * sizes[2]["cpu_share"])
    assert sizes[0]["too_large"] > sizes[2]["too_large"] == 0
    assert sizes[2]["memory_share"] == pytest.approx(told["offered"][0]["memory_share"])


def test_a_trace_is_described_for_the_window_in_its_header(capsys: Capsys, trace: Path) -> None:
    done = command(capsys, "traces", "describe", trace, "--json")

    (told,) = json.loads(done.out)["scenarios"]
    assert (told["duration_seconds"], told["operators"]) == (150, 403)


def test_a_trace_is_described_on_the_cluster_of_a_parameter_file(
    capsys: Capsys, trace: Path, tmp_path: Path
) -> None:
    cluster = tmp_path / "cluster.toml"
    cluster.write_text("num_pools = 2\ncpus_per_pool = 10\n", encoding="utf-8")

    done = command(capsys, "traces", "describe", trace, "--params", cluster)

    assert "2 pools of 10 cpus" in done.out


def test_a_trace_without_header_lasts_until_its_last_arrival(capsys: Capsys, trace: Path) -> None:
    trace.with_suffix(".toml").unlink()

    done = command(capsys, "traces", "describe", trace, "--json")

    (told,) = json.loads(done.out)["scenarios"]
    assert sum(told["arrivals"]) == told["pipelines"]


@pytest.mark.parametrize("draws", ["v1", "v2"])
def test_generate_writes_a_trace_that_passes_its_own_check(
    capsys: Capsys, params: Path, tmp_path: Path, draws: str
) -> None:
    out = tmp_path / "new" / "made.csv"

    made = command(capsys, "traces", "generate", "--params", params, "--draws", draws, "--out", out)
    checked = command(capsys, "traces", "check", out)

    header = tomllib.loads(out.with_suffix(".toml").read_text(encoding="utf-8"))
    assert (made.code, checked.code) == (0, 0)
    assert header["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (header["seed"], header["params"]["trace_draws"]) == (7, draws)
    assert checked.out.startswith("ok ")


def test_generate_twice_gives_the_same_bytes(capsys: Capsys, params: Path, tmp_path: Path) -> None:
    outs = [tmp_path / "a.csv", tmp_path / "b.csv"]

    for out in outs:
        command(capsys, "traces", "generate", "--params", params, "--out", out)

    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert outs[0].with_suffix(".toml").read_bytes() == outs[1].with_suffix(".toml").read_bytes()


def test_everything_shipped_passes_the_check(capsys: Capsys) -> None:
    done = command(capsys, "traces", "check", "--json")

    told = json.loads(done.out)
    assert (done.code, told["ok"]) == (0, True)
    assert {each["kind"] for each in told["files"]} == {"trace", "suite"}
    assert not [note for each in told["files"] for note in each["notes"]]


def test_a_changed_trace_fails_its_check(capsys: Capsys, trace: Path) -> None:
    text = trace.read_text(encoding="utf-8")
    trace.write_text(text.replace("QUERY", "INTERACTIVE", 1), encoding="utf-8", newline="")

    done = command(capsys, "traces", "check", trace, SHIPPED)

    assert done.code == 2
    assert "sha256 is" in done.err
    assert "restore the trace" in done.err
    assert f"ok   {SHIPPED}" in done.out


def test_every_problem_of_a_header_is_told(capsys: Capsys, trace: Path) -> None:
    trace.with_suffix(".toml").write_text('source = "me"\npipelines = 3\n', encoding="utf-8")

    done = command(capsys, "traces", "check", trace.with_suffix(".toml"), "--json")

    (told,) = json.loads(done.out)["files"]
    assert done.code == 2
    assert [problem.split(": ")[1].split(" is ")[0] for problem in told["problems"]] == [
        "licence", "sha256", "pipelines",
    ]  # fmt: skip


def test_a_trace_without_header_passes_with_a_note(capsys: Capsys, trace: Path) -> None:
    trace.with_suffix(".toml").unlink()

    done = command(capsys, "traces", "check", trace)

    assert done.code == 0
    assert "source and licence are not known" in done.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["describe", "nope"], "unknown suite"),
        (["describe", "missing.csv"], "missing.csv: cannot be read"),
        (["describe", "smoke", "--scenario", "x"], "smoke has no scenario 'x', expected one of"),
        (["describe", "smoke", "--params", "p.toml"], "--params goes with a trace file"),
        (["describe", "t.csv", "--split", "train"], "choose within a suite"),
        (["generate", "--params", "none.toml", "--out", "t.csv"], "none.toml: cannot be read"),
        (["generate", "--params", "none.toml"], "Missing option '--out'"),
        (["check", "missing.csv"], "missing.csv: cannot be read"),
        (["check", "missing.toml"], "missing.toml: cannot be read"),
        (["check", "."], ".: is a directory"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    capsys: Capsys, arguments: list[str], told: str
) -> None:
    done = command(capsys, "traces", *arguments)

    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err + done.out


@pytest.mark.parametrize("out", ["t.txt", "t", "t.toml", "."])
def test_a_trace_is_written_only_where_its_header_has_a_place(
    capsys: Capsys, params: Path, out: str
) -> None:
    done = command(capsys, "traces", "generate", "--params", params, "--out", out)

    assert done.code == 2
    assert "expected a file name ending in .csv" in done.err or "is a directory" in done.err


def test_an_input_is_never_overwritten(capsys: Capsys, params: Path) -> None:
    before = params.read_bytes()

    done = command(
        capsys, "traces", "generate", "--params", params, "--out", params.with_suffix(".csv")
    )

    assert done.code == 2
    assert "would overwrite the input" in done.err
    assert params.read_bytes() == before


def test_a_toml_file_that_is_no_header_is_never_overwritten(
    capsys: Capsys, params: Path, tmp_path: Path
) -> None:
    other = tmp_path / "mine.toml"
    other.write_text("num_pools = 1\n", encoding="utf-8")

    done = command(
        capsys, "traces", "generate", "--params", params, "--out", other.with_suffix(".csv")
    )

    assert done.code == 2
    assert "is no trace's header" in done.err


def test_scenarios_of_a_domain_of_data_alone_are_listed_and_described(capsys: Capsys) -> None:
    toy = find_domain(str(TOY_FOLDER))
    suite = Suite(name="one", description="one scenario", scenarios=(toy.cell.canary(),))

    table = list_scenarios(suite, toy)
    page = describe(toy.cell.canary(), toy)
    values = description_mapping(toy.cell.canary(), toy)
    done = command(capsys, "traces", "list", "--domain", str(TOY_FOLDER))

    assert list(table.headers)[:4] == ["scenario", "split", "family", "jobs"]
    assert table.rows[0][0] == "canary"
    assert page.startswith("canary: 2 jobs") and "settings:" in page
    assert json.loads(json.dumps(values))["jobs"] == 2
    assert done.code == 0


def test_a_file_with_one_scenario_is_described_and_a_suite_of_them_checked(
    tmp_path: Path, capsys: Capsys
) -> None:
    suite = write_faas_suite(tmp_path)
    asked = ("--domain", "faas")

    page = command(capsys, "traces", "describe", tmp_path / "train.toml", *asked)
    table = command(capsys, "traces", "describe", suite, *asked)
    checked = command(
        capsys, "traces", "check", suite, tmp_path / "test.toml", "faas-smoke", *asked
    )

    assert (page.code, table.code, checked.code) == (0, 0, 0), checked.err
    assert page.out.startswith("train: ")
    assert "small-3" in table.out
    assert [line.split(": ")[1] for line in checked.out.splitlines()][::2] == [
        "3 scenarios", "12 scenarios",
    ]  # fmt: skip


def test_scenarios_are_listed_on_a_narrow_terminal(
    capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The domain has no table of its own for the suite: the sizes of its scenarios are shown."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "20")

    done = command(capsys, "traces", "list", "--domain", TOY_FOLDER)

    assert done.code == 0 and "seconds" not in done.out


def test_the_command_that_a_glance_suggests_names_the_domain(capsys: Capsys) -> None:
    done = command(
        capsys, "traces", "describe", "faas-smoke", "--split", "test", "--domain", "faas"
    )

    suggested = done.out.splitlines()[-1].partition("assay ")[2]
    page = command(capsys, *suggested.split())
    assert page.code == 0
    assert page.out.startswith("faas-smoke-steady-4: ")


@pytest.mark.parametrize(
    "words",
    [
        ["formats"],
        ["check", "a.csv"],
        ["describe", "a.csv"],
        ["generate", "--params", "p.toml", "--out", "a.csv"],
        ["import", "swf", "log.swf", "--out", "a.csv"],
        ["suite", "a.csv", "--out", "a.toml"],
    ],
)
def test_a_domain_without_traces_says_so_in_one_line(capsys: Capsys, words: list[str]) -> None:
    done = command(capsys, "traces", *words, "--domain", TOY_FOLDER)

    assert done.code == 2
    assert "domain one-server has no traces in files of their own" in done.err
    assert done.err.count("\n") == 1
