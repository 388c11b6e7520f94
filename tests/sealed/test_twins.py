"""Two accepted simulators of one system: what one of them likes is not enough."""

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.outcome import Outcome
from sandbox.trial import Sandbox
from simulator.domain import Domain, open_domain
from simulator.errors import InputError
from simulator.sealed.certificate import accepted_simulators, names_of
from simulator.suites import load_suite
from tests.support import model_server as behaves
from tests.support.in_process import command_at
from tests.support.model_server import ModelServer
from tests.support.sealed import accepted, certify, copy_of_the_queue, payload, source

GOOD, SERVERS = source("simulators", "good"), source("simulators", "servers")
OVERTAKING_IS_SLOW = (
    GOOD.replace(
        "coming = scenario.jobs, [], 0", "coming = scenario.jobs, [], 0\n    waiting = set()"
    )
    .replace(
        """log("arrived", now, job=coming)
""",
        """log("arrived", now, job=coming)
            waiting.add(coming)
""",
    )
    .replace(
        "jobs[decision.job].service",
        """jobs[decision.job].service
            waiting.discard(decision.job)
            end += (end - now) * 4 // 10 * any(each < decision.job for each in waiting)""",
    )
)
"""A job that is started before one that came earlier takes 40 % longer: a quirk."""
OPEN = (
    ('time = "job.service + overhead"', 'time = "job.service + overhead"\ncompare = "at_least"'),
    ("at.started + service + overhead", "at.started + 2 * (service + overhead)"),
)
"""What laws leave open then: how much longer a service may take."""


def twins(folder: Path, *simulators: str) -> Domain:
    """Return the queue with these simulators, under laws that leave the quirk open."""
    laws = copy_of_the_queue(folder) / "laws.toml"
    text = laws.read_text(encoding="utf-8")
    for old, new in OPEN:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    laws.write_text(text, encoding="utf-8")
    suite = folder / "suites" / "small.toml"
    text = suite.read_text(encoding="utf-8")
    for old, new in (("train", "learn"), ("validation", "train"), ("learn", "validation")):
        text = text.replace(f'split = "{old}"', f'split = "{new}"')
    suite.write_text(text, encoding="utf-8")  # so that three scenarios decide
    for number, each in enumerate(simulators):
        (folder / names_of(number)[0]).write_text(each, encoding="utf-8")
        certify(folder, number)
    return open_domain(folder)


def test_a_suite_has_every_scenario_once_for_each_accepted_simulator(tmp_path: Path) -> None:
    domain = accepted(tmp_path / "queue", GOOD, SERVERS)
    certify(domain.root, 1, calibration={"parameters": {"overhead": 70}})

    found = load_suite("small", open_domain(domain.root)).split("validation")

    assert [each.name for each in found] == [
        "poisson-11",
        "poisson-11-simulator-2",
        "poisson-12",
        "poisson-12-simulator-2",
    ]
    settings = [(each.settings["simulator"], each.settings["overhead"]) for each in found[:2]]
    assert settings == [("simulator.py", 0), ("simulator-2.py", 70)]


def test_where_the_first_one_is_gone_the_second_one_runs_everything(tmp_path: Path) -> None:
    domain = accepted(tmp_path / "queue", GOOD, SERVERS)
    for name in names_of(0):
        (domain.root / name).unlink()

    found = load_suite("small", open_domain(domain.root)).scenarios

    assert {each.settings["simulator"] for each in found} == {"simulator-2.py"}
    assert open_domain(domain.root).cell.canary().simulator == 1


def test_no_simulator_is_its_own_second_opinion_or_changes_after_it_was_accepted(
    tmp_path: Path,
) -> None:
    same = accepted(tmp_path / "same", GOOD, GOOD).root
    swapped = accepted(tmp_path / "swapped", GOOD, SERVERS).root
    (swapped / "simulator-2.py").write_text(OVERTAKING_IS_SLOW, encoding="utf-8")

    with pytest.raises(InputError, match=r"simulator-2\.py: it is simulator\.py once more"):
        accepted_simulators(same)
    with pytest.raises(InputError, match=r"simulator-2\.py: it is not the file"):
        Sandbox(cell="process", domain=open_domain(swapped))
    with pytest.raises(InputError, match=r"simulator-2\.py: it is not the file"):
        certify(swapped)  # the certificate of the first one is of no use to the second
        (swapped / "certificate-2.json").write_text((swapped / "certificate.json").read_text())
        Sandbox(cell="process", domain=open_domain(swapped))


@pytest.mark.slow
def test_one_simulator_tells_the_other_nothing(tmp_path: Path) -> None:
    marks = GOOD.replace("import heapq", "import heapq\nheapq.told = 7").replace("good", "marks")
    looks = GOOD.replace("import heapq", "import heapq\nassert not hasattr(heapq, 'told')")
    domain = accepted(tmp_path / "queue", marks, looks)
    scenarios = load_suite("small", domain).split("train")[:2]

    with Sandbox(cell="process", domain=domain) as box:
        trial = box.try_policy(
            domain.policy_source("fifo"), [payload(domain, each) for each in scenarios]
        )

    first, second = trial.evaluations
    assert (first.outcome, second.outcome) == (Outcome.OK, Outcome.OK), trial
    assert first.metrics == second.metrics


@pytest.mark.slow
def test_two_right_simulators_agree_and_count_no_scenario_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = accepted(tmp_path / "queue", GOOD, SERVERS).root
    assay = command_at(tmp_path / "home", monkeypatch, capsys)

    words = ("compare", "shortest", "fifo", "--domain", folder, "--cell", "process")
    found = json.loads(assay(*words, "--json").out)

    shortest = next(each for each in found["policies"] if each["policy"] == "fifo")
    first, second = shortest["groups"]["simulator.py"], shortest["groups"]["simulator-2.py"]
    assert first == second
    assert shortest["against_first"] == first
    scores = shortest["scores"]
    assert scores["poisson-11"] == scores["poisson-11-simulator-2"]


@pytest.mark.slow
def test_what_is_better_with_one_simulator_alone_is_refused_and_the_other_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = twins(tmp_path / "queue", GOOD, OVERTAKING_IS_SLOW).root
    assay = command_at(tmp_path / "home", monkeypatch, capsys)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    with ModelServer(behaves.policy(source("policies", "shortest"))) as server:
        asked = ("--proposer", "openai", "--model", "any", "--base-url", server.url)
        words = ("run", "--direct", "--domain", folder, "--cell", "process", "--name", "mine")
        done = assay(*words, "--candidates", "1", *asked)
    assert done.code == 0, done.err

    def ask(statement: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(assay("sql", statement, "--format", "json").out)
        return rows

    (row,) = ask("from candidates where iteration = 1")
    assert row["standing"] == "refused", row
    second, first = row["standing_detail"].split("; simulator.py: ")
    assert second.startswith("simulator-2.py: on validation against fifo: ")
    assert "% worse" in second
    assert "% better" in first
    by_simulator = ask(
        "select s.params->>'simulator' as simulator, exp(avg(ln(e.score))) as score "
        "from evaluations e join scenarios s using (experiment_id, scenario) "
        "where e.iteration = 1 and e.attempt = 0 group by all order by all desc"
    )
    assert [each["simulator"] for each in by_simulator] == ["simulator.py", "simulator-2.py"]
    assert by_simulator[0]["score"] > 1 > by_simulator[1]["score"]
