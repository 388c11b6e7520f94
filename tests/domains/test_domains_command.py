"""``assay domains``: what is listed, and what the check says of a good and of a broken domain."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.domain import SHIPPED
from tests.support.domains import TOY_FOLDER, copy_of_the_toy
from tests.support.in_process import Done, command_at

Assay = Callable[..., Done]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Assay:
    return command_at(tmp_path / "home", monkeypatch, capsys)


def test_shipped_domains_are_listed_with_what_they_are_about(run: Assay) -> None:
    done = run("domains", "list")

    assert done.code == 0
    for path in SHIPPED.glob("*/domain.toml"):
        assert path.parent.name in done.out
    assert "data pipelines on pools of CPUs and memory" in done.out


def test_the_toy_has_no_problems(run: Assay) -> None:
    done = run("domains", "check", TOY_FOLDER)

    *checks, last = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert len(checks) == 10
    assert all(line.startswith("ok  ") for line in checks)
    assert last == f"{TOY_FOLDER}: no problems found"


BROKEN = {
    "a reference that is not there": (
        ("domain.toml", 'reference = "fifo"', 'reference = "lifo"'),
        "reference is lifo, expected a policy in policies/: fifo, shortest",
    ),
    "a suite that is not there": (
        ("domain.toml", 'suite = "small"', 'suite = "large"'),
        "suite is large, expected one of small",
    ),
    "a known figure that is missing": (
        ("scenario.py", '"half_a_job": 0.5', '"half": 0.5'),
        "figures lacks half_a_job",
    ),
    "an objective with a figure that no run has": (
        ("domain.toml", 'figure = "mean_seconds_in_system"', 'figure = "mean_second_in_system"'),
        "figure of objective time_in_system: no run has mean_second_in_system; did you mean "
        "mean_seconds_in_system?",
    ),
    "a metric with a key that no run has": (
        ("domain.toml", 'key = "busy_percent"', 'key = "busy"'),
        "key of a metric: no run has busy; there are",
    ),
    "a syntax error": (
        ("cell.py", "def canary() -> Scenario:", "def canary() -> Scenario"),
        "SyntaxError: expected ':'",
    ),
    "a missing function": (("cell.py", "    with_calls,\n", ""), "no with_calls in it"),
    "an import that is not installed": (
        ("contract.py", "import msgspec", "import msgspec, no_such_package"),
        "ModuleNotFoundError: No module named 'no_such_package'",
    ),
    "a contract that loads the simulator": (
        ("contract.py", "mirror=Mirror,\n)", "mirror=Mirror,\n)\nfrom .policies_of import cell"),
        "it imports cell.py",
    ),
    "a method where a number is needed": (
        ("contract.py", "    @property\n    def size", "    def size"),
        "Decision.size is a method, expected a number or a property",
    ),
    "an end of the program": (
        (
            "cell.py",
            "def canary() -> Scenario:",
            "def canary() -> Scenario:\n    raise SystemExit(0)",
        ),
        "SystemExit: 0",
    ),
    "a policy that the screen refuses": (
        ("policies/fifo.py", "    pass", "    import os"),
        "fifo, line 6: import of",
    ),
    "a suite that cannot be read": (("suites/small.toml", "seed = 3\n", ""), "seed is None"),
    "scenarios that are lost on the way": (
        (
            "scenario.py",
            "return decode(data, Scenario)",
            "return replace(decode(data, Scenario), duration=7)",
        ),
        "encoded and decoded it is another scenario",
    ),
    "a leak": (
        ("cell.py", "(coming, scenario.jobs[coming][1])", "(coming, scenario.jobs[coming][2])"),
        "tells what shows only after second",
    ),
    "a figure that depends on the process": (
        ("cell.py", "in_system / len(scenario.jobs)", 'in_system + hash("a") % 1000'),
        "a run in another process differs",
    ),
    "a decision that crashes the simulator": (
        ("cell.py", "if decision.start not in waiting or running", "if running"),
        "a decision raised",
    ),
}


TOGETHER = [
    [
        "a reference that is not there",
        "a suite that is not there",
        "an objective with a figure that no run has",
        "a metric with a key that no run has",
    ],
    ["a known figure that is missing", "a policy that the screen refuses"],
    [
        "a leak",
        "a figure that depends on the process",
        "a decision that crashes the simulator",
    ],
]
"""Faults none of which hides another."""
APART = [[name] for name in BROKEN if not any(name in names for names in TOGETHER)]


@pytest.mark.parametrize("names", [*TOGETHER, *APART], ids="; ".join)
def test_the_check_says_in_a_line_what_is_wrong(
    run: Assay, tmp_path: Path, names: list[str]
) -> None:
    folder = copy_of_the_toy(tmp_path / "queue", *(BROKEN[name][0] for name in names))
    (folder / "policies_of.py").write_text("from . import cell\n")

    done = run("domains", "check", folder)

    bad = done.out.splitlines()
    assert done.code == 2
    assert "Traceback" not in done.out + done.err
    for name in names:
        said = BROKEN[name][1]
        assert any(said in line and line.startswith("    ") for line in bad), done.out


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("contract.py", "import threading; threading.Event().wait()", "does not end within 4 s"),
        ("cell.py", "import os; os.abort()", "the process ended with SIGABRT"),
        ("cell.py", "import os; print('farewell', flush=True); os._exit(0)", "exit code 0"),
    ],
)
def test_code_that_never_ends_or_kills_its_process_is_a_problem_of_the_domain(
    run: Assay, tmp_path: Path, name: str, line: str, said: str
) -> None:
    folder = copy_of_the_toy(tmp_path / "queue")
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")

    done = run("domains", "check", folder, "--seconds", 4)

    *_, bad, problem = done.out.splitlines()
    assert (done.code, done.err) == (2, "")
    assert bad.startswith("BAD ")
    assert said in problem
    assert ("farewell" in problem) == ("farewell" in line)


HOST = """
def outline(scenarios):
    return [f"{len(scenarios)} queues"]

