"""A simulator from its first wrong version to its certificate, with a model's server of our own."""

import json
import re
from pathlib import Path

import pytest

from flows.report.checks import drawing_of
from sandbox.outcome import Outcome
from sandbox.trial import Sandbox
from simulator.bootstrap import calibration
from simulator.bootstrap.check_spec import Reference, Worked
from simulator.bootstrap.scenario import CheckScenario
from simulator.domain import BOOTSTRAP, find_domain
from simulator.domain_spec import plain_spec, spec_from
from simulator.errors import InputError
from simulator.sealed.certificate import (
    accepted_simulators,
    canonical,
    check_certificate,
    read_certificate,
)
from simulator.sealed.spec import read_contract
from tests.support import model_server as behaves
from tests.support.in_process import command_at
from tests.support.model_server import ModelServer
from tests.support.sealed import payload
from tests.support.systems import NAMES, SYSTEMS, system

pytestmark = pytest.mark.slow

RIGHT = (Path(__file__).parent / "policies" / "right.py").read_text()
HASTY = RIGHT.replace(" + parameters.overhead", "")
"""Passes all that is shown: only a check that is held has an overhead."""
BY_TIME = (Path(__file__).parent / "policies" / "by_time.py").read_text()
"""Right too, and written in another way."""
WRONG = RIGHT.replace("job.service + parameters.overhead", "job.service + 1")


