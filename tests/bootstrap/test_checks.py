"""Each kind of check, on a right simulator and on wrong ones, all in this process."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flows.bootstrap.starter_files import write_starter
from simulator.bootstrap.cell import BootstrapCell
from simulator.bootstrap.check_spec import AnyCheck, problems_of
from simulator.bootstrap.scenario import CheckScenario, scenario_of
from simulator.driver import LocalPolicy
from simulator.errors import InputError, PolicyFailure
from simulator.sealed.spec import read_contract
from simulator.sealed.writer_side import simulator_contract

RIGHT = (Path(__file__).parent / "policies" / "right.py").read_text()


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> BootstrapCell:
    folder = tmp_path_factory.mktemp("systems") / "queue"
    write_starter(folder, "queue")
    (folder / "reference.py").write_text(RIGHT)
    rows = ["generator,seed,policy,figure,value,spread", "busy,1,fifo,finished,60,2"]
    (folder / "figures.csv").write_text("\n".join(rows) + "\n")
    return BootstrapCell(read_contract(folder / "contract.toml"), folder)


def tried(cell: BootstrapCell, check: CheckScenario, source: str) -> dict[str, Any]:
    """Return what a check says of a source, by way of its bytes."""
    port = LocalPolicy(simulator_contract(cell.folder.spec), source)
    return cell.simulate(cell.decode_scenario(cell.encode_scenario(check)), port).metrics


def own(**check: Any) -> CheckScenario:
    """Return a check of our own on busy queues."""
    given = {"name": "own", "split": "shown", "generator": "busy", "policy": "fifo"} | check
    if given["kind"] in ("worked", "figures"):
        del given["generator"]
    return scenario_of(msgspec.convert(given, AnyCheck))


def changed(*changes: tuple[str, str]) -> str:
    source = RIGHT
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    return source


SERVICE = "job.service + parameters.overhead"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "determinism": (
        {"kind": "determinism"},
        changed(("scenario.jobs]", "scenario.jobs if job.number < 3 + len(SEEN)]"))
        .replace("import heapq", "import heapq\n\nSEEN = heapq.__dict__.setdefault('seen', [])")
        .replace("    coming =", "    SEEN.append(1)\n    coming ="),
    ),
    "time_scale": (
        {"kind": "time_scale", "factor": 2},
        changed((SERVICE, f"{SERVICE} + (job.arrival > 60_000_000)")),
    ),
    "causality": (
        {"kind": "causality"},
        changed((SERVICE, f"{SERVICE} + scenario.jobs[-1].service % 2")),
    ),
    "monotone": (
        {"kind": "monotone", "value": "servers", "figure": "mean_delay", "direction": "falls"},
        changed((SERVICE, f"({SERVICE}) * (9 if scenario.values.servers > 2 else 1)")),
    ),
    "zero": (
        {"kind": "zero", "zero": {"jobs.service": 1}, "figure": "mean_delay", "equals": "0"},
        changed((SERVICE, f"{SERVICE} + 5_000_000")),
    ),
    "reference": (
        {"kind": "reference", "figures": ["mean_delay"], "log": True},
        changed((SERVICE, f"{SERVICE} + 1")),
    ),
    "figures": ({"kind": "figures", "figure": "finished"}, changed((SERVICE, f"({SERVICE}) * 9"))),
    "worked": (
        {"kind": "worked", "file": "worked/two_jobs.toml"},
        changed((SERVICE, f"{SERVICE} + 1")),
    ),
    "shift": (
        {"kind": "shift", "by": 777},
        changed((SERVICE, f"{SERVICE} + job.arrival % 1_000")),
    ),
}


def lawless(cell: BootstrapCell) -> BootstrapCell:
    """Return the cell with no law left, so that only the check itself can notice."""
    found = BootstrapCell.__new__(BootstrapCell)
    found.checks = cell.checks
    laws = msgspec.structs.replace(cell.folder.laws, laws=[])
    found.folder = replace(cell.folder, laws=laws)
    return found


def test_a_right_simulator_passes_every_check(cell: BootstrapCell) -> None:
    found = {each.name: tried(cell, scenario_of(each), RIGHT) for each in cell.checks}

    assert {name: each["verdict"] for name, each in found.items()} == dict.fromkeys(found, "pass")
    assert not problems_of(
        cell.checks, cell.folder.spec, [*cell.folder.policies], cell.folder.files
    )


def test_a_check_says_how_far_a_simulator_got(cell: BootstrapCell) -> None:
    late = f"{SERVICE} + (job.arrival > {{}})"
    wrong = [RIGHT.replace(SERVICE, late.format(moment)) for moment in (0, 30_000_000)]
    check = own(kind="run", seeds=[1, 2])

    early, later, right = (tried(cell, check, each)["reached"] for each in (*wrong, RIGHT))

    assert 0.0 < early < 0.25 < later < 0.5 < right == 1.0  # the first of two runs is not done


@pytest.mark.parametrize("kind", WRONG)
def test_each_kind_passes_what_is_right_and_fails_what_is_not(
    cell: BootstrapCell, kind: str
) -> None:
    check, source = WRONG[kind]
    free = lawless(cell)

    assert tried(free, own(**check), RIGHT)["verdict"] == "pass"
    wrong = tried(free, own(**check), source)
    assert (wrong["verdict"], wrong["passed"]) == ("fail", 0.0), kind
    assert {"what", "expected", "found"} <= wrong["counterexample"].keys()


def test_a_counterexample_is_small_and_shows_the_law_and_the_log(cell: BootstrapCell) -> None:
    late = changed((SERVICE, f"{SERVICE} + (decision.job % 7 == 6)"))
    found = tried(cell, own(kind="run"), late)["counterexample"]

    assert found["what"] == "service takes its time"
    assert found["expected"].startswith("1 us") and found["found"] == "2 us"
    assert found["scenario"].count("jobs[") == 7  # no fewer jobs show it
    assert found["log"].splitlines()[-1].startswith("finished(")


def test_what_takes_too_long_or_raises_fails_the_check_and_what_cannot_load_fails(
    cell: BootstrapCell,
) -> None:
    slow = changed(("    while coming:", "    while coming:\n        sum(range(200_000))"))
    raises = changed(("        time, kind", "        1 // (len(coming) - 20)\n        time, kind"))

    assert "0.05 CPU seconds" in tried(cell, own(kind="run", cpu_seconds=0.05), slow)["reason"]
    assert "ZeroDivisionError" in tried(cell, own(kind="run"), raises)["reason"]
    with pytest.raises(PolicyFailure, match="SyntaxError"):
        tried(cell, own(kind="run"), "def")


def test_what_would_leave_the_bounds_of_the_contract_is_not_applicable(cell: BootstrapCell) -> None:
    found = tried(cell, own(kind="time_scale", factor=1_000), RIGHT)

    assert (found["verdict"], found["passed"]) == ("not applicable", 1.0)


def test_a_ranking_is_wrong_when_policies_change_places(cell: BootstrapCell) -> None:
    last = (
        'return [start(job=job) for job in state.rows("jobs", "waiting")[-free:]] if free else []'
    )
    lifo = (
        cell.folder.policies["fifo"].replace("fifo", "lifo").rpartition("    return")[0]
        + f"    {last}\n"
    )
    folder = replace(cell.folder, policies={**cell.folder.policies, "lifo": lifo})
    both = BootstrapCell.__new__(BootstrapCell)
    both.checks, both.folder = cell.checks, folder
    check = own(kind="ranking", policies=["fifo", "lifo"], figure="mean_delay", seeds=[1, 2, 3])

    assert tried(both, check, RIGHT)["verdict"] == "pass"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "run", "generator": "calm"}, "generator is 'calm'"),
        ({"kind": "run", "policy": "lifo"}, "policy is 'lifo'"),
        ({"kind": "relabel", "table": "nodes"}, "table is 'nodes'"),
        ({"kind": "figures", "figure": "speed"}, "figure is 'speed'"),
        ({"kind": "worked", "file": "worked/none.toml"}, "no file worked/none.toml"),
    ],
)
def test_a_check_of_what_is_not_there_is_told(
    cell: BootstrapCell, change: dict[str, Any], words: str
) -> None:
    (problem,) = problems_of([own(**change).check], cell.folder.spec, ["fifo"], cell.folder.files)

    assert words in problem


def test_checks_stand_in_laws_alone(cell: BootstrapCell) -> None:
    with pytest.raises(InputError, match=r"laws\.toml"):
        cell.open_scenario(Path("x.toml"))
    assert tried(cell, cell.canary(), cell.IDLE_POLICY)["verdict"] == "fail"


def test_only_what_is_shown_is_made_smaller(cell: BootstrapCell) -> None:
    late = changed((SERVICE, f"{SERVICE} + (decision.job % 7 == 6)"))
    held = scenario_of(msgspec.structs.replace(own(kind="run").check, split="held"))

    assert tried(cell, held, late)["counterexample"]["scenario"].count("jobs[") > 7