def diagnosis(own, reference):
    return []

def capacities(scenario):
    return scenario.no_such_thing

class space:
    SEEDS = ("fifo",)

    def seed_genome(number):
        return "fifo"

    def emit(genome, render):
        return "import os"

    def title(genome):
        return genome

    def from_source(source):
        return None

    sample = random_genome = lambda rng: rng.random()
    mutate = crossover = lambda rng, *genomes: "fifo"
"""


def test_the_host_half_is_asked_for_what_it_offers(run: Assay, tmp_path: Path) -> None:
    folder = copy_of_the_toy(tmp_path / "queue")
    (folder / "host.py").write_text(HOST)

    done = run("domains", "check", folder, "--json")

    *others, host = json.loads(done.out)["checks"]
    assert all(check["problems"] == [] for check in others)
    problems = "\n".join(host["problems"])
    for said in (
        "diagnosis is nothing that Assay asks for; did you mean diagnose?",
        "capacities: " + str(folder / "host.py"),
        "space: from_source reads another genome from the policy fifo",
        "space: fifo, line 1: import of",
    ):
        assert said in problems
    assert "outline" not in problems


@pytest.mark.nightly
@pytest.mark.parametrize("name", [path.parent.name for path in SHIPPED.glob("*/domain.toml")])
def test_a_shipped_domain_has_no_problems(run: Assay, name: str) -> None:
    done = run("domains", "check", SHIPPED / name)

    assert (done.code, done.err) == (0, "")
    assert "host.py loads" in done.out


def test_the_check_as_json_has_each_promise_with_its_problems(run: Assay, tmp_path: Path) -> None:
    folder = copy_of_the_toy(tmp_path / "queue", BROKEN["a leak"][0])

    done = run("domains", "check", folder, "--json")

    answer = json.loads(done.out)
    broken = [check["name"] for check in answer["checks"] if check["problems"]]
    assert (done.code, answer["ok"]) == (2, False)
    assert broken == ["no message tells what a policy cannot know (20 disguises)"]