KEPT = ("short runs", "with an overhead", "the future does not show", "the mean wait of M/M/1")
MEASURED = {1: 3_218_174, 2: 1_498_372, 3: 795_460, 4: 872_599}
"""The mean delay by seed where each job has an overhead of 70 ms."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bootstrap")


@pytest.fixture
def assay(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    run = command_at(here / "home", monkeypatch, capsys)
    monkeypatch.chdir(here)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setattr(calibration, "GENERATIONS", 1)
    monkeypatch.setattr(calibration, "CHILDREN", 9)
    return run


def test_a_start_is_written_and_found_right(here: Path, assay) -> None:  # type: ignore[no-untyped-def]
    assert assay("domains", "new", "queue").code == 0
    laws = here / "queue" / "laws.toml"
    head, *checks = laws.read_text().split("[[checks]]\n")
    kept = [each for each in checks if any(f'name = "{name}' in each for name in KEPT)]
    laws.write_text("[[checks]]\n".join(["mutants = 2\n" + head, *kept]))
    contract = here / "queue" / "contract.toml"
    contract.write_text(contract.read_text().replace("rows = 800", "rows = 80"))
    figures = ["generator,seed,policy,figure,value,spread"]
    figures += [f"busy,{seed},fifo,mean_delay,{value},0" for seed, value in MEASURED.items()]
    (here / "queue" / "figures.csv").write_text("\n".join(figures) + "\n")

    checked = assay("domains", "check", "queue")
    assert checked.code == 0, checked.out
    assert "no problems found" in checked.out
    assert assay("domains", "new", "queue").code == 2
    unnamed = assay("domains", "new", "My queue")
    assert (unnamed.code, (here / "My queue").exists()) == (2, False)
    assert "'My queue' cannot name a system" in unnamed.err
    missing = assay("domains", "verify", "queue/certificate.json")
    assert missing.code == 2 and "certificate.json: there is no such file" in missing.err


@pytest.mark.parametrize("name", NAMES)
def test_a_persons_own_code_runs_in_a_cell_whatever_it_imports(name: str) -> None:
    example, domain = system(name), find_domain(f"{BOOTSTRAP}:{SYSTEMS / name}")
    own = [each for each in example.checks if isinstance(each, Reference | Worked)]
    check = min(own, key=lambda each: not isinstance(each, Reference))
    scenario = CheckScenario(name="own", split="train", check=check, shrink=False)

    with Sandbox(cell="process", domain=domain) as box:
        (ended,) = box.try_policy(
            example.source("simulators/good.py"), [payload(domain, scenario)]
        ).evaluations

    assert ended.outcome is Outcome.OK, ended
    assert (ended.metrics or {})["passed"] == 1


def test_a_model_mends_what_the_checks_show_until_one_is_accepted(here: Path, assay) -> None:  # type: ignore[no-untyped-def]
    with ModelServer(*map(behaves.policy, (WRONG, HASTY, RIGHT))) as server:
        asked = ("--proposer", "openai", "--model", "any", "--base-url", server.url)
        done = assay("bootstrap", "queue", "--direct", "--cell", "process", *asked)
        prompts = [json.dumps(request.body) for request in server.requests]

    assert done.code == 0, done.err + done.out
    assert "certificate: queue/certificate.json" in done.out
    assert len(prompts) == 3  # the search ends with the one that passes all
    assert "service takes its time: 2 us, expected 1 us" in prompts[1]
    assert "jobs[0] arrival=0 service=1" in prompts[1]  # the smallest scenario, not sixty jobs
    told = " ".join(prompts)
    for hidden in ("with an overhead", "the future does not show", "M/M/1", "[[checks]]"):
        assert hidden not in told
    assert (here / "queue" / "simulator.py").read_text() == RIGHT


def test_the_certificate_tells_all_and_is_computed_again(here: Path, assay) -> None:  # type: ignore[no-untyped-def]
    path = here / "queue" / "certificate.json"
    certificate = read_certificate(path)

    assert {each["verdict"] for each in certificate["checks"]} == {"pass"}
    assert {each["split"] for each in certificate["checks"]} == {"shown", "held", "final"}
    assert certificate["mutants"]["made"] == 2 and "proved" not in canonical(certificate)
    assert certificate["assumptions"][0].startswith("A job that finishes at the horizon")
    calibrated = certificate["calibration"]
    assert 30_000 < calibrated["parameters"]["overhead"] < 110_000
    assert calibrated["held_error"]["error"] < 0.2

    again = assay("domains", "verify", str(path), "--cell", "process")
    assert again.code == 0, again.out
    assert list(accepted_simulators(here / "queue")) == [0]


@pytest.mark.nightly
def test_a_replay_asks_no_model_and_accepts_the_same_simulator(here: Path, assay) -> None:  # type: ignore[no-untyped-def]
    before = read_certificate(here / "queue" / "certificate.json")
    replay = ("--replay", "bootstrap-queue", "--direct", "--cell", "process")
    done = assay("bootstrap", "queue", *replay)

    assert done.code == 0, done.err + done.out
    after = read_certificate(here / "queue" / "certificate.json")
    assert after["experiment"].startswith("bootstrap-queue-replay-")
    for key in ("candidate", "hashes", "mutants", "calibration"):
        assert after[key] == before[key]
    assert not (here / "queue" / "simulator-2.py").exists()


def test_what_changed_since_is_refused(here: Path, assay) -> None:  # type: ignore[no-untyped-def]
    folder = here / "queue"
    laws, certificate = folder / "laws.toml", folder / "certificate.json"
    before = laws.read_text(), certificate.read_text()
    laws.write_text(before[0].replace("seeds = [18]", "seeds = [19]"))

    done = assay("domains", "verify", str(certificate), "--quick")
    assert done.code == 2 and "laws.toml has another hash" in done.out
    assert "with an overhead is no check of laws.toml" in done.out
    with pytest.raises(InputError, match=r"laws\.toml: it is not the file that certificate"):
        check_certificate(folder)
    searched = assay("run", "--direct", "--domain", "./queue", "--cell", "process")
    assert searched.code == 2 and "assay bootstrap" in searched.err

    laws.write_text(before[0])
    certificate.write_text(re.sub('"killed": 2', '"killed": 1', before[1]))
    with pytest.raises(InputError, match="its own hash is wrong"):
        read_certificate(certificate)
    certificate.write_text(before[1])


def test_a_second_one_is_another_program_beside_the_first(here: Path, assay) -> None:  # type: ignore[no-untyped-def]
    with ModelServer(*map(behaves.policy, (RIGHT, BY_TIME))) as server:
        asked = ("--proposer", "openai", "--model", "any", "--base-url", server.url)
        words = ("bootstrap", "queue", "--direct", "--cell", "process", "--another", *asked)
        same = assay(*words, "--candidates", "1")
        other = assay(*words, "--candidates", "1", "--name", "second")

    assert same.code == 3 and "accepted:    no simulator" in same.out
    assert "rejected" in same.out and "it is simulator.py once more" in same.out
    assert other.code == 0, other.err + other.out
    assert "certificate: queue/certificate-2.json" in other.out
    assert "it does the same as simulator.py in all 3 checks, event by event" in other.out
    assert "2 simulators are accepted here" in other.out
    assert list(accepted_simulators(here / "queue").values()) == [RIGHT, BY_TIME]
    assert assay("domains", "verify", "queue/certificate-2.json", "--quick").code == 0
    assert assay("domains", "check", "queue").code == 0
    for path in sorted((here / "queue").glob("*-2.*")):
        path.unlink()


@pytest.mark.nightly
def test_what_no_check_accepts_is_told_and_leaves_no_file(here: Path, assay) -> None:  # type: ignore[no-untyped-def]
    with ModelServer(behaves.policy(WRONG)) as server:
        asked = ("--proposer", "openai", "--model", "any", "--base-url", server.url)
        done = assay(
            "bootstrap",
            "queue",
            "--direct",
            "--cell",
            "process",
            "--name",
            "b2",
            "--candidates",
            "1",
            *asked,
        )
        assert done.code == 3 and "accepted:    no simulator" in done.out
        assert not (here / "queue" / "simulator-2.py").exists()


def test_the_report_shows_versions_counterexamples_and_the_certificate(here: Path, assay) -> None:  # type: ignore[no-untyped-def]
    done = assay("report", "bootstrap-queue")
    page = Path(done.out.strip().splitlines()[-1]).read_text()

    assert done.code == 0
    assert "Versions of the simulator" in page and "service takes its time: 2 us" in page
    assert "jobs[0] arrival=0 service=1" in page and "with an overhead" in page
    assert '<svg class="log"' in page
    assert "what no check asks is not known" in page
    assert "A job that finishes at the horizon itself counts as finished." in page


def test_the_log_of_a_counterexample_is_drawn_with_a_line_for_each_row() -> None:
    drawing = drawing_of("arrived(0, job=0)\nstarted(0, job=0)\narrived(4, job=1)\nno event")

    assert drawing is not None
    assert [name for _, name in drawing.lines] == ["job 0", "job 1"]
    assert [time for _, time in drawing.moments] == ["0", "4"]
    assert [(each.words, each.last) for each in drawing.marks] == [
        ("arrived, started", False),
        ("arrived", True),
    ]
    assert drawing_of("nothing") is None


def test_what_a_history_keeps_of_a_sealed_system_can_be_read_again(here: Path) -> None:
    spec = read_contract(here / "queue" / "contract.toml")

    assert spec_from(plain_spec(spec), "here").unit_of_step == "us"
